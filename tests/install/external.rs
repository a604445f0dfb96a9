//! A site with a registry of its own: the first node brings the images there, the others find them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use airlock::error::codes;
use airlock::fetch::docker_config::DockerConfig;
use airlock::fetch::{Credentials, docker_config};
use airlock::node::install::{self, Context};
use airlock::node::machine::Machine;
use airlock::node::plan::Plan;
use airlock::node::registry::authority::Authority;
use airlock::node::registry::external::Push;
use airlock::node::registry::images::Images;
use airlock::node::registry::peer::Network;
use airlock::node::run;
use airlock::node::settings::{Registry, Settings};
use airlock::node::step::Step;
use airlock::oci::platform::Platform;
use airlock::progress::Silent;
use airlock::push::Target;
use airlock::secret::Secret;
use tempfile::TempDir;

use super::image_bundle;
use super::machine::Host;
use super::serving::Serving;

/// In the directory of a site: where its registry listens.
const ADDRESS: &str = "address";

/// The registry of a site: TLS by an authority of its own, and a token for those who push.
pub struct Site {
    pub directory: PathBuf,
    /// Ends with the one who has started it.
    running: Option<(Serving, TempDir)>,
}

impl Site {
    pub fn start() -> Site {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        let files = ["--store", "store", "--tls-directory", "tls", "--token-file", "token"];
        let listen = ["--listen", "127.0.0.1:0"];
        let serving = Serving::start(&path, &[&files[..], &listen].concat());
        fs_err::write(path.join(ADDRESS), serving.address("https")).unwrap();
        Site { running: Some((serving, directory)), ..Site::again(&path) }
    }

    /// One that somebody else has started.
    pub fn again(directory: &Path) -> Site {
        Site { directory: directory.to_owned(), running: None }
    }

    fn host(&self) -> String {
        self.read(ADDRESS)
    }

    fn said(&self) -> Vec<String> {
        self.running.as_ref().unwrap().0.said()
    }

    fn read(&self, name: &str) -> String {
        fs_err::read_to_string(self.directory.join(name)).unwrap()
    }

    fn login(&self) -> Credentials {
        let password = Secret::new(self.read("token").trim().to_owned());
        Credentials::Password { username: "ada".to_owned(), password }
    }

    fn context(&self, node: &Host, login: Option<Credentials>, pull_auth: bool) -> Context {
        let endpoint = format!("https://{}/platform", self.host());
        let mut network = Network::quiet(node.systemd.runtime().clone());
        if let Some(login) = login {
            let file = docker_config::render(&self.host(), &login);
            network.credentials = Arc::new(DockerConfig::parse(file.reveal(), "login").unwrap());
        }
        Context {
            settings: Settings {
                registry: Registry::External { endpoint, pull_auth },
                ..Settings::default()
            },
            authority: Some(self.read("tls/ca.crt").into_bytes()),
            network,
            ..node.context(false)
        }
    }

    fn steps(&self, node: &Host, login: Option<Credentials>) -> Vec<Box<dyn Step>> {
        install::steps(&self.context(node, login, false)).unwrap()
    }

    /// The steps of a node that brings the images.
    pub fn steps_with_login(&self, node: &Host) -> Vec<Box<dyn Step>> {
        self.steps(node, Some(self.login()))
    }
}

fn install(steps: &[Box<dyn Step>], machine: &Machine) -> Vec<&'static str> {
    run::run("install", steps, machine, &Silent).unwrap().changed
}

fn lines(plan: &Plan, step: &str) -> Vec<String> {
    let found = plan.steps.iter().find(|planned| planned.name == step).unwrap();
    found.changes.iter().map(ToString::to_string).collect()
}

#[test]
fn the_first_node_brings_the_images_and_the_others_find_them() {
    let site = Site::start();
    let first = Host::new();
    let steps = site.steps(&first, Some(site.login()));
    let plan = Plan::make(&steps, &first.machine).unwrap();
    let there = format!("{}/platform/docker.io/library/golden", site.host());
    assert_eq!(lines(&plan, "registry-push"), [format!("push docker.io/library/golden:1.0 (to {there})")]);
    assert_eq!(lines(&plan, "registry-login"), ["create /etc/airlock/registry-auth.json (0600)"]);
    let changed = install(&steps, &first.machine);
    assert!(changed.contains(&"registry-push") && !changed.contains(&"images"), "{changed:?}");
    assert!(Plan::make(&steps, &first.machine).unwrap().is_empty());
    assert!(install(&steps, &first.machine).is_empty());

    let registries = first.read("/etc/rancher/k3s/registries.yaml");
    let mirror = format!("https://{}/v2/platform/docker.io", site.host());
    assert!(registries.contains(&mirror) && !registries.contains("auth"), "{registries}");
    let kept = first.read("/etc/airlock/registry-auth.json");
    assert!(
        DockerConfig::parse(&kept, "kept").is_ok()
            && mode(&first.machine.path("/etc/airlock/registry-auth.json")) == 0o600
    );

    // Without a login: it only reads.
    let second = Host::new();
    let changed = install(&site.steps(&second, None), &second.machine);
    assert!(!changed.contains(&"registry-push") && !changed.contains(&"registry-login"), "{changed:?}");
    assert!(second.machine.metadata("/etc/airlock/registry-auth.json").unwrap().is_none());
    let pushes = site.said().iter().filter(|line| line.contains(" PUT ")).count();
    assert!(pushes > 0);
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_tag_that_is_replaced_is_in_the_plan() {
    let (site, node) = (Site::start(), Host::new());
    let steps = site.steps(&node, Some(site.login()));
    install(&steps, &node.machine);
    // Another bundle has another image under the same tag.
    let context = site.context(&node, Some(site.login()), false);
    let other = image_bundle::bundle("2.0", 8, &[("docker.io/library/golden:1.0", b"other layer")]);
    let bundle = other.signed(None).verify().unwrap();
    let Registry::External { endpoint, .. } = &context.settings.registry else { panic!("it is external") };
    let push: Vec<Box<dyn Step>> = vec![Box::new(Push {
        target: Target::parse(endpoint).unwrap(),
        images: Images::of(bundle.manifest(), Platform::LinuxAmd64),
        origin: Arc::new(bundle),
        authority: context.authority.clone().map(Authority::Given),
        network: context.network.clone(),
    })];
    let plan = Plan::make(&push, &node.machine).unwrap();
    let replaced = &lines(&plan, "registry-push")[1];
    let tag = format!("replace {}/platform/docker.io/library/golden:1.0 (sha256:", site.host());
    assert!(replaced.starts_with(&tag) && replaced.contains(" now, sha256:"), "{replaced}");
    assert_eq!(install(&push, &node.machine), ["registry-push"]);
    // And back.
    assert_eq!(install(&steps, &node.machine), ["registry-push"]);
}

#[test]
fn who_may_not_push_is_told_before_k3s_is_touched() {
    let (site, node) = (Site::start(), Host::new());
    let steps = site.steps(&node, None);
    let error = run::run("install", &steps, &node.machine, &Silent).unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::REGISTRY_LOGIN, 8));
    assert!(error.help().unwrap().contains("--registry-auth"));
    assert!(node.machine.metadata("/usr/local/bin/k3s").unwrap().is_none());
}

#[test]
fn a_login_for_pulling_reaches_k3s_and_nobody_else() {
    let (site, node) = (Site::start(), Host::new());
    let context = site.context(&node, Some(site.login()), true);
    let steps = install::steps(&context).unwrap();
    let plan = format!("{:?}", Plan::make(&steps, &node.machine).unwrap());
    let token = site.read("token");
    assert!(!plan.contains(token.trim()));
    install(&steps, &node.machine);
    let registries = node.read("/etc/rancher/k3s/registries.yaml");
    assert!(registries.contains("username: \"ada\"") && registries.contains(token.trim()), "{registries}");
    assert_eq!(mode(&node.machine.path("/etc/rancher/k3s/registries.yaml")), 0o600);
    assert!(!node.read("/var/lib/airlock/settings.json").contains(token.trim()));
    assert!(!node.read("/var/lib/airlock/journal").contains(token.trim()));
    let error = install::steps(&site.context(&node, None, true)).err().unwrap();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::NODE_SETTINGS, 3));
}
