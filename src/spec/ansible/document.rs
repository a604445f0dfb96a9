//! The lines of an inventory: sections, hosts and variables, as Ansible's documentation has them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use super::literal::{self, Value};
use super::words::{self, Word};
use crate::error::{Error, Result, codes};
use crate::quote::quote;
use crate::spec::range::{self, MAX_HOSTS};
use crate::spec::raw::Text;
use crate::spec::source::Source;
use crate::spec::suggest::nearest;
use crate::spec::yaml::Located;

/// Most groups, and most variables of groups: enough for any site, few enough for every host to have all of them.
const MAX_GROUPS: usize = 1000;
/// Most variables on one line.
const MAX_VARIABLES: usize = 200;
/// Most times that hosts are named, ranges written out.
const MAX_MENTIONS: usize = 20 * MAX_HOSTS;

/// An inventory as it stands in its file.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// By name.
    pub hosts: BTreeMap<String, Host>,
    /// Names of hosts, in the order in which they first appear.
    pub order: Vec<String>,
    /// By name.
    pub groups: BTreeMap<String, Group>,
}

/// A host.
#[derive(Debug)]
pub(super) struct Host {
    /// Where it is named first.
    pub span: Range<usize>,
    /// What its lines say, the last one last.
    pub lines: Vec<Rc<Vec<Variable>>>,
}

/// A group.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Its first section.
    pub span: Range<usize>,
    /// Whether it has a section of hosts or of children, and not only variables.
    pub is_declared: bool,
    pub hosts: Vec<String>,
    pub children: Vec<Text>,
    pub variables: Vec<Variable>,
}

/// A variable that is set.
#[derive(Debug)]
pub(super) struct Variable {
    pub name: String,
    pub value: Value,
    /// Where the value stands.
    pub span: Range<usize>,
}

/// What the lines of a section are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hosts,
    Children,
    Variables,
}

/// The name of the group of hosts before the first section.
pub(super) const UNGROUPED: &str = "ungrouped";
/// The name of the group of all hosts.
pub(super) const ALL: &str = "all";

impl Document {
    /// Reads the text.
    ///
    /// # Errors
    /// [`codes::INVENTORY_SYNTAX`] and [`codes::SPEC_BUDGET`] with the place.
    pub fn parse(source: &Source<'_>) -> Result<Document> {
        let mut reader = Reader { source, document: Document::default(), mentions: 0, group_variables: 0 };
        let (mut group, mut kind) = (UNGROUPED.to_owned(), Kind::Hosts);
        reader.group(ALL, &(0..0))?.is_declared = true;
        reader.group(UNGROUPED, &(0..0))?.is_declared = true;
        let mut start = 0;
        for line in source.text.split_inclusive('\n') {
            let indentation = line.len() - line.trim_start().len();
            let (content, at) = (line.trim(), start + indentation);
            start += line.len();
            if content.is_empty() || content.starts_with(['#', ';']) {
                continue;
            }
            match reader.section(content, at)? {
                Some((name, of)) => {
                    (group, kind) = (name, of);
                    reader.group(&group, &(at..at + content.len()))?.is_declared |= kind != Kind::Variables;
                }
                None => reader.line(content, at, &group, kind)?,
            }
        }
        reader.groups_exist()?;
        Ok(reader.document)
    }
}

struct Reader<'a> {
    source: &'a Source<'a>,
    document: Document,
    mentions: usize,
    group_variables: usize,
}

impl Reader<'_> {
    fn wrong(&self, span: &Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Error {
        self.source.error(codes::INVENTORY_SYNTAX, message, span, "").with_help(help)
    }

    fn too_much(&self, span: &Range<usize>, what: &str) -> Error {
        let message = format!("the inventory has {what}");
        self.source
            .error(codes::SPEC_BUDGET, message, span, "stopped here")
            .with_help("is it the right file?")
    }

    /// The group of this name, which is made if there is none.
    fn group(&mut self, name: &str, span: &Range<usize>) -> Result<&mut Group> {
        if self.document.groups.len() >= MAX_GROUPS && !self.document.groups.contains_key(name) {
            return Err(self.too_much(span, &format!("more than {MAX_GROUPS} groups")));
        }
        let group = self.document.groups.entry(name.to_owned());
        Ok(group.or_insert_with(|| Group { span: span.clone(), ..Group::default() }))
    }

    /// `[NAME]`, `[NAME:children]` or `[NAME:vars]`; `None` if the line is no head of a section.
    fn section(&self, line: &str, at: usize) -> Result<Option<(String, Kind)>> {
        let Some((inside, rest)) = line.strip_prefix('[').and_then(|line| line.split_once(']')) else {
            return Ok(None);
        };
        // A host may begin with a range.
        if !rest.trim_start().is_empty() && !rest.trim_start().starts_with('#') {
            return Ok(None);
        }
        let span = at..at + inside.len() + 2;
        let (name, kind) = inside.split_once(':').map_or((inside, "hosts"), |(name, kind)| (name, kind));
        if name.is_empty() || name.contains(char::is_whitespace) || kind.contains(char::is_whitespace) {
            let help = "write `[GROUP]`, `[GROUP:children]` or `[GROUP:vars]`, without spaces";
            return Err(self.wrong(&span, format!("`{}` is not the head of a section", quote(line)), help));
        }
        let kind = match kind {
            "hosts" => Kind::Hosts,
            "children" => Kind::Children,
            "vars" => Kind::Variables,
            other => {
                let help = match nearest(other, ["children", "vars", "hosts"]) {
                    Some(near) => format!("did you mean `[{}:{near}]`?", quote(name)),
                    None => "a section is `[GROUP]`, `[GROUP:children]` or `[GROUP:vars]`".to_owned(),
                };
                let message = format!("`{}` is no kind of section", quote(other));
                return Err(self.wrong(&span, message, help));
            }
        };
        Ok(Some((name.to_owned(), kind)))
    }

    fn line(&mut self, line: &str, at: usize, group: &str, kind: Kind) -> Result<()> {
        match kind {
            Kind::Hosts => self.hosts(line, at, group),
            Kind::Children => self.child(line, at, group),
            Kind::Variables => self.variable(line, at, group),
        }
    }

    /// `NAME VARIABLE=VALUE …`
    fn hosts(&mut self, line: &str, at: usize, group: &str) -> Result<()> {
        let words = words::split(line, at).map_err(|quote| {
            let help = "close the quote on the same line, or write `\\` before one that belongs to the value";
            self.wrong(&(quote..quote + 1), "a quote has no end", help)
        })?;
        let Some((name, rest)) = words.split_first() else { return Ok(()) };
        if rest.len() > MAX_VARIABLES {
            return Err(
                self.too_much(&name.span, &format!("more than {MAX_VARIABLES} variables on one line"))
            );
        }
        let mut variables = rest.iter().map(|word| self.assignment(word)).collect::<Result<Vec<_>>>()?;
        let (pattern, port) = name_and_port(&name.value);
        if let Some(port) = port {
            let span = name.span.end - port.len()..name.span.end;
            variables.insert(
                0,
                Variable { name: "ansible_port".to_owned(), value: Value::Text(port.to_owned()), span },
            );
        }
        let names = range::expand(pattern).map_err(|why| {
            self.wrong(
                &name.span,
                why,
                "write `node[01:16]`: both ends are included, and zeros in front are kept",
            )
        })?;
        self.mentions += names.len();
        if self.mentions > MAX_MENTIONS || self.document.order.len() > MAX_HOSTS {
            return Err(self.too_much(&name.span, &format!("more than {MAX_HOSTS} hosts")));
        }
        let variables = Rc::new(variables);
        for one in names {
            self.host(one, name.span.clone(), &variables, group)?;
        }
        Ok(())
    }

    fn host(
        &mut self,
        name: String,
        span: Range<usize>,
        variables: &Rc<Vec<Variable>>,
        group: &str,
    ) -> Result<()> {
        if !self.document.hosts.contains_key(&name) {
            self.document.order.push(name.clone());
        }
        let host = self.document.hosts.entry(name.clone());
        let host = host.or_insert_with(|| Host { span: span.clone(), lines: Vec::new() });
        if !variables.is_empty() {
            host.lines.push(variables.clone());
        }
        self.group(group, &span)?.hosts.push(name);
        Ok(())
    }

    /// `VARIABLE=VALUE` among the words of a host.
    fn assignment(&self, word: &Word) -> Result<Variable> {
        let Some((name, value)) = word.value.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            // The word is not repeated: it may be half a password whose quotes are missing.
            let help = "write `variable=value` without spaces around `=`, and quotes around a value with spaces; each host \
                        has a line of its own";
            return Err(self.wrong(&word.span, "a word on the line of a host is not `variable=value`", help));
        };
        let written = &self.source.text[word.span.clone()];
        let start = word.span.start + written.find('=').map_or(0, |equals| equals + 1);
        Ok(Variable { name: name.to_owned(), value: literal::value(value), span: start..word.span.end })
    }

    /// The name of a group, among the children of another one.
    fn child(&mut self, line: &str, at: usize, group: &str) -> Result<()> {
        let name = line.split('#').next().unwrap_or_default().trim_end();
        let span = at..at + name.len();
        if name.contains(char::is_whitespace) || name.contains([':', '=']) {
            let help = format!("write one group a line; hosts belong under `[{}]`", quote(group));
            return Err(self.wrong(&span, "this is not the name of a group", help));
        }
        self.group(group, &span)?.children.push(Located { value: name.to_owned(), span });
        Ok(())
    }

    /// `VARIABLE = VALUE`, the rest of the line.
    fn variable(&mut self, line: &str, at: usize, group: &str) -> Result<()> {
        let Some((name, value)) = line.split_once('=') else {
            let help = "write `variable=value`, one a line";
            return Err(self.wrong(
                &(at..at + line.len()),
                "a line among variables is not `variable=value`",
                help,
            ));
        };
        self.group_variables += 1;
        if self.group_variables > MAX_GROUPS {
            return Err(
                self.too_much(&(at..at + line.len()), &format!("more than {MAX_GROUPS} variables of groups"))
            );
        }
        let start = at + line.len() - value.trim_start().len();
        let variable = Variable {
            name: name.trim().to_owned(),
            value: literal::value(value.trim()),
            span: start..at + line.len(),
        };
        self.group(group, &(at..at + line.len()))?.variables.push(variable);
        Ok(())
    }

    /// Variables, and groups that contain others, are of groups that have a section of their own, as in Ansible: what is
    /// said of a group with a typing error in its name is not to be lost.
    fn groups_exist(&self) -> Result<()> {
        let groups = &self.document.groups;
        let children = groups.values().flat_map(|group| &group.children);
        let named = children.map(|child| (child.value.as_str(), &child.span));
        let with_variables = groups.iter().map(|(name, group)| (name.as_str(), &group.span));
        let is_missing =
            |(name, _): &(&str, &Range<usize>)| !groups.get(*name).is_some_and(|group| group.is_declared);
        match named.chain(with_variables).find(is_missing) {
            Some((name, span)) => Err(self.no_group(name, span)),
            None => Ok(()),
        }
    }

    fn no_group(&self, name: &str, span: &Range<usize>) -> Error {
        let groups = self.document.groups.iter().filter(|(_, group)| group.is_declared);
        let help = match nearest(name, groups.map(|(name, _)| name.as_str())) {
            Some(near) => format!("did you mean `{}`?", quote(near)),
            None => format!("add a section `[{}]`, or delete this one", quote(name)),
        };
        self.wrong(span, format!("there is no group `{}`", quote(name)), help)
    }
}

/// `HOST:PORT`, in which ranges and IPv6 addresses may hold further `:`.
fn name_and_port(text: &str) -> (&str, Option<&str>) {
    let mut depth = 0_usize;
    let outside: Vec<usize> = text
        .char_indices()
        .filter_map(|(at, character)| {
            match character {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            (character == ':' && depth == 0).then_some(at)
        })
        .collect();
    match outside.as_slice() {
        [at] => (&text[..*at], Some(&text[at + 1..])),
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_told_from_ranges_and_addresses() {
        for (text, name, port) in [
            ("a", "a", None),
            ("a:22", "a", Some("22")),
            ("a[1:3]", "a[1:3]", None),
            ("a[1:3]:22", "a[1:3]", Some("22")),
            ("fd00::1", "fd00::1", None),
            ("[fd00::1]:22", "[fd00::1]", Some("22")),
        ] {
            assert_eq!(name_and_port(text), (name, port), "{text}");
        }
    }
}
