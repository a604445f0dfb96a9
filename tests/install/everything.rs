//! A bundle that has something for every step, and what a machine with a GPU makes of it.

use std::sync::Arc;

use airlock::bundle::manifest::apt::{Apt, Install, Purpose};
use airlock::bundle::manifest::{Artifact, Image, Manifest};
use airlock::node::install::{self, Context, Preparation};
use airlock::node::nvidia::Nvidia;
use airlock::node::origin::Origin;
use airlock::node::packages::Packages;
use airlock::node::preflight::mend::Mending;
use airlock::node::registry::STORE;
use airlock::node::run;
use airlock::node::settings::{Gpu, Settings};
use airlock::progress::Silent;
use airlock::secret::Secret;
use airlock::source::nvidia::DEVICE_PLUGIN;

use super::bundles::{self, Contents};
use super::packages::{Wanted, repository};
use super::{gpu, machine, virtual_address};

/// The installer of the driver, where bundles have it.
const INSTALLER: &str = "/opt/airlock/nvidia/NVIDIA-Linux-x86_64-580.126.20.run";

/// The packages of the bundle: one for every node, and those for GPUs.
const PACKAGES: [(Purpose, Wanted<'static>); 7] = [
    (Purpose::Node, ("airlock-probe", "1:2.0-1", "amd64", "")),
    (Purpose::Driver, ("dkms", "3.0.10-8", "amd64", "")),
    (Purpose::Node, ("haproxy", "2.6.12-1", "amd64", "")),
    (Purpose::Node, ("keepalived", "1:2.2.7-1", "amd64", "")),
    (Purpose::Node, ("nfs-common", "1:2.6.2-4", "amd64", "")),
    (Purpose::ContainerToolkit, ("nvidia-container-toolkit", "1.18.0-1", "amd64", "")),
    (Purpose::FabricManager, ("nvidia-fabricmanager", "580.126.20-1", "amd64", "")),
];

/// The bundle.
pub fn contents() -> Contents {
    let mut contents = machine::contents();
    let (apt, blobs) = apt();
    let mut artifacts = std::mem::take(&mut contents.manifest.artifacts);
    artifacts.extend(pause(&artifacts).map(Artifact::Image));
    for (path, bytes) in [(INSTALLER, "installer\n"), (DEVICE_PLUGIN, "device plugin\n")] {
        artifacts.push(bundles::file(path, bytes.as_bytes()));
        contents.blobs.push(bytes.into());
    }
    artifacts.push(Artifact::Apt(apt));
    contents.blobs.extend(blobs);
    contents.manifest = bundles::manifest(artifacts, &contents.blobs);
    contents
}

fn apt() -> (Apt, Vec<Vec<u8>>) {
    let (mut apt, blobs) = repository("node", &PACKAGES.map(|(_, package)| package));
    let install = |(purpose, (package, version, ..)): (Purpose, Wanted<'_>)| Install {
        purpose,
        package: package.to_owned(),
        version: version.to_owned(),
    };
    apt.install = PACKAGES.map(install).into();
    let mut nvidia = super::packages::installer_repository("node", INSTALLER).0.nvidia;
    if let Some(nvidia) = &mut nvidia {
        nvidia.fabric_manager = Some(gpu::VERSION.to_owned());
        nvidia.container_toolkit = Some("1.18.0".to_owned());
    }
    apt.nvidia = nvidia;
    (apt, blobs)
}

/// The image of the smoke test: the other one under its name.
fn pause(artifacts: &[Artifact]) -> Option<Image> {
    artifacts.iter().find_map(|artifact| match artifact {
        Artifact::Image(image) => {
            let name = "docker.io/rancher/mirrored-pause:3.10".to_owned();
            Some(Image { origin: name.clone(), name, ..image.clone() })
        }
        _ => None,
    })
}

/// The packages of a bundle; none in one that has not everything.
fn packages_of(manifest: &Manifest) -> Option<&Apt> {
    manifest.artifacts.iter().find_map(|artifact| match artifact {
        Artifact::Apt(apt) => Some(apt),
        _ => None,
    })
}

/// What is put right on the machine first.
fn preparation() -> Preparation {
    let mendings = vec![
        Mending::Module("vxlan".to_owned()),
        Mending::Sysctl { name: "net.ipv4.ip_forward".to_owned(), value: 1 },
        Mending::DefaultRoute { ip: "/usr/sbin/ip".to_owned(), link: "dummy" },
    ];
    Preparation { policy: Some(b"checks: {}\n".to_vec()), mendings }
}

/// The context for a machine with a GPU and a clock that stands in 1970, if the bundle has everything.
pub fn with_everything(context: Context) -> Context {
    let Some(apt) = packages_of(context.origin.manifest()).cloned() else { return context };
    let origin: Arc<dyn Origin> = context.origin.clone();
    let packages = Arc::new(Packages { apt, origin, store: Some(STORE.to_owned()) });
    let nvidia = Nvidia {
        wanted: Gpu::Yes,
        devices: gpu::devices(),
        secure_boot: false,
        packages: Some(packages.clone()),
    };
    let time = "2026-06-01T00:00:00Z".parse().ok();
    let revoked = Some(b"# nobody so far\n".to_vec());
    let (packages, nvidia, preparation) = (Some(packages), Arc::new(nvidia), preparation());
    let virtual_address = Some(virtual_address::haproxy(7443));
    let nfs = vec![virtual_address::mount("nas.lab:/export", "/srv/data-1")];
    let settings = Settings { virtual_address, nfs, ..context.settings };
    let segment = Some(virtual_address::segment());
    Context { packages, nvidia, time, revoked, preparation, settings, segment, ..context }
}

#[test]
fn an_installation_of_everything_goes_through_every_step() {
    let host = machine::Host::with_everything();
    let plan = host.plan(false);
    let steps: Vec<&str> = plan.steps.iter().map(|step| step.name).collect();
    assert_eq!(
        steps,
        airlock::node::step::names::INSTALL,
        "a step without a case here is not tested against faults"
    );
    let (host, done) = host.install_to_the_end();
    assert_eq!(done, ["nouveau"], "steps that need a restart");
    let plan = host.plan(false);
    assert!(plan.is_empty(), "{plan:?}");
    for (path, part) in [
        ("/state/clock", "1780272000"),
        ("/var/lib/dpkg/status", "Package: airlock-probe\nStatus: install ok installed"),
        ("/var/lib/dpkg/status", "Package: nvidia-container-toolkit\nStatus: hold ok installed"),
        ("/proc/sys/net/ipv4/ip_forward", "1"),
        ("/etc/cdi/nvidia.yaml", gpu::VERSION),
        ("/etc/systemd/system/srv-data\\x2d1.mount", "What=nas.lab:/export"),
        ("/etc/haproxy/haproxy.cfg", "bind *:7443"),
        ("/etc/keepalived/keepalived.conf", "airlock node alive --port 7443"),
        ("/etc/rancher/k3s/config.yaml", "tls-san: [\"192.0.2.100\"]"),
        ("/etc/rancher/k3s/config.yaml", "nvidia.com/gpu.product=NVIDIA-H100-80GB-HBM3"),
        ("/var/lib/airlock/state.json", "\"serial\": 7"),
    ] {
        assert!(host.read(path).contains(part), "{path}: {}", host.read(path));
    }
    assert!(host.machine.metadata("/etc/systemd/system/airlock-resume.service").unwrap().is_none());
}

#[test]
fn a_node_that_joins_keeps_its_token_before_a_restart_for_the_driver() {
    let host = machine::Host::with_everything();
    let mut context = host.context(false);
    context.settings.join = Some("https://192.0.2.1:6443".to_owned());
    context.token = Some(Secret::new("K10secret".to_owned()));
    let steps = install::steps(&context).unwrap();
    let done = run::run("install", &steps, &host.machine, &Silent).unwrap();
    assert_eq!(done.reboot_for, Some("nouveau"));
    assert!(host.machine.metadata("/etc/rancher/k3s/config.yaml").unwrap().is_none(), "k3s comes later");
    // Whoever goes on after the restart is given no token.
    assert_eq!(host.read("/etc/rancher/k3s/token"), "K10secret\n");
}
