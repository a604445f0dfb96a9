//! The lists of packages that installations of a release have, recorded in `manifests/baselines`.

/// The list for `host`, such as `debian-12`, and `kind`, `server` or `cloud`: one name a line, `#` begins a comment.
pub(super) fn recorded(host: &str, kind: &str) -> Option<&'static str> {
    let found = LISTS.iter().find(|(known_host, known_kind, _)| (*known_host, *known_kind) == (host, kind));
    found.map(|(_, _, list)| *list)
}

/// Release, kind, and list.
const LISTS: [(&str, &str, &str); 0] = [];
