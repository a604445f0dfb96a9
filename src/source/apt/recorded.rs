//! The lists of packages that installations of a release have, recorded in `manifests/baselines`.

/// The list for `host`, such as `debian-12`, and `kind`, `server` or `cloud`: one name a line, `#` begins a comment.
pub(super) fn recorded(host: &str, kind: &str) -> Option<&'static str> {
    let list = match (host, kind) {
        ("debian-12", "server") => include_str!("../../../manifests/baselines/debian-12-server.txt"),
        ("debian-12", "cloud") => include_str!("../../../manifests/baselines/debian-12-cloud.txt"),
        ("debian-13", "server") => include_str!("../../../manifests/baselines/debian-13-server.txt"),
        ("debian-13", "cloud") => include_str!("../../../manifests/baselines/debian-13-cloud.txt"),
        _ => return None,
    };
    Some(list)
}
