//! Manifests: reading files with several documents, and the directory whose files are applied by themselves.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use airlock::oci::digest::Digest;
use fs_err as fs;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::kubernetes::Place;
use super::paths::write;
use super::settings::Settings;
use super::{Result, log};

/// What comes with k3s, by the name under which it can be disabled. Their images are those of the sample release.
const PACKAGED: &[(&str, &str, &str)] = &[
    ("coredns", "coredns", "rancher/mirrored-library-busybox:1.36.1"),
    ("local-storage", "local-path-provisioner", "rancher/mirrored-library-busybox:1.36.1"),
];

/// The documents of a YAML stream. A `List` counts as its items.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    let mut documents = Vec::new();
    for part in format!("\n{text}").split("\n---") {
        let is_empty = part.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
        if is_empty {
            continue;
        }
        let document: Value = serde_saphyr::from_str(part).map_err(|error| error.to_string())?;
        match document["items"].as_array() {
            Some(items) if document["kind"] == "List" => documents.extend(items.iter().cloned()),
            _ => documents.push(document),
        }
    }
    Ok(documents)
}

/// Writes the packaged manifests; those that are disabled go away, with what they have made.
pub fn write_packaged(settings: &Settings, cluster: &Cluster) -> Result<()> {
    let disabled = settings.all("disable");
    let registry =
        settings.last("system-default-registry").map(|host| format!("{host}/")).unwrap_or_default();
    for (name, deployment, image) in PACKAGED {
        let file = settings.paths.server("manifests").join(format!("{name}.yaml"));
        let manifest = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": deployment, "namespace": "kube-system"},
            "spec": {"replicas": 1, "template": {"spec": {"containers": [
                {"name": deployment, "image": format!("{registry}{image}"), "imagePullPolicy": "IfNotPresent"}]}}}});
        if disabled.iter().any(|disabled| disabled == name) {
            let _ = fs::remove_file(file);
            Place::of_manifest(&manifest).map(|place| cluster.datastore.delete(&place));
        } else {
            write(&file, manifest.to_string().as_bytes(), 0o600)?;
        }
    }
    Ok(())
}

/// Applies the files of `server/manifests` that are new or have changed.
pub struct Deployer {
    directory: PathBuf,
    applied: HashMap<PathBuf, Digest>,
}

impl Deployer {
    /// For the directory of a server.
    pub fn new(directory: &Path) -> Deployer {
        Deployer { directory: directory.to_path_buf(), applied: HashMap::new() }
    }

    /// Looks at every file. One that cannot be applied does not keep the others from it, and is tried again.
    pub fn scan(&mut self, cluster: &Cluster) -> Result<()> {
        let mut files = Vec::new();
        find(&self.directory, &mut files)?;
        files.sort();
        for file in files {
            let bytes = fs::read(&file)?;
            let digest = Digest::of(&bytes);
            if self.applied.get(&file) != Some(&digest) {
                match apply(&String::from_utf8_lossy(&bytes), cluster) {
                    Ok(()) => drop(self.applied.insert(file, digest)),
                    Err(error) => {
                        log::error(&format!("Failed to process config: {}: {error}", file.display()))
                    }
                }
            }
        }
        Ok(())
    }
}

fn find(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !directory.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_manifest =
            path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known));
        let is_skipped = path.with_added_extension("skip").exists();
        if path.is_dir() {
            find(&path, files)?;
        } else if is_manifest && !is_hidden && !is_skipped {
            files.push(path);
        }
    }
    Ok(())
}

fn apply(text: &str, cluster: &Cluster) -> Result<()> {
    for document in documents(text)? {
        let place = Place::of_manifest(&document).ok_or("a document has no kind, version or name")?;
        match cluster.datastore.get(&place) {
            Some(_) => drop(cluster.datastore.patch(&place, &document)),
            None => drop(cluster.datastore.put(&place, document)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_cut_into_documents_and_lists_into_items() {
        let text = "# opens\n---\nkind: A\n---\nkind: List\nitems:\n- kind: B\n- kind: C\n---\n# ends\n";
        let kinds: Vec<_> = documents(text).unwrap().iter().map(|value| value["kind"].clone()).collect();
        assert_eq!(kinds, ["A", "B", "C"]);
    }
}
