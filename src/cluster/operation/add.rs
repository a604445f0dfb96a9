//! Hosts of the inventory that are not in the cluster yet: what `cluster deploy` is restricted to by `cluster add`.

use crate::cluster::inventory::{Host, Inventory, Role};
use crate::cluster::observe::Node;
use crate::cluster::operation::{find, is_server};
use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// The hosts that are to join.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joining {
    /// Their names, in the order of the inventory.
    pub hosts: Vec<String>,
    /// What should be known before.
    pub notes: Vec<String>,
}

impl Joining {
    /// Those that a deployment is about: whoever is new or was named, which may have registered and not come to its end;
    /// and all nodes if a server is new, because they have to know its registry.
    pub fn meant(&self, inventory: &Inventory, members: &[Node], named: &[String]) -> Vec<String> {
        let is_new = |host: &Host| self.hosts.contains(&host.name);
        let has_server = inventory.of_role(Role::Server).any(is_new);
        let is_known = |host: &Host| find(members, &host.name).is_some();
        let is_meant =
            |host: &&Host| is_new(host) || is_known(host) && (has_server || named.contains(&host.name));
        inventory.hosts.iter().filter(is_meant).map(|host| host.name.clone()).collect()
    }
}

/// Which of the named hosts are not in the cluster yet; of all hosts, if none is named.
///
/// # Errors
/// [`codes::NOT_A_MEMBER`] if one that is named is not in the inventory.
pub fn joining(inventory: &Inventory, members: &[Node], named: &[String]) -> Result<Joining> {
    if let Some(name) = named.iter().find(|name| inventory.host(name).is_none()) {
        return Err(Error::new(
            codes::NOT_A_MEMBER,
            format!("no host of the inventory is called `{}`", quote(name)),
        )
        .with_help(
            "write it into the inventory first, with its role and address; then run the same command",
        ));
    }
    let is_named = |host: &&Host| named.is_empty() || named.contains(&host.name);
    let is_missing = |host: &&Host| host.role != Role::Balancer && find(members, &host.name).is_none();
    let hosts: Vec<&Host> = inventory.hosts.iter().filter(is_named).filter(is_missing).collect();
    let servers = members.iter().filter(|member| is_server(member)).count()
        + hosts.iter().filter(|host| host.role == Role::Server).count();
    let mut notes: Vec<String> = named
        .iter()
        .filter(|name| find(members, name).is_some())
        .map(|name| format!("{name} is in the cluster already"))
        .collect();
    notes.extend(
        named
            .iter()
            .filter(|name| is_balancer(inventory, name))
            .map(|name| format!("{name} is a balancer, which `airlock cluster deploy --limit {name}` makes")),
    );
    let is_news = servers.is_multiple_of(2) && !inventory.has_even_servers();
    if is_news && hosts.iter().any(|host| host.role == Role::Server) {
        notes.push(format!("with {servers} servers etcd bears no more failures than with {}", servers - 1));
    }
    Ok(Joining { hosts: hosts.into_iter().map(|host| host.name.clone()).collect(), notes })
}

fn is_balancer(inventory: &Inventory, name: &str) -> bool {
    inventory.host(name).is_some_and(|host| host.role == Role::Balancer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::operation::samples::{agent, server};
    use crate::cluster::operation::site::tests::inventory;

    #[test]
    fn whoever_is_missing_joins() {
        let mut inventory = inventory(2, 3);
        inventory.hosts[4].role = Role::Balancer;
        let members = [server("s1"), agent("a1")];
        let all = joining(&inventory, &members, &[]).unwrap();
        assert_eq!(all.hosts, ["s2", "a2"]);
        assert!(all.notes.is_empty(), "the inventory has an even number, and was told so: {:?}", all.notes);
        let named = ["a2".to_owned(), "a1".to_owned()];
        let some = joining(&inventory, &members, &named).unwrap();
        assert_eq!(
            (&some.hosts[..], &some.notes[..]),
            (&["a2".to_owned()][..], &["a1 is in the cluster already".to_owned()][..])
        );
        assert_eq!(
            all.meant(&inventory, &members, &[]),
            ["s1", "s2", "a1", "a2"],
            "all get to know a new server"
        );
        assert_eq!(some.meant(&inventory, &members, &named), ["a1", "a2"]);
        let error = joining(&inventory, &members, &["x;y".to_owned()]).unwrap_err();
        assert_eq!(error.code(), codes::NOT_A_MEMBER);
    }

    #[test]
    fn an_even_number_on_the_way_to_an_odd_one_is_told() {
        let joining = joining(&inventory(3, 0), &[server("s1")], &["s2".to_owned()]).unwrap();
        assert_eq!(joining.notes, ["with 2 servers etcd bears no more failures than with 1"]);
    }
}
