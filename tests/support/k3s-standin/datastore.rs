//! What stands in for etcd and sqlite: the objects of the cluster, in one file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kubernetes::{Place, merge};
use super::paths::write;
use super::{Result, log};

/// The objects of a cluster, by their paths.
pub struct Datastore {
    file: PathBuf,
    state: Mutex<State>,
}

/// All objects at one moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// Grows with every change.
    pub revision: u64,
    /// By their paths.
    pub objects: BTreeMap<String, Value>,
    /// Names the cluster; a reset makes another one of it.
    #[serde(default)]
    pub cluster: String,
}

impl Datastore {
    /// Opens the file, or begins with nothing.
    pub fn open(file: &Path) -> Result<Datastore> {
        let state = if file.exists() { serde_json::from_slice(&fs::read(file)?)? } else { State::default() };
        Ok(Datastore { file: file.to_path_buf(), state: Mutex::new(state) })
    }

    /// The object at this place.
    pub fn get(&self, place: &Place) -> Option<Value> {
        self.lock().objects.get(&place.path()).cloned()
    }

    /// All objects of a collection, in one namespace or in all.
    pub fn list(&self, collection: &Place) -> Vec<Value> {
        let is_in = |path: &str| {
            Place::parse(path).is_some_and(|place| {
                place.plural == collection.plural
                    && place.group_version == collection.group_version
                    && (collection.namespace.is_none() || collection.namespace == place.namespace)
            })
        };
        self.lock().objects.iter().filter(|(path, _)| is_in(path)).map(|(_, object)| object.clone()).collect()
    }

    /// Puts an object at its place, over what is there; gives it as it is kept.
    pub fn put(&self, place: &Place, mut object: Value) -> Value {
        if let Some(namespace) = &place.namespace {
            object["metadata"]["namespace"] = json!(namespace);
        }
        let mut state = self.lock();
        let existing = state.objects.get(&place.path());
        let created = existing.map(|existing| existing["metadata"]["creationTimestamp"].clone());
        let now = || json!(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        object["metadata"]["creationTimestamp"] = created.unwrap_or_else(now);
        state.objects.insert(place.path(), object.clone());
        self.save(&mut state);
        object
    }

    /// Lays a patch over an object. `None` if there is none.
    pub fn patch(&self, place: &Place, patch: &Value) -> Option<Value> {
        let mut state = self.lock();
        let object = state.objects.get_mut(&place.path())?;
        merge(object, patch);
        let patched = object.clone();
        self.save(&mut state);
        Some(patched)
    }

    /// Takes an object away. `None` if there is none.
    pub fn delete(&self, place: &Place) -> Option<Value> {
        let mut state = self.lock();
        let deleted = state.objects.remove(&place.path())?;
        self.save(&mut state);
        Some(deleted)
    }

    /// Everything, for another server.
    pub fn state(&self) -> State {
        self.lock().clone()
    }

    /// Makes it the data of another cluster.
    pub fn set_cluster(&self, cluster: &str) {
        let mut state = self.lock();
        cluster.clone_into(&mut state.cluster);
        self.save(&mut state);
    }

    /// Takes over what another server has, if that is newer. Says whether it is of the same cluster.
    pub fn adopt(&self, newer: State) -> bool {
        let mut state = self.lock();
        if newer.cluster != state.cluster {
            return false;
        }
        if newer.revision > state.revision {
            // Saving counts as a change.
            *state = State { revision: newer.revision - 1, ..newer };
            self.save(&mut state);
        }
        true
    }

    fn save(&self, state: &mut State) {
        state.revision += 1;
        let saved = serde_json::to_vec(state).map_err(Into::into);
        if let Err(error) = saved.and_then(|bytes| write(&self.file, &bytes, 0o600)) {
            log::error(&format!("the datastore cannot be written: {error}"));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_listed_by_namespace_and_outlive_the_process() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("state.db");
        let store = Datastore::open(&file).unwrap();
        let place = |path: &str| Place::parse(path).unwrap();
        store.put(&place("/api/v1/namespaces/a/pods/x"), json!({"metadata": {"name": "x"}}));
        store.put(&place("/api/v1/namespaces/b/pods/x"), json!({"metadata": {"name": "x"}}));
        store.put(&place("/api/v1/namespaces/a"), json!({"metadata": {"name": "a"}}));
        assert_eq!(store.list(&place("/api/v1/pods")).len(), 2);
        assert_eq!(store.list(&place("/api/v1/namespaces/a/pods")).len(), 1);
        assert_eq!(store.list(&place("/api/v1/namespaces")).len(), 1);
        store.patch(&place("/api/v1/namespaces/a/pods/x"), &json!({"status": {"phase": "Running"}})).unwrap();
        store.delete(&place("/api/v1/namespaces/b/pods/x")).unwrap();
        let again = Datastore::open(&file).unwrap();
        let pods = again.list(&place("/api/v1/pods"));
        assert_eq!((pods.len(), pods[0]["status"]["phase"].as_str()), (1, Some("Running")));
    }
}
