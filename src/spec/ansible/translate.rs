//! From groups and variables to what a `cluster.yaml` would say.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::document::{ALL, Document, UNGROUPED, Variable};
use super::groups::{Groups, Variables};
use super::hosts::{Fields, Subject, refused};
use super::literal::Value;
use super::notes::Notes;
use super::roles::{self, Meaning};
use super::variables::{self, Field};
use super::{cluster, values};
use crate::cluster::inventory::Role;
use crate::error::{Result, codes};
use crate::quote::quote;
use crate::spec::cluster::raw;
use crate::spec::raw::either::TextOr;
use crate::spec::source::Source;
use crate::spec::suggest::listed;
use crate::spec::yaml::Located;

/// An inventory in the words of a `cluster.yaml`.
pub(super) struct Translated {
    pub raw: Located<raw::Cluster>,
    /// Where the first secret stands.
    pub secret: Option<Range<usize>>,
}

/// Translates everything.
///
/// # Errors
/// [`codes::INVENTORY_NOT_UNDERSTOOD`], [`codes::INVENTORY_ROLE`] and those of [`Groups::of`].
pub(super) fn cluster(source: &Source<'_>, document: &Document, notes: &mut Notes<'_>) -> Result<Translated> {
    let groups = Groups::of(source, document)?;
    name_unknown_groups(document, notes);
    let mut translation = Translation {
        source,
        document,
        lists: Lists::default(),
        settings: Fields::new(),
        secret: None,
        on_servers: None,
    };
    for alias in &document.order {
        translation.host(alias, &groups, notes)?;
    }
    translation.finish(notes)
}

/// The hosts of each role.
#[derive(Default)]
struct Lists {
    first: raw::Hosts,
    servers: raw::Hosts,
    agents: raw::Hosts,
    balancers: raw::Hosts,
}

struct Translation<'a, 'd> {
    source: &'a Source<'a>,
    document: &'d Document,
    lists: Lists,
    /// What hosts say about the cluster.
    settings: Fields<'d>,
    secret: Option<Range<usize>>,
    /// Where a server is named that is a balancer too.
    on_servers: Option<Range<usize>>,
}

impl<'d> Translation<'_, 'd> {
    fn host(&mut self, alias: &'d str, groups: &Groups<'d>, notes: &mut Notes<'_>) -> Result<()> {
        let Some(host) = self.document.hosts.get(alias) else { return Ok(()) };
        let of_host = groups.of_host(alias);
        let variables = groups.variables(alias, &of_host);
        let fields = fields(self.source, &variables, notes)?;
        let meanings = roles::meanings(&of_host);
        let Some(role) = self.role(alias, &host.span, &of_host, &fields, &meanings, notes)? else {
            return Ok(());
        };
        let is_balancer = role == Role::Balancer;
        let subject = Subject { alias, host, fields: &fields, meanings: &meanings, is_balancer };
        let raw = subject.translate(self.source, notes, &mut self.secret)?;
        for (field, variable) in fields {
            self.setting(field, variable)?;
        }
        if role == Role::Server && meanings.contains(&Meaning::Balancer) {
            self.on_servers.get_or_insert_with(|| host.span.clone());
        }
        let list = match role {
            Role::Server if meanings.contains(&Meaning::First) => &mut self.lists.first,
            Role::Server => &mut self.lists.servers,
            Role::Agent => &mut self.lists.agents,
            Role::Balancer => &mut self.lists.balancers,
        };
        list.push(Located { value: TextOr::Map(raw), span: host.span.clone() });
        Ok(())
    }

    /// What a host is; `None` if it is no part of the cluster, as its variable `airlock_role` may say.
    fn role(
        &self,
        alias: &str,
        span: &Range<usize>,
        groups: &BTreeSet<&str>,
        fields: &Fields<'_>,
        meanings: &BTreeSet<Meaning>,
        notes: &mut Notes<'_>,
    ) -> Result<Option<Role>> {
        if let Some(variable) = fields.get(&Field::Role) {
            return self.said_role(variable);
        }
        let is = |meaning: Meaning| meanings.contains(&meaning);
        if is(Meaning::First) || is(Meaning::Server) {
            return Ok(Some(Role::Server));
        }
        match (is(Meaning::Agent), is(Meaning::Balancer)) {
            (true, true) => {
                let message = format!("`{}` is an agent and a balancer, which runs no k3s", quote(alias));
                let error = self.source.error(codes::INVENTORY_ROLE, message, span, "");
                Err(error.with_help("take it out of one of the groups; on servers a balancer may run"))
            }
            (true, false) => Ok(Some(Role::Agent)),
            (false, true) => Ok(Some(Role::Balancer)),
            (false, false) if is(Meaning::Gpu) || is(Meaning::Labelled) => {
                let message =
                    format!("`{}` is in no group of workers, and is taken for an agent", quote(alias));
                notes.add(
                    &format!("agent {alias}"),
                    span,
                    message,
                    "add it to `[worker]`, so that everybody sees it",
                );
                Ok(Some(Role::Agent))
            }
            (false, false) => Err(self.no_role(alias, span, groups)),
        }
    }

    fn said_role(&self, variable: &Variable) -> Result<Option<Role>> {
        let said = values::text(self.source, variable)?;
        match said.value.as_str() {
            "server" => Ok(Some(Role::Server)),
            "agent" => Ok(Some(Role::Agent)),
            "balancer" => Ok(Some(Role::Balancer)),
            "none" => Ok(None),
            other => {
                let message = format!("`{}` is not a role", quote(other));
                let error = self.source.error(codes::INVENTORY_ROLE, message, &said.span, "");
                Err(error.with_help(
                    "write `server`, `agent`, `balancer`, or `none` for a host outside the cluster",
                ))
            }
        }
    }

    fn no_role(&self, alias: &str, span: &Range<usize>, groups: &BTreeSet<&str>) -> crate::error::Error {
        let near = groups.iter().find_map(|group| Some((group, roles::like(group)?)));
        let message = match groups.len() {
            0 => format!("`{}` is in no group, so it is not clear what it is", quote(alias)),
            _ => {
                let names = listed(
                    groups.iter().map(|group| quote(group)).collect::<Vec<_>>().iter().map(String::as_str),
                );
                format!("`{}` is in {names}, which does not say what it is in the cluster", quote(alias))
            }
        };
        let help = match near {
            Some((group, near)) => format!("did you mean `[{near}]` instead of `[{}]`?", quote(group)),
            None => "put it into `[master]`, `[worker]` or `[lb]`, or set `airlock_role` for it or its group: `server`, \
                     `agent`, `balancer`, or `none` for a host outside the cluster"
                .to_owned(),
        };
        self.source.error(codes::INVENTORY_ROLE, message, span, "").with_help(help)
    }

    /// Remembers what a host says about the cluster; all have to say the same.
    fn setting(&mut self, field: Field, variable: &'d Variable) -> Result<()> {
        if !variables::is_of_cluster(field) {
            return Ok(());
        }
        if field == Field::Token {
            values::remember_first(&mut self.secret, &variable.span);
        }
        match self.settings.get(&field) {
            Some(other) if other.value != variable.value => {
                let line = self.source.line(other.span.start);
                let message = format!(
                    "`{}` is something else on line {line}, and holds for the whole cluster",
                    quote(&variable.name)
                );
                Err(refused(self.source, &variable.span, message, "set it once, under `[all:vars]`"))
            }
            Some(_) => Ok(()),
            None => {
                self.settings.insert(field, variable);
                Ok(())
            }
        }
    }

    fn finish(self, notes: &mut Notes<'_>) -> Result<Translated> {
        let has_balancers = !self.lists.balancers.is_empty();
        let on_servers = self.on_servers.filter(|_| !has_balancers);
        let mut raw = cluster::settings(self.source, &self.settings, on_servers, notes)?;
        let Lists { mut first, servers, agents, balancers } = self.lists;
        first.extend(servers);
        let end = self.source.text.len();
        let section =
            |hosts: raw::Hosts| (!hosts.is_empty()).then_some(Located { value: hosts, span: end..end });
        raw.servers = section(first).into();
        raw.agents = section(agents).into();
        raw.balancers = section(balancers).into();
        Ok(Translated { raw: Located { value: raw, span: end..end }, secret: self.secret })
    }
}

/// Warns of groups that say nothing: neither a role, nor variables, nor which groups belong together.
fn name_unknown_groups(document: &Document, notes: &mut Notes<'_>) {
    for (name, group) in &document.groups {
        let is_known = name == ALL || name == UNGROUPED || roles::meaning(name).is_some();
        if is_known || !group.variables.is_empty() || !group.children.is_empty() {
            continue;
        }
        let help = match roles::like(name) {
            Some(near) => format!("did you mean `[{near}]`?"),
            None => "nothing has to be done if its hosts are in other groups; docs/cluster-yaml.md lists what is known".to_owned(),
        };
        notes.add(
            &format!("group {name}"),
            &group.span,
            format!("the group `{}` has no meaning here", quote(name)),
            help,
        );
    }
}

/// The variables by what they are about. Unknown ones are named.
fn fields<'a>(source: &Source<'_>, variables: &Variables<'a>, notes: &mut Notes<'_>) -> Result<Fields<'a>> {
    let mut fields: Fields<'a> = BTreeMap::new();
    for (name, variable) in variables {
        let is_empty =
            matches!(&variable.value, Value::Nothing) || variable.value == Value::Text(String::new());
        match variables::field(name) {
            None => unknown(source, variable, notes)?,
            Some(Field::OfAnsible) => notes.add(
                &format!("variable {name}"),
                &variable.span,
                format!("`{}` is about how Ansible works, and is left out", quote(name)),
                "nothing has to be done",
            ),
            Some(_) if is_empty => {}
            Some(field) => {
                if let Some(other) = fields.get(&field).filter(|other| other.value != variable.value) {
                    let message = format!(
                        "`{}` and `{}` mean the same and say different things",
                        quote(name),
                        quote(&other.name)
                    );
                    return Err(refused(source, &variable.span, message, "delete one of the two"));
                }
                fields.insert(field, variable);
            }
        }
    }
    Ok(fields)
}

fn unknown(source: &Source<'_>, variable: &Variable, notes: &mut Notes<'_>) -> Result<()> {
    let name = quote(&variable.name);
    let near = variables::like(&variable.name);
    if variable.name.starts_with("airlock_") {
        let message = format!("there is no variable `{name}`");
        return Err(refused(
            source,
            &variable.span,
            message,
            "`airlock_role` is the only one of airlock's own",
        ));
    }
    let help = match near {
        Some(near) => format!("did you mean `{near}`? otherwise nothing has to be done"),
        None => "nothing has to be done, unless it should change the cluster; docs/cluster-yaml.md lists what is known".to_owned(),
    };
    notes.add(
        &format!("variable {name}"),
        &variable.span,
        format!("`{name}` has no meaning here, and is left out"),
        help,
    );
    Ok(())
}
