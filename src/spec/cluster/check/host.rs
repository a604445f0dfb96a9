//! The hosts of an inventory, each by itself.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Secrets, connection, node, value};
use crate::cluster::inventory::{Connection, Host, Role};
use crate::error::{Result, codes};
use crate::node::settings::{Gpu, grammar};
use crate::quote::quote;
use crate::spec::check::text::text;
use crate::spec::check::{Check, lacking, refused};
use crate::spec::cluster::raw;
use crate::spec::range::{self, MAX_HOSTS};
use crate::spec::raw::Text;
use crate::spec::raw::either::TextOr;
use crate::spec::source::Source;
use crate::spec::yaml::{Given, Located};

/// A host and where the file names it.
#[derive(Debug)]
pub(super) struct Placed {
    pub host: Host,
    /// Its name.
    pub span: Range<usize>,
}

/// What the file says of a host, and of all that say nothing themselves.
pub(super) struct Effective<'a> {
    pub own: &'a raw::Host,
    pub defaults: Option<&'a raw::Host>,
}

impl<'a> Effective<'a> {
    /// What holds for the host.
    pub fn get<T>(&self, field: fn(&raw::Host) -> &Given<T>) -> Option<&'a T> {
        field(self.own).as_ref().or_else(|| field(self.defaults?).as_ref())
    }
}

/// All hosts: servers, agents, balancers, each in the order of the file.
pub(super) fn hosts(
    check: &mut Check<'_>,
    raw: &raw::Cluster,
    secrets: &mut Secrets<'_>,
) -> Option<Vec<Placed>> {
    let defaults = raw.defaults.as_ref();
    if let Some(defaults) = defaults {
        check.keep(no_name(check.source, &defaults.value))?;
    }
    let defaults = defaults.map(|defaults| &defaults.value);
    let has_site_registry = raw.site_registry.is_some();
    let roles = [(Role::Server, &raw.servers), (Role::Agent, &raw.agents), (Role::Balancer, &raw.balancers)];
    let mut hosts = Vec::new();
    for (role, list) in roles {
        for entry in list.as_ref().map(|list| list.value.as_slice()).unwrap_or_default() {
            let named;
            let own = match &entry.value {
                TextOr::Map(own) => own,
                TextOr::Text(name) => {
                    let name = Located { value: name.clone(), span: entry.span.clone() };
                    named = raw::Host { name: Some(name).into(), ..raw::Host::default() };
                    &named
                }
            };
            let effective = Effective { own, defaults };
            let host = Entry { role, effective, has_site_registry, span: entry.span.clone() };
            hosts.extend(host.check(check, secrets)?);
            if hosts.len() > MAX_HOSTS {
                let message = format!("the inventory has more than {MAX_HOSTS} hosts");
                let error = check.source.error(codes::SPEC_BUDGET, message, &entry.span, "");
                return check.keep(Err(error.with_help("make several clusters; k3s does not get larger")));
            }
        }
    }
    Some(hosts)
}

/// Refuses what differs from host to host among what holds for all.
fn no_name(source: &Source<'_>, defaults: &raw::Host) -> Result<()> {
    let local = defaults.local.as_ref().map(|local| ("local", &local.span));
    let texts = [("name", &defaults.name), ("host", &defaults.host), ("address", &defaults.address)];
    let given = texts.into_iter().find_map(|(key, value)| Some((key, &value.as_ref()?.span))).or(local);
    let Some((key, span)) = given else { return Ok(()) };
    let message = format!("`{key}` cannot be the same for all hosts");
    Err(refused(source, span, message, format!("write `{key}` where the host stands")))
}

/// One entry of a list of hosts.
struct Entry<'a> {
    role: Role,
    effective: Effective<'a>,
    has_site_registry: bool,
    span: Range<usize>,
}

impl Entry<'_> {
    /// The hosts that it stands for.
    fn check(&self, check: &mut Check<'_>, secrets: &mut Secrets<'_>) -> Option<Vec<Placed>> {
        let source = check.source;
        let own = self.effective.own;
        let Some(name) = own.name.as_ref() else {
            let help = "add `name: NAME`; it is its name in the cluster";
            return check.keep(Err(lacking(source, &self.span, "a host has no name", help)));
        };
        let names = check.keep(names(source, name));
        let addresses = self.ssh_hosts(check, name, names.as_deref());
        let connection = connection::connection(check, &self.effective, secrets);
        let host = self.common(check, name);
        let (names, addresses, connection, host) = (names?, addresses?, connection?, host?);
        check.keep(self.one_address(source, names.len()))?;
        let placed = names.into_iter().zip(addresses).map(|(name_of_one, address)| {
            let mut host = Host { name: name_of_one, connection: connection.clone(), ..host.clone() };
            if let Connection::Ssh(ssh) = &mut host.connection {
                ssh.host = address;
            }
            Placed { host, span: name.span.clone() }
        });
        Some(placed.collect())
    }

    /// What SSH connects to, for each of the names.
    fn ssh_hosts(&self, check: &mut Check<'_>, name: &Text, names: Option<&[String]>) -> Option<Vec<String>> {
        let source = check.source;
        let value = self.effective.own.host.as_ref().unwrap_or(name);
        let hosts = range::expand(&value.value);
        let hosts = check.keep(hosts.map_err(|why| refused(source, &value.span, why, RANGE_HELP)))?;
        if names.is_some_and(|names| names.len() != hosts.len()) {
            let message = format!(
                "`{}` stands for {} hosts, and the name for another number",
                quote(&value.value),
                hosts.len()
            );
            let help =
                "write ranges of the same length, such as `name: node[01:16]` and `host: 10.0.0.[1:16]`";
            return check.keep(Err(refused(source, &value.span, message, help)));
        }
        hosts.iter().map(|host| check.keep(value::ssh_host(source, value, host))).collect()
    }

    /// An address belongs to one host only.
    fn one_address(&self, source: &Source<'_>, count: usize) -> Result<()> {
        match self.effective.own.address.as_ref() {
            Some(address) if count > 1 => {
                let message = format!("one `address` for {count} hosts");
                let help = "write these hosts one by one, or `interface` instead of `address`";
                Err(refused(source, &address.span, message, help))
            }
            _ => Ok(()),
        }
    }

    /// What all hosts of the entry have in common; name and connection are filled in later.
    fn common(&self, check: &mut Check<'_>, name: &Text) -> Option<Host> {
        let effective = &self.effective;
        let address = check.optional(effective.own.address.as_ref(), value::address);
        let interface = check.optional(effective.get(|host| &host.interface), node::interface);
        let labels = node::labels(check, effective);
        let taints = node::taints(check, effective);
        let gpu = check.optional(effective.get(|host| &host.gpu), node::gpu);
        let nfs = node::nfs(check, effective);
        let has_registry = self.has_registry(check);
        if self.role == Role::Balancer {
            check.keep(self.no_node(check.source))?;
        }
        let is_node = self.role != Role::Balancer;
        Some(Host {
            name: String::new(),
            location: check.source.location(&name.span, ""),
            role: self.role,
            has_registry: has_registry?,
            connection: Connection::Local { sudo_password: None },
            address: address?,
            interface: interface?,
            labels: labels.filter(|_| is_node).or((!is_node).then(BTreeMap::new))?,
            taints: taints.filter(|_| is_node).or((!is_node).then(Vec::new))?,
            gpu: if is_node { gpu?.unwrap_or_default() } else { Gpu::No },
            nfs: nfs?,
        })
    }

    fn has_registry(&self, check: &mut Check<'_>) -> Option<bool> {
        let wanted = self.effective.get(|host| &host.registry);
        if let Some(wanted) = wanted.filter(|wanted| wanted.value && self.has_site_registry) {
            let message = "the host is to have a registry of its own, and the site has one for all";
            let help = "delete `siteRegistry`, or this";
            return check.keep(Err(refused(check.source, &wanted.span, message, help)));
        }
        let usual = self.role == Role::Server && !self.has_site_registry;
        Some(self.role != Role::Balancer && wanted.map_or(usual, |wanted| wanted.value))
    }

    /// Refuses for a balancer what only a node can have.
    fn no_node(&self, source: &Source<'_>) -> Result<()> {
        let own = self.effective.own;
        let labels = own.labels.as_ref().and_then(|labels| labels.0.first()).map(|(key, _)| &key.span);
        let given = [
            ("labels", labels),
            ("taints", own.taints.as_ref().map(|taints| &taints.span)),
            ("gpu", own.gpu.as_ref().map(|gpu| &gpu.span)),
            (
                "registry",
                own.registry.as_ref().filter(|registry| registry.value).map(|registry| &registry.span),
            ),
        ];
        match given.into_iter().find_map(|(key, span)| Some((key, span?))) {
            None => Ok(()),
            Some((key, span)) => {
                let message = format!("a balancer is no node of the cluster, so it has no `{key}`");
                Err(refused(source, span, message, format!("delete `{key}`, or make the host an agent")))
            }
        }
    }
}

const RANGE_HELP: &str = "write `node[01:16]`: both ends are included, and zeros in front are kept";

/// The names that an entry stands for.
fn names(source: &Source<'_>, value: &Text) -> Result<Vec<String>> {
    let typed = text(source, value)?;
    let names = range::expand(typed).map_err(|why| refused(source, &value.span, why, RANGE_HELP))?;
    for name in &names {
        if let Err(why) = grammar::check_node_name(name) {
            let message = format!("`{}` cannot be the name of a node", quote(name));
            let repaired = name.to_ascii_lowercase().replace('_', "-");
            let help = match grammar::check_node_name(&repaired) {
                Ok(()) => {
                    format!("write `name: {repaired}` and, if SSH knows it as that, `host: {}`", quote(name))
                }
                Err(_) if name.contains(['[', ']']) => RANGE_HELP.to_owned(),
                Err(_) => {
                    format!("allowed is: {why}; what SSH connects to may be written on its own, as the host")
                }
            };
            return Err(refused(source, &value.span, message, help));
        }
    }
    Ok(names)
}
