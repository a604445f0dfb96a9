//! A small bundle with packages for one kind of node, for unit tests.

use super::{Apt, Driver, File, Install, Kernel, METADATA, Nvidia, Package, Purpose};
use crate::bundle::layout;
use crate::bundle::manifest::{Artifact, Blob, FORMAT, Manifest};
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;

/// A blob whose content is its name.
pub(crate) fn blob(name: &str) -> Blob {
    Blob { digest: Digest::of(name.as_bytes()), size: name.len() as u64 }
}

/// A package as the repository writer would place it.
pub(crate) fn package(name: &str, version: &str, architecture: &str) -> Package {
    let path = format!("pool/{name}_{}_{architecture}.deb", version.replace(':', "%3a"));
    Package {
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: architecture.to_owned(),
        wanted_by: "requested".to_owned(),
        origin: format!("https://example.com/debian/{path}"),
        blob: blob(&path),
        path,
    }
}

/// A repository with these packages; nothing is installed by name.
pub(crate) fn repository(name: &str, packages: Vec<Package>) -> Apt {
    let file = |path: &str| File { path: path.to_owned(), blob: blob(&format!("{path} of {name}")) };
    let mut apt = Apt {
        name: name.to_owned(),
        host: "debian-12".to_owned(),
        platform: Platform::LinuxAmd64,
        baseline: "essential".to_owned(),
        recommends: false,
        install: Vec::new(),
        nvidia: None,
        packages,
        files: METADATA.map(file).to_vec(),
        blobs: Vec::new(),
    };
    apt.list_blobs();
    apt
}

impl Apt {
    /// Makes `blobs` follow from packages and files.
    pub(crate) fn list_blobs(&mut self) {
        let packages = self.packages.iter().map(|package| package.blob.digest);
        self.blobs = packages.chain(self.files.iter().map(|file| file.blob.digest)).collect();
    }
}

/// What a node with a GPU gets, with everything there is.
pub(crate) fn gpu_repository() -> Apt {
    let packages = vec![
        package("keepalived", "1:2.2.7-1", "amd64"),
        package("libgl1", "1.6.0-1", "i386"),
        package("nvidia-container-toolkit", "1.18.0-1", "amd64"),
        package("nvidia-driver", "580.126.20-1", "amd64"),
        package("nvidia-fabricmanager", "580.126.20-1", "amd64"),
        package("tzdata", "2026a-1", "all"),
    ];
    let install = |(purpose, package, version): (Purpose, &str, &str)| Install {
        purpose,
        package: package.to_owned(),
        version: version.to_owned(),
    };
    let kernel = |release: &str, prebuilt| Kernel { release: release.to_owned(), prebuilt };
    let driver = Driver {
        version: "580.126.20".to_owned(),
        open: true,
        kernels: vec![kernel("6.1.0-41-amd64", true), kernel("6.12.0-1-amd64", false)],
        run_file: None,
    };
    let mut apt = repository("gpu", packages);
    apt.install = [
        (Purpose::Node, "keepalived", "1:2.2.7-1"),
        (Purpose::Node, "tzdata", "2026a-1"),
        (Purpose::Node, "libgl1:i386", "1.6.0-1"),
        (Purpose::Driver, "nvidia-driver", "580.126.20-1"),
        (Purpose::FabricManager, "nvidia-fabricmanager", "580.126.20-1"),
        (Purpose::ContainerToolkit, "nvidia-container-toolkit", "1.18.0-1"),
    ]
    .map(install)
    .to_vec();
    apt.nvidia = Some(Nvidia {
        driver: Some(driver),
        fabric_manager: Some("580.126.20".to_owned()),
        container_toolkit: Some("1.18.0".to_owned()),
    });
    apt
}

/// A bundle of these artifacts, whose blobs are those of their repositories.
pub(crate) fn manifest(artifacts: Vec<Artifact>) -> Manifest {
    let mut blobs = Vec::new();
    for artifact in &artifacts {
        let listed: Vec<Blob> = match artifact {
            Artifact::Apt(apt) => {
                let packages = apt.packages.iter().map(|package| package.blob);
                packages.chain(apt.files.iter().map(|file| file.blob)).collect()
            }
            Artifact::File(file) => vec![file.blob],
            _ => Vec::new(),
        };
        blobs.extend(listed);
    }
    let mut seen = std::collections::HashSet::new();
    blobs.retain(|blob| seen.insert(blob.digest));
    Manifest {
        format: FORMAT.to_owned(),
        requires: Vec::new(),
        name: "lab".to_owned(),
        version: "1.0".to_owned(),
        channel: "stable".to_owned(),
        serial: 7,
        created: "2026-01-01T00:00:00Z".to_owned(),
        platforms: vec![Platform::LinuxAmd64],
        hosts: vec!["debian-12".to_owned()],
        layout: layout::describe(&artifacts),
        artifacts,
        blobs,
    }
}
