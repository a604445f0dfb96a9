//! A machine below a temporary directory, a medium beside it, and what is installed from it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use airlock::bundle::Bundle;
use airlock::bundle::manifest::{Artifact, Installer};
use airlock::error::Result;
use airlock::node::driver::Done;
use airlock::node::install::{self, Context, Place, Preparation};
use airlock::node::k3s::config::Surroundings;
use airlock::node::machine::Machine;
use airlock::node::nvidia::Nvidia;
use airlock::node::plan::Plan;
use airlock::node::registry::peer::Network;
use airlock::node::run;
use airlock::node::settings::{Gpu, Registry, Settings};
use airlock::node::step::Step;
use airlock::oci::platform::Platform;
use airlock::progress::Silent;
use tempfile::TempDir;

use super::bundles::{self, Contents, test_key, test_policy};
use super::systemd::Systemd;
use airlock::trust::signature::Signer as _;

pub struct Host {
    /// Where it lies; removed at the end unless somebody else owns it.
    directory: PathBuf,
    owned: Option<TempDir>,
    pub systemd: Arc<Systemd>,
    pub machine: Machine,
    pub port: u16,
}

/// A bundle with an image, k3s, the program and a file.
pub fn contents() -> Contents {
    let mut contents = Contents::with_files(&[b"a plain file\n"]);
    let program = b"#!/bin/sh\necho the airlock program\n".to_vec();
    let installer = Installer {
        version: "0.1.0".to_owned(),
        platform: Platform::LinuxAmd64,
        blob: bundles::blob(&program),
    };
    let mut artifacts = vec![Artifact::Installer(installer)];
    artifacts.append(&mut contents.manifest.artifacts);
    contents.blobs.insert(0, program);
    contents.manifest = bundles::manifest(artifacts, &contents.blobs);
    contents
}

/// No GPU, and nothing for one.
pub fn nothing_of_nvidia() -> Nvidia {
    let devices = airlock::node::facts::Gpu::default();
    Nvidia { wanted: Gpu::Auto, devices, secure_boot: false, packages: None }
}

impl Host {
    /// A bare machine, with a bundle on its medium.
    pub fn new() -> Host {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        let [root, medium] = ["root", "medium"].map(|name| directory.path().join(name));
        fs_err::create_dir_all(root.join("proc/sys/kernel/random")).unwrap();
        fs_err::create_dir_all(&medium).unwrap();
        contents().signed(None).write_to(&medium);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        fs_err::write(directory.path().join("port"), port.to_string()).unwrap();
        Host { owned: Some(directory), ..Host::again(&path) }
    }

    /// A machine that was there before, after a power cut: nothing runs on it.
    pub fn again(directory: &Path) -> Host {
        let root = directory.join("root");
        let systemd = Arc::new(Systemd::new(&root));
        let machine = Machine::new(&root, systemd.clone());
        let port = fs_err::read_to_string(directory.join("port")).unwrap().parse().unwrap();
        Host { directory: directory.to_owned(), owned: None, systemd, machine, port }
    }

    /// The directory of the machine, which outlives it.
    pub fn into_directory(self) -> TempDir {
        self.owned.unwrap()
    }

    pub fn medium(&self) -> PathBuf {
        self.directory.join("medium")
    }

    pub fn context(&self, in_place: bool) -> Context {
        let bundle = Bundle::open(&self.medium()).unwrap().verify(&test_policy()).unwrap();
        let bundle = Arc::new(bundle);
        let registry = Registry::Own { port: self.port, in_place };
        Context {
            packages: None,
            preparation: Preparation::default(),
            revoked: None,
            nvidia: Arc::new(nothing_of_nvidia()),
            machine: self.machine.clone(),
            settings: Settings { registry, ..Settings::default() },
            origin: bundle.clone(),
            place: Place::Medium { bundle, path: self.medium() },
            platform: Platform::LinuxAmd64,
            node: "node-1".to_owned(),
            surroundings: Surroundings::default(),
            token: None,
            signers: Some(test_key().public_key().allowed_line("release") + "\n"),
            signed_by: vec![test_key().public_key().fingerprint()],
            authority: None,
            time: None,
            network: Network::quiet(self.systemd.runtime().clone()),
        }
    }

    pub fn steps(&self, in_place: bool) -> Vec<Box<dyn Step>> {
        install::steps(&self.context(in_place)).unwrap()
    }

    pub fn plan(&self, in_place: bool) -> Plan {
        Plan::make(&self.steps(in_place), &self.machine).unwrap()
    }

    pub fn install(&self, in_place: bool) -> Result<Done> {
        run::run("install", &self.steps(in_place), &self.machine, &Silent)
    }

    pub fn read(&self, path: &str) -> String {
        self.machine.read_text(path).unwrap().unwrap_or_else(|| panic!("{path} is missing"))
    }
}
