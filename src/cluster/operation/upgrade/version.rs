//! Versions of k3s, and the ways between them (kubernetes.io, "Version Skew Policy"): one minor at a time, never back,
//! agents never newer than servers.

use std::fmt;

use crate::cluster::observe::Node;
use crate::cluster::operation::is_server;
use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// A version such as `v1.34.1+k3s1` or `v1.35.0-rc1+k3s1`. Ordered as they were released.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
    /// Whether it is the release itself, which comes after its candidates.
    is_release: bool,
    candidate: String,
    /// Number of the build: 2 of `+k3s2`.
    build: u32,
}

impl Version {
    /// Reads one.
    ///
    /// # Errors
    /// [`codes::UPGRADE_PATH`] if it is none.
    pub fn parse(text: &str) -> Result<Version> {
        read(text).ok_or_else(|| {
            Error::new(codes::UPGRADE_PATH, format!("`{}` is no version of k3s", quote(text))).with_help(
                "it is like v1.34.1+k3s1: look at `airlock bundle inspect` and `airlock cluster status`",
            )
        })
    }
}

fn read(text: &str) -> Option<Version> {
    let (version, build) =
        text.strip_prefix('v')?.split_once('+').unwrap_or((text.strip_prefix('v')?, "k3s0"));
    let (numbers, candidate) = version.split_once('-').unwrap_or((version, ""));
    let mut numbers = numbers.split('.').map(|number| number.parse::<u32>().ok());
    let (major, minor, patch) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let build = build.strip_prefix("k3s")?.parse().ok()?;
    let (is_release, candidate) = (candidate.is_empty(), candidate.to_owned());
    numbers.next().is_none().then_some(Version { major, minor, patch, is_release, candidate, build })
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

/// Whether the nodes may all go to a version.
///
/// # Errors
/// [`codes::UPGRADE_OLDER`] naming nodes that are newer; [`codes::UPGRADE_PATH`] naming nodes that would skip a minor
/// version, and agents that are newer than a server.
pub fn check(nodes: &[Node], target: &str) -> Result<()> {
    let wanted = Version::parse(target)?;
    let mut of_nodes = Vec::new();
    for node in nodes {
        of_nodes.push((node, Version::parse(&node.version)?));
    }
    let oldest_server = of_nodes.iter().filter(|(node, _)| is_server(node)).map(|(_, version)| version).min();
    for (node, version) in &of_nodes {
        if *version > wanted {
            return Err(older(node, target));
        }
        if version.major != wanted.major || wanted.minor - version.minor > 1 {
            return Err(skips(node, version, target));
        }
        let leads =
            oldest_server.is_some_and(|server| (server.major, server.minor) < (version.major, version.minor));
        if leads && !is_server(node) {
            let message = format!("{} runs {}, which is newer than a server", node.name, node.version);
            return Err(Error::new(codes::UPGRADE_PATH, message).with_help(
                "agents come after servers: upgrade the servers with the bundle that the agent has",
            ));
        }
    }
    Ok(())
}

fn older(node: &Node, target: &str) -> Error {
    let message =
        format!("{} runs {}, which is newer than {} of the bundle", node.name, node.version, quote(target));
    Error::new(codes::UPGRADE_OLDER, message).with_help(
        "take a newer bundle; data of a newer k3s cannot be read by an older one: to go back all the same, restore a \
         snapshot of the older version: `airlock cluster etcd restore NAME`",
    )
}

fn skips(node: &Node, version: &Version, target: &str) -> Error {
    let message = format!(
        "{} runs {}: on the way to {} a minor version would be left out",
        node.name,
        node.version,
        quote(target)
    );
    let next = Version { minor: version.minor.saturating_add(1), ..version.clone() };
    Error::new(codes::UPGRADE_PATH, message)
        .with_help(format!("upgrade with a bundle of k3s v{next} first, then again"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::operation::samples::{agent, server};

    #[test]
    fn versions_are_ordered_as_they_were_released() {
        let order = ["v1.34.9+k3s1", "v1.34.10-rc1+k3s1", "v1.34.10+k3s1", "v1.34.10+k3s2", "v1.35.0+k3s1"];
        let versions = order.map(|text| Version::parse(text).unwrap());
        assert!(versions.is_sorted() && versions[0] < versions[1]);
        for text in ["", "1.34.1", "v1.34", "v1.34.1.2", "v1.34.1+rke2r1", "v1.x.1+k3s1"] {
            assert_eq!(Version::parse(text).unwrap_err().code(), codes::UPGRADE_PATH, "{text}");
        }
    }

    #[test]
    fn the_way_is_one_minor_forward() {
        let at = |node: Node, version: &str| Node { version: version.to_owned(), ..node };
        let old = [server("s1"), agent("a1")];
        check(&old, "v1.34.1+k3s1").unwrap();
        check(&old, "v1.35.2+k3s1").unwrap();
        let error = check(&old, "v1.36.0+k3s1").unwrap_err();
        assert!(
            error.code() == codes::UPGRADE_PATH && error.help().unwrap().contains("v1.35 first"),
            "{error:?}"
        );
        let error = check(&old, "v1.33.9+k3s1").unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::UPGRADE_OLDER, 6));
        let ahead = [server("s1"), at(agent("a1"), "v1.35.0+k3s1")];
        assert!(check(&ahead, "v1.35.0+k3s1").unwrap_err().message().starts_with("a1 runs v1.35.0"));
    }
}
