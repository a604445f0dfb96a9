//! How names become addresses: `/etc/resolv.conf`, `/etc/hosts`, `/etc/nsswitch.conf`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::node::facts::root::Root;

/// How names become addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NameService {
    /// Servers of `/etc/resolv.conf`.
    pub servers: Vec<String>,
    /// Servers that systemd-resolved asks (`/run/systemd/resolve/resolv.conf`); k3s uses them where
    /// `/etc/resolv.conf` names none that pods can reach.
    pub resolved_servers: Vec<String>,
    /// Domains that are tried.
    pub search: Vec<String>,
    /// Options, such as `ndots:5`.
    pub options: Vec<String>,
    /// Addresses of `localhost` in `/etc/hosts`.
    pub localhost: Vec<String>,
    /// Addresses of the machine's own name in `/etc/hosts`.
    pub own_name: Vec<String>,
    /// Whether the machine's own name always has an address (`myhostname` in `/etc/nsswitch.conf`).
    pub knows_own_name: bool,
}

pub(super) fn gather(root: &Root<'_>, hostname: Option<&str>) -> NameService {
    let resolver = root.text("/etc/resolv.conf").unwrap_or_default();
    let resolved = root.text("/run/systemd/resolve/resolv.conf").unwrap_or_default();
    let hosts = root.text("/etc/hosts").unwrap_or_default();
    let switch = root.text("/etc/nsswitch.conf").unwrap_or_default();
    // Of several lines with `search` the last counts (resolv.conf(5)).
    let search = lines(&resolver).filter(|words| words[0] == "search" || words[0] == "domain").last();
    NameService {
        servers: values(&resolver, "nameserver"),
        resolved_servers: values(&resolved, "nameserver"),
        search: search.map(|words| owned(&words[1..])).unwrap_or_default(),
        options: values(&resolver, "options"),
        localhost: addresses(&hosts, "localhost"),
        own_name: hostname.map(|name| addresses(&hosts, name)).unwrap_or_default(),
        knows_own_name: lines(&switch).any(|words| words[0] == "hosts:" && words.contains(&"myhostname")),
    }
}

/// The words of every line that is neither empty nor a comment.
fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let plain = text.lines().map(|line| line.split(['#', ';']).next().unwrap_or_default());
    plain.map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|words| !words.is_empty())
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn values(text: &str, keyword: &str) -> Vec<String> {
    lines(text).filter(|words| words[0] == keyword).flat_map(|words| owned(&words[1..])).collect()
}

fn addresses(hosts: &str, name: &str) -> Vec<String> {
    let has_name = |words: &Vec<&str>| words[1..].iter().any(|own| own.eq_ignore_ascii_case(name));
    lines(hosts).filter(has_name).map(|words| words[0].to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_left_out_and_names_have_no_case() {
        let hosts = "127.0.0.1 localhost # node1\n192.0.2.2 node1.lab Node1\n#192.0.2.3 node1\n";
        assert_eq!(addresses(hosts, "node1"), ["192.0.2.2"]);
        assert_eq!(values("nameserver 192.0.2.1\noptions ndots:1 edns0\n", "options"), ["ndots:1", "edns0"]);
    }
}
