//! Which repository a client means.
//!
//! Images keep their names, so a repository is known by the registry it comes from and its path there.
//! containerd sends the first as `?ns=`; docker and skopeo write both into the path (`docker.io/library/x`).
//! A path alone means the repository that was pushed so, or the only one with that path.

use super::answer::Result;
use super::failure;
use super::refusal::{Reason, Refusal};
use super::route::Repository;
use super::service::Inner;
use crate::oci::reference::grammar;
use crate::store::RepositoryName;

/// The repository to read. Blocks on the disk.
pub(super) fn existing(inner: &Inner, repository: &Repository) -> Result<RepositoryName> {
    let content = &inner.settings.content;
    let failed = |error| failure::refusal(inner, error);
    if let Some(upstreams) = &inner.upstream
        && let Some(name) = upstreams.name(inner, repository)?
        && content.has_repository(&name).map_err(failed)?
    {
        return Ok(name);
    }
    if let Some(host) = &repository.namespace {
        let name = written(inner, repository)?;
        let mirrored = mirrored(host, &repository.path);
        for name in std::iter::once(name.clone()).chain(mirrored) {
            if content.has_repository(&name).map_err(failed)? {
                return Ok(name);
            }
        }
        return Err(unknown(&name.to_string()));
    }
    let mut found = content.resolve_name(&repository.path).map_err(failed)?;
    match (found.pop(), found.is_empty()) {
        (Some(name), true) => Ok(name),
        (None, _) => Err(unknown(&repository.path)),
        (Some(last), false) => Err(ambiguous(&repository.path, found.into_iter().chain([last]))),
    }
}

/// What a node means whose mirror has a path of its own that ends in the host (`/v2/platform/docker.io`): the name as
/// it stands in the path. The host is then told twice.
fn mirrored(host: &str, path: &str) -> Option<RepositoryName> {
    let element = host.to_ascii_lowercase().replace(':', "__");
    let (above, _) = path.rsplit_once('/')?;
    let names_host = above.split('/').any(|part| part == element);
    let (host, path) = split_host(path);
    names_host.then(|| RepositoryName::new(host, path).ok()).flatten()
}

/// The repository to write to: whether it exists does not matter.
pub(super) fn written(inner: &Inner, repository: &Repository) -> Result<RepositoryName> {
    let (host, path) = match &repository.namespace {
        Some(host) => (Some(host.as_str()), repository.path.as_str()),
        None => split_host(&repository.path),
    };
    RepositoryName::new(host, path).map_err(|error| failure::refusal(inner, error))
}

/// As Docker reads names: what comes first is a host if it has a dot, or is `localhost`.
fn split_host(path: &str) -> (Option<&str>, &str) {
    let is_host = |first: &str| (first.contains('.') && grammar::is_host(first)) || first == "localhost";
    match path.split_once('/').filter(|(first, _)| is_host(first)) {
        Some((host, rest)) => (Some(host), rest),
        None => (None, path),
    }
}

fn unknown(name: &str) -> Refusal {
    Refusal::new(Reason::NameUnknown, format!("there is no repository `{name}`"))
}

fn ambiguous(path: &str, candidates: impl Iterator<Item = RepositoryName>) -> Refusal {
    let mut candidates: Vec<String> = candidates.map(|name| name.to_string()).collect();
    candidates.sort_unstable();
    let message = format!("`{path}` may be one of `{}`: name its registry", candidates.join("`, `"));
    Refusal::new(Reason::NameUnknown, message).with_detail(serde_json::json!({ "candidates": candidates }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_recognised_as_docker_does() {
        assert_eq!(split_host("docker.io/library/x"), (Some("docker.io"), "library/x"));
        assert_eq!(split_host("localhost/x"), (Some("localhost"), "x"));
        assert_eq!(split_host("library/x"), (None, "library/x"));
        assert_eq!(split_host("a.b"), (None, "a.b"));
        assert_eq!(split_host("a.b_c/x"), (None, "a.b_c/x"), "no host has an underscore");
    }

    #[test]
    fn a_host_that_is_told_twice_is_part_of_the_path() {
        let name = |host: &str, path: &str| mirrored(host, path).map(|name| name.to_string());
        for (host, path, found) in [
            ("docker.io", "docker.io/library/x", Some("docker.io/library/x")),
            ("docker.io", "platform/docker.io/library/x", Some("platform/docker.io/library/x")),
            ("lab:5000", "lab__5000/x", Some("lab__5000/x")),
            ("docker.io", "library/x", None),
            ("docker.io", "library/docker.io", None),
            ("docker.io", "quay.io/x", None),
        ] {
            assert_eq!(name(host, path).as_deref(), found, "{path}");
        }
    }
}
