//! Where a blob may lie on other servers: from the names it has here alone, without asking anybody.

use super::owners::Owner;

/// Servers that may have good blobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Servers {
    /// Another node, `HOST` or `HOST:PORT`: it gives any blob by its digest.
    Node(String),
    /// A registry, `HOST` or `HOST:PORT`, into which images were copied, and what their names begin with there.
    Registry(String, Option<String>),
    /// The registries that the images once came from.
    Origins,
}

/// One place to look for a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The server, as image references name it.
    pub(super) host: String,
    /// What to ask it for.
    pub(super) wanted: Wanted,
}

/// What to ask a server for. A registry gives manifests at another address than blobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The blob, of whatever repository.
    Anywhere,
    /// A blob of this repository.
    Blob(String),
    /// A manifest of this repository.
    Manifest(String),
}

/// The places of a blob, the most promising first.
pub(super) fn places(servers: &Servers, owners: &[Owner]) -> Vec<Place> {
    match servers {
        Servers::Node(host) => vec![Place { host: host.clone(), wanted: Wanted::Anywhere }],
        Servers::Registry(host, prefix) => owners
            .iter()
            .flat_map(|owner| copies(owner, prefix.as_deref()).map(|path| place(host, path, owner)))
            .collect(),
        Servers::Origins => owners
            .iter()
            .filter_map(|owner| {
                Some(place(owner.repository.host()?, owner.repository.path().to_owned(), owner))
            })
            .collect(),
    }
}

/// The names a repository may have in a registry that it was copied to: with the host it comes from, as other
/// nodes and many mirrors have it, or without.
fn copies(owner: &Owner, prefix: Option<&str>) -> impl Iterator<Item = String> {
    let below = |path: String| prefix.map_or_else(|| path.clone(), |prefix| format!("{prefix}/{path}"));
    let repository = &owner.repository;
    let with_host = repository.host().map(|_| below(repository.to_string()));
    with_host.into_iter().chain([below(repository.path().to_owned())])
}

fn place(host: &str, path: String, owner: &Owner) -> Place {
    let wanted = if owner.is_manifest { Wanted::Manifest(path) } else { Wanted::Blob(path) };
    Place { host: host.to_owned(), wanted }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RepositoryName;

    fn owner(host: Option<&str>, path: &str, is_manifest: bool) -> Owner {
        Owner { repository: RepositoryName::new(host, path).unwrap(), is_manifest }
    }

    fn at(host: &str, wanted: Wanted) -> Place {
        Place { host: host.to_owned(), wanted }
    }

    #[test]
    fn a_node_needs_no_name() {
        let node = Servers::Node("node-2:5000".to_owned());
        assert_eq!(places(&node, &[]), [at("node-2:5000", Wanted::Anywhere)]);
    }

    #[test]
    fn a_registry_may_have_copies_with_or_without_the_host_below_its_prefix() {
        let owners = [owner(Some("docker.io"), "library/x", true), owner(None, "own", false)];
        let registry = |prefix: Option<&str>| Servers::Registry("r".to_owned(), prefix.map(str::to_owned));
        let found = places(&registry(Some("lab/mirror")), &owners);
        assert_eq!(
            found,
            [
                at("r", Wanted::Manifest("lab/mirror/docker.io/library/x".to_owned())),
                at("r", Wanted::Manifest("lab/mirror/library/x".to_owned())),
                at("r", Wanted::Blob("lab/mirror/own".to_owned())),
            ]
        );
        assert_eq!(places(&registry(None), &owners[1..]), [at("r", Wanted::Blob("own".to_owned()))]);
        assert!(places(&registry(None), &[]).is_empty());
    }

    #[test]
    fn origins_are_those_of_the_names() {
        let owners = [owner(Some("quay.io"), "a/b", false), owner(None, "own", false)];
        assert_eq!(places(&Servers::Origins, &owners), [at("quay.io", Wanted::Blob("a/b".to_owned()))]);
    }
}
