//! Which groups a host is in, and which variable wins where several say something: the host's own before those of
//! its groups, those of children before those of their parents, `all` last ("Using variables", "How variables are merged").

use std::collections::{BTreeMap, BTreeSet};

use super::document::{ALL, Document, UNGROUPED, Variable};
use super::literal::Value;
use crate::error::{Result, codes};
use crate::quote::quote;
use crate::spec::source::Source;

/// How groups contain each other.
pub(super) struct Groups<'a> {
    document: &'a Document,
    /// The groups that contain a group directly.
    parents: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Steps from `all`, on the longest way.
    depth: BTreeMap<&'a str, usize>,
    /// Groups of which a host is a member directly.
    of_host: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

/// The variables that hold for a host, by name.
pub(super) type Variables<'a> = BTreeMap<&'a str, &'a Variable>;

impl<'a> Groups<'a> {
    /// # Errors
    /// [`codes::INVENTORY_SYNTAX`] if a group contains itself.
    pub fn of(source: &Source<'_>, document: &'a Document) -> Result<Groups<'a>> {
        let mut groups =
            Groups { document, parents: BTreeMap::new(), depth: BTreeMap::new(), of_host: BTreeMap::new() };
        for (name, group) in &document.groups {
            for child in &group.children {
                groups.parents.entry(&child.value).or_default().insert(name);
            }
            for host in &group.hosts {
                groups.of_host.entry(host).or_default().insert(name);
            }
        }
        for name in document.groups.keys() {
            if groups.deepen(name, 0).is_none() {
                return Err(groups.circle(source, name));
            }
        }
        Ok(groups)
    }

    /// Finds the depth of a group and of those above it; `None` if they go in a circle. There are few enough groups for
    /// the recursion to end before that.
    fn deepen(&mut self, name: &'a str, below: usize) -> Option<usize> {
        if let Some(depth) = self.depth.get(name) {
            return Some(*depth);
        }
        if below > self.document.groups.len() {
            return None;
        }
        let parents: Vec<&str> = self.parents.get(name).into_iter().flatten().copied().collect();
        let mut depth = usize::from(name != ALL);
        for parent in parents {
            depth = depth.max(self.deepen(parent, below + 1)? + 1);
        }
        self.depth.insert(name, depth);
        Some(depth)
    }

    fn circle(&self, source: &Source<'_>, name: &str) -> crate::error::Error {
        let span = self.document.groups.get(name).map(|group| group.span.clone()).unwrap_or_default();
        let message = format!("the group `{}` contains itself, directly or through others", quote(name));
        source
            .error(codes::INVENTORY_SYNTAX, message, &span, "")
            .with_help("take it out of the `:children` of the groups that it contains")
    }

    /// All groups of a host, with those that contain them; `all` and `ungrouped` are left out.
    pub fn of_host(&self, host: &str) -> BTreeSet<&'a str> {
        let mut pending: Vec<&str> = self.of_host.get(host).into_iter().flatten().copied().collect();
        let mut found = BTreeSet::new();
        while let Some(group) = pending.pop() {
            if found.insert(group) {
                pending.extend(self.parents.get(group).into_iter().flatten());
            }
        }
        found.remove(ALL);
        found.remove(UNGROUPED);
        found
    }

    /// The variables that hold for a host.
    pub fn variables(&self, host: &str, groups: &BTreeSet<&'a str>) -> Variables<'a> {
        let mut order: Vec<(usize, i64, &str)> = groups.iter().map(|name| self.rank(name)).collect();
        order.extend(self.document.groups.contains_key(ALL).then_some((0, 0, ALL)));
        if self.of_host.get(host).is_some_and(|groups| groups.contains(UNGROUPED)) {
            order.push((1, 0, UNGROUPED));
        }
        order.sort_unstable();
        let of_groups = order.iter().filter_map(|(_, _, name)| self.document.groups.get(*name));
        let lines = self.document.hosts.get(host).into_iter().flat_map(|host| &host.lines);
        let all = of_groups.flat_map(|group| &group.variables).chain(lines.flat_map(|line| line.iter()));
        all.map(|variable| (variable.name.as_str(), variable)).collect()
    }

    /// Groups that rank higher win: by depth, by `ansible_group_priority`, by name.
    fn rank(&self, name: &'a str) -> (usize, i64, &'a str) {
        let variables =
            self.document.groups.get(name).map(|group| group.variables.iter()).unwrap_or_default();
        let priority = variables.rev().find(|variable| variable.name == "ansible_group_priority");
        let number = match priority.map(|variable| &variable.value) {
            Some(Value::Text(number)) => number.parse().unwrap_or(1),
            _ => 1,
        };
        (self.depth.get(name).copied().unwrap_or(1), number, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of(text: &str, host: &str, name: &str) -> String {
        let source = Source::ini("hosts", text);
        let document = Document::parse(&source).unwrap();
        let groups = Groups::of(&source, &document).unwrap();
        match &groups.variables(host, &groups.of_host(host))[name].value {
            Value::Text(text) => text.clone(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_most_specific_variable_wins() {
        let all = "[a]\nh\n[p:children]\na\n[all:vars]\nx=all\n";
        assert_eq!(value_of(all, "h", "x"), "all");
        let parent = format!("{all}[p:vars]\nx=parent\n");
        assert_eq!(value_of(&parent, "h", "x"), "parent");
        let child = format!("{parent}[a:vars]\nx=child\n");
        assert_eq!(value_of(&child, "h", "x"), "child");
        let host = format!("h x=host\n{child}");
        assert_eq!(value_of(&host, "h", "x"), "host");
    }

    #[test]
    fn equals_are_ranked_by_priority_and_name() {
        let text = "[a]\nh\n[b]\nh\n[a:vars]\nx=a\n[b:vars]\nx=b\n";
        assert_eq!(value_of(text, "h", "x"), "b");
        assert_eq!(value_of(&text.replace("x=a", "x=a\nansible_group_priority=10"), "h", "x"), "a");
    }

    #[test]
    fn variables_of_a_group_that_is_not_there_are_an_error() {
        for (text, fits) in [
            ("[master]\nh\n[mastre:vars]\nx=1\n", false),
            ("[p:children]\nnope\n[nope:vars]\nx=1\n", false),
            ("[a:vars]\nx=1\n[a]\nh\n[ungrouped:vars]\ny=1\n[all:vars]\nz=1\n", true),
            ("[a]\nh\n[p:vars]\nx=1\n[p:children]\na\n", true),
        ] {
            let document = Document::parse(&Source::ini("hosts", text));
            assert_eq!(document.is_ok(), fits, "{text}");
            if let Err(error) = document {
                assert!(error.message().starts_with("there is no group `"), "{error}");
            }
        }
    }

    #[test]
    fn circles_are_refused() {
        let text = "[a:children]\nb\n[b:children]\nc\n[c:children]\na\n";
        let source = Source::ini("hosts", text);
        let document = Document::parse(&source).unwrap();
        let error = Groups::of(&source, &document).err().unwrap();
        assert!(error.message().contains("contains itself"));
    }
}
