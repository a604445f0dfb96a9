//! Snapshots of etcd as a server makes them: one file each, with the objects and what all servers have in common.
//!
//! The file is not that of etcd; only this program reads it. Nothing is made by the clock, and S3 is not known.

use std::path::{Path, PathBuf};

use fs_err as fs;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::paths::write;
use super::settings::Settings;
use super::{Result, join};

/// Where they are, unless `--etcd-snapshot-dir` says otherwise.
pub fn directory(settings: &Settings) -> PathBuf {
    let usual = || settings.paths.server("db/snapshots");
    settings.last("etcd-snapshot-dir").map_or_else(usual, PathBuf::from)
}

/// Makes one; gives its name, `NAME-NODE-SECONDS`.
pub fn save(cluster: &Cluster, directory: &Path, name: &str) -> Result<String> {
    let name = format!("{name}-{}-{}", cluster.node, Timestamp::now().as_second());
    let content = json!({"files": join::shared_files(cluster)?, "state": cluster.datastore.state()});
    write(&directory.join(&name), content.to_string().as_bytes(), 0o600)?;
    Ok(name)
}

/// All of them by name, as objects `ETCDSnapshotFile`.
pub fn list(cluster: &Cluster, directory: &Path) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    if directory.exists() {
        for entry in fs::read_dir(directory)? {
            found.push(describe(cluster, &entry?)?);
        }
    }
    found.sort_by_key(|snapshot| snapshot["spec"]["snapshotName"].as_str().unwrap_or_default().to_owned());
    Ok(found)
}

fn describe(cluster: &Cluster, entry: &fs::DirEntry) -> Result<Value> {
    let (name, metadata) = (entry.file_name().to_string_lossy().into_owned(), entry.metadata()?);
    let seconds = name.rsplit('-').next().and_then(|end| end.parse().ok()).unwrap_or_default();
    let created = Timestamp::from_second(seconds)?;
    let location = format!("file://{}", entry.path().display());
    Ok(
        json!({"apiVersion": "k3s.cattle.io/v1", "kind": "ETCDSnapshotFile", "metadata": {"name": format!("local-{name}")},
        "spec": {"snapshotName": name, "nodeName": cluster.node, "location": location},
        "status": {"readyToUse": true, "creationTime": created.to_string(), "size": metadata.len().to_string()}}),
    )
}

/// Deletes these; gives the names of those that were there.
pub fn delete(directory: &Path, names: &[String]) -> Vec<String> {
    let is_plain =
        |name: &&String| !name.contains('/') && fs::remove_file(directory.join(name.as_str())).is_ok();
    names.iter().filter(is_plain).cloned().collect()
}

/// Deletes all with this name but the newest `retention`; gives their names.
pub fn prune(cluster: &Cluster, directory: &Path, name: &str, retention: usize) -> Result<Vec<String>> {
    let prefix = format!("{name}-{}-", cluster.node);
    let listed = list(cluster, directory)?;
    let names = listed.iter().filter_map(|snapshot| snapshot["spec"]["snapshotName"].as_str());
    let names: Vec<String> = names.filter(|found| found.starts_with(&prefix)).map(str::to_owned).collect();
    Ok(delete(directory, &names[..names.len().saturating_sub(retention)]))
}

/// Does what [`super::etcd_snapshot`] asks for.
pub fn answer(cluster: &Cluster, request: &Value) -> Result<Value> {
    let text = |name: &str| request[name].as_str().unwrap_or_default();
    let directory = PathBuf::from(text("directory"));
    let names = request["names"].as_array().into_iter().flatten();
    let names: Vec<String> = names.filter_map(|name| name.as_str().map(str::to_owned)).collect();
    match text("operation") {
        "save" => Ok(json!({"saved": save(cluster, &directory, text("name"))?})),
        "delete" => Ok(json!({"deleted": delete(&directory, &names)})),
        "prune" => {
            let retention =
                request["retention"].as_u64().and_then(|count| count.try_into().ok()).unwrap_or(usize::MAX);
            Ok(json!({"deleted": prune(cluster, &directory, text("name"), retention)?}))
        }
        _ => {
            let items = list(cluster, &directory)?;
            Ok(
                json!({"kind": "ETCDSnapshotFileList", "apiVersion": "k3s.cattle.io/v1", "metadata": {}, "items": items}),
            )
        }
    }
}
