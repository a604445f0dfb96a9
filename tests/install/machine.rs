//! A machine below a temporary directory, a medium beside it, and what is installed from it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

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
use super::everything;
use super::memory;
use super::systemd::{self, Systemd};
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

/// A port that stays free while nothing runs on the machine: nobody is given it by chance, as those above 32767 are
/// (ip(7), `ip_local_port_range`), and other test programs begin elsewhere.
fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let next = || {
        let number = std::process::id().wrapping_mul(97).wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        12_000 + (number % 16_000) as u16
    };
    std::iter::repeat_with(next).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

impl Host {
    /// A bare machine, with a bundle on its medium.
    pub fn new() -> Host {
        Host::with(&contents())
    }

    /// A bare machine with a GPU, whose bundle has something for every step.
    pub fn with_everything() -> Host {
        Host::with(&everything::contents())
    }

    pub fn with(contents: &Contents) -> Host {
        let directory = memory::directory();
        let path = directory.path().to_owned();
        let medium = path.join("medium");
        fs_err::create_dir_all(&medium).unwrap();
        contents.signed(None).write_to(&medium);
        fs_err::write(path.join("port"), free_port().to_string()).unwrap();
        Host { owned: Some(directory), ..Host::booted(&path) }
    }

    /// A machine that was there before, after a power cut or a restart: nothing runs on it.
    pub fn booted(directory: &Path) -> Host {
        systemd::boot(&directory.join("root")).unwrap();
        Host::again(directory)
    }

    /// A machine that was there before, as it is: what runs on it goes on running.
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
        let registry = Registry::Own { port: self.port, in_place, endpoints: Vec::new() };
        everything::with_everything(Context {
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
            segment: None,
            token: None,
            signers: Some(test_key().public_key().allowed_line("release") + "\n"),
            signed_by: vec![test_key().public_key().fingerprint()],
            authority: None,
            time: None,
            network: Network::quiet(self.systemd.runtime().clone()),
        })
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

    /// Installs and restarts the machine as often as that asks for it; the steps that did.
    pub fn install_to_the_end(mut self) -> (Host, Vec<&'static str>) {
        let mut restarts = Vec::new();
        while let Some(step) = self.install(false).unwrap_or_else(|error| panic!("{error:?}")).reboot_for {
            assert!(!restarts.contains(&step), "{step} asks for a second restart");
            restarts.push(step);
            let (directory, owned) = (self.directory.clone(), self.owned.take());
            drop(self);
            self = Host { owned, ..Host::booted(&directory) };
        }
        (self, restarts)
    }

    pub fn read(&self, path: &str) -> String {
        self.machine.read_text(path).unwrap().unwrap_or_else(|| panic!("{path} is missing"))
    }
}
