//! What a server tells the cluster about GPUs: runtime classes, and the device plugin with the image of the bundle.

use std::sync::Arc;

use crate::bundle::manifest::Artifact;
use crate::node::k3s::paths;
use crate::node::origin::Origin;
use crate::node::resource::{BlobFile, File, Resources};
use crate::node::settings::{Role, Settings};
use crate::node::step::{Step, names};
use crate::source::nvidia::DEVICE_PLUGIN;

/// k3s makes `nvidia` by itself where its component `runtimes` is not switched off.
const RUNTIME_CLASS: &str = include_str!("../../../manifests/nvidia/runtime-class.yaml");
/// k3s has the runtime, but no class for it.
const RUNTIME_CLASS_CDI: &str = include_str!("../../../manifests/nvidia/runtime-class-cdi.yaml");

/// The step that puts them where k3s applies them by itself; none on agents, and where the bundle has no device
/// plugin. It is for all nodes of the cluster, whether or not this one has GPUs.
pub fn manifests(settings: &Settings, origin: &Arc<dyn Origin>) -> Option<Box<dyn Step>> {
    let plugin = origin.manifest().artifacts.iter().find_map(|artifact| match artifact {
        Artifact::File(file) if file.path == DEVICE_PLUGIN => Some(file.blob),
        _ => None,
    })?;
    if settings.role != Role::Server {
        return None;
    }
    let directory = paths::manifests(&settings.data_directory);
    let path = |name: &str| format!("{directory}/airlock-nvidia-{name}.yaml");
    let mut step = Resources::new(names::NVIDIA_MANIFESTS, "Tell the cluster about GPUs");
    if settings.disable.iter().any(|component| component == "runtimes") {
        step = step.with(File::private(path("runtime-class"), RUNTIME_CLASS));
    }
    step = step.with(File::private(path("runtime-class-cdi"), RUNTIME_CLASS_CDI));
    let plugin = BlobFile { path: path("device-plugin"), blob: plugin, mode: 0o600, origin: origin.clone() };
    Some(Box::new(step.with(plugin)))
}
