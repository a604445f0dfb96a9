//! `k3s server --cluster-reset`: a cluster that has lost its quorum begins anew with one member, with its own data or
//! with those of a snapshot. The process ends when it is done.

use std::path::Path;

use fs_err as fs;
use serde_json::{Value, json};

use super::credentials::{Credentials, random_password};
use super::datastore::{Datastore, State};
use super::paths::{Paths, write};
use super::settings::Settings;
use super::{Result, certificates, etcd, log, members};

/// What k3s says before what it could not do.
const STARTING: &str = "starting kubernetes: preparing server";
/// What it says when it is done.
const DONE: &str = "Managed etcd cluster membership has been reset, restart without --cluster-reset flag now. \
    Backup and delete ${datadir}/server/db on each peer etcd server and rejoin the nodes";

/// Resets the cluster of this server.
pub fn run(settings: &Settings) -> Result<()> {
    let (paths, snapshot) = (&settings.paths, settings.last("cluster-reset-restore-path"));
    refuse(settings, snapshot)?;
    if let Some(snapshot) = snapshot {
        restore(settings, Path::new(snapshot))?;
    }
    let name = etcd::new_member_name(settings)?;
    let datastore = Datastore::open(&paths.server(etcd::OBJECTS))?;
    for member in members::all(&datastore).into_keys() {
        datastore.delete(&members::place(&member));
    }
    datastore.put(&members::place(&name), members::own_entry(settings, &name, true));
    datastore.set_cluster(&random_password());
    write(&etcd::reset_flag(paths), b"", 0o600)?;
    log::info(DONE);
    Ok(())
}

fn refuse(settings: &Settings, snapshot: Option<&str>) -> Result<()> {
    let paths = &settings.paths;
    if settings.server.is_some() {
        let message = "cannot perform cluster-reset while server URL is set - remove server from configuration before \
            resetting";
        return Err(message.into());
    }
    // The real one needs the ports of etcd, which the running service has.
    let port = std::net::TcpListener::bind(("0.0.0.0", settings.port));
    port.map_err(|_| format!("{STARTING}: listen tcp :{}: bind: address already in use", settings.port))?;
    let flag = etcd::reset_flag(paths);
    match snapshot {
        Some(snapshot) if !Path::new(snapshot).exists() => {
            Err(format!("{STARTING}: start managed database: etcd: snapshot path does not exist: {snapshot}").into())
        }
        Some(_) if !paths.server("token").exists() && settings.token.is_none() => {
            Err(format!("{STARTING}: {}/server/token does not exist, please pass --token to complete the restoration",
                paths.data.display()).into())
        }
        Some(_) => Ok(()),
        None if flag.exists() => Err(format!(
            "{STARTING}: start managed database: Managed etcd cluster membership was previously reset, please remove the \
             cluster-reset flag and start k3s normally. If you need to perform another cluster reset, you must first \
             manually delete the file at {}", flag.display()).into()),
        None if !paths.server(etcd::OBJECTS).exists() => {
            Err(format!("{STARTING}: start managed database: etcd datastore is not initialized").into())
        }
        None => Ok(()),
    }
}

/// Puts what a snapshot holds in place of what there is, which is kept beside it.
fn restore(settings: &Settings, file: &Path) -> Result<()> {
    let paths = &settings.paths;
    let snapshot: Value = serde_json::from_slice(&fs::read(file)?).map_err(|_| {
        format!("{STARTING}: start managed database: snapshot missing hash but --skip-hash-check=false")
    })?;
    check_token(settings, &snapshot)?;
    if paths.server("db/etcd").exists() {
        etcd::set_aside(paths, "etcd-old")?;
    }
    certificates::set_aside(paths)?;
    for (name, text) in snapshot["files"].as_object().into_iter().flatten() {
        write(&paths.server(name), text.as_str().unwrap_or_default().as_bytes(), 0o600)?;
    }
    let state: State = serde_json::from_value(snapshot["state"].clone())?;
    log::info(&format!("Restored from {} at revision {}", file.display(), state.revision));
    write(&paths.server(etcd::OBJECTS), &serde_json::to_vec(&json!(state))?, 0o600)
}

/// The token opens what all servers have in common, which lies in the snapshot.
fn check_token(settings: &Settings, snapshot: &Value) -> Result<()> {
    let passwords = snapshot["files"]["cred/passwd"].as_str().unwrap_or_default();
    let given = Credentials::given(settings)?;
    match given.filter(|given| !passwords.contains(&format!("{given},server,"))) {
        Some(_) => {
            Err(format!("{STARTING}: bootstrap data already found and encrypted with different token").into())
        }
        None => Ok(()),
    }
}

/// What the first normal start after a reset does: the flag goes, and the password of this node, which may be another
/// than the one in the snapshot.
pub fn finish(paths: &Paths, datastore: &Datastore, node: &str) -> Result<()> {
    let flag = etcd::reset_flag(paths);
    if flag.exists() {
        datastore.delete(&super::cluster::password_place(node));
        fs::remove_file(flag)?;
    }
    Ok(())
}
