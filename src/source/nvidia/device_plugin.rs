//! The device plugin, by which Kubernetes learns of GPUs: an image, and the manifest that runs it.

use crate::oci::platform::Platform;
use crate::spec::nvidia::Nvidia;
use crate::spec::{FileEntry, FileSource, Image, ImageSource};

/// Who asked for the image, as written in the lock.
pub const WANTED_BY: &str = "nvidia";

/// The manifest, in which [`IMAGE`] stands for the reference.
const MANIFEST: &str = include_str!("../../../manifests/nvidia/device-plugin.yaml");
const IMAGE: &str = "AIRLOCK_IMAGE";
/// Where it comes from, as written in the lock.
const ORIGIN: &str = "airlock: manifests/nvidia/device-plugin.yaml";
/// Where it lies on nodes, with the image of the bundle filled in.
pub const PATH: &str = "/opt/airlock/manifests/nvidia-device-plugin.yaml";

/// The images to carry, for `platforms`: that of the device plugin, if it is wanted.
pub fn images(nvidia: &Nvidia, platforms: &[Platform]) -> Vec<Image> {
    let image = nvidia.device_plugin.iter().map(|reference| Image {
        reference: reference.clone(),
        source: ImageSource::Registry,
        platforms: platforms.to_vec(),
        referrers: false,
        line: nvidia.line,
    });
    image.collect()
}

/// The manifest with the image filled in.
pub(super) fn manifest(nvidia: &Nvidia) -> Option<FileEntry> {
    let reference = nvidia.device_plugin.as_ref()?;
    let text = MANIFEST.replace(IMAGE, &reference.to_string());
    Some(FileEntry {
        source: FileSource::Generated { origin: ORIGIN, text },
        path: PATH.to_owned(),
        mode: 0o644,
        digest: None,
        allow_secret: false,
        line: nvidia.line,
    })
}
