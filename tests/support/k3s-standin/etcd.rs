//! What a member of etcd has on disk beside the objects: its name, whether it was removed, whether it was reset.

use std::path::PathBuf;

use fs_err as fs;

use super::credentials::random_password;
use super::paths::{Paths, write};
use super::settings::Settings;
use super::{Result, log};

/// Where a member keeps the objects, below `server/`.
pub const OBJECTS: &str = "db/etcd/stand-in.json";
/// Below `server/`.
const DIRECTORY: &str = "db/etcd";
const NAME: &str = "db/etcd/name";
const TOMBSTONE: &str = "db/etcd/tombstone";
const RESET_FLAG: &str = "db/reset-flag";

/// The name of the member: that of its node and eight digits, so that nobody has the name of one that was removed.
pub fn member_name(settings: &Settings) -> Result<String> {
    let file = settings.paths.server(NAME);
    if let Ok(name) = fs::read_to_string(&file) {
        return Ok(name);
    }
    new_member_name(settings)
}

/// Gives the member another name: after a reset it is not who it was.
pub fn new_member_name(settings: &Settings) -> Result<String> {
    let name = format!("{}-{}", settings.node_name, &random_password()[..8]);
    write(&settings.paths.server(NAME), name.as_bytes(), 0o600)?;
    Ok(name)
}

/// The name as it was written. `None` if this server has no etcd.
pub fn known_name(paths: &Paths) -> Option<String> {
    fs::read_to_string(paths.server(NAME)).ok()
}

/// Notes that the cluster has removed this member. Its data is of no use any more.
pub fn bury(paths: &Paths) -> Result<()> {
    write(&paths.server(TOMBSTONE), b"", 0o600)
}

/// What a member does at its next start after it was removed: it joins anew, if it knows a server.
pub fn leave_grave(settings: &Settings) -> Result<()> {
    if !settings.paths.server(TOMBSTONE).exists() {
        return Ok(());
    }
    if settings.server.is_none() {
        return Err("starting kubernetes: preparing server: tombstone file has been detected but --server is empty: backup \
            and delete ${datadir}/server/db to create a new cluster, or set --server to rejoin"
            .into());
    }
    log::info("tombstone file has been detected, removing ${datadir}/server/db to rejoin the cluster");
    set_aside(&settings.paths, "etcd-backup").map(drop)
}

/// Moves the data away, to `db/WORD-SECONDS`.
pub fn set_aside(paths: &Paths, word: &str) -> Result<PathBuf> {
    let target = paths.server(&format!("db/{word}-{}", jiff::Timestamp::now().as_second()));
    fs::rename(paths.server(DIRECTORY), &target)?;
    Ok(target)
}

/// The file that stands for a reset since which nobody has started the server.
pub fn reset_flag(paths: &Paths) -> PathBuf {
    paths.server(RESET_FLAG)
}
