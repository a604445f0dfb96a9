//! `install --registry` at a site that has a registry already: Debian's own, behind TLS by an authority of the site.
//! The first node brings the images there, and real containerd pulls them from there under their own names.

use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::cluster_secrets::{self, CANARY};
use crate::containerd::Containerd;
use crate::desk::Desk;
use crate::install::{INSTALL, nothing_is_left_to_do};
use crate::inventories::yaml;
use crate::lab::Lab;
use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::roots;
use crate::samples;
use crate::standin::write;
use crate::stick::{IMAGES, Stick};

/// Where the registry listens, and the project there that is ours.
const HOST: &str = "10.77.0.11:5000";
const PROJECT: &str = "platform";
/// Whom every program of a machine believes.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Who vouches for the registry; on every machine of the site.
const AUTHORITY: &str = "/root/site-ca.crt";

const CONFIGURATION: &str = "version: 0.1\nlog: {level: info}\nstorage: {filesystem: {rootdirectory: /srv/registry}}\n\
    http: {addr: ':5000', tls: {certificate: /etc/registry/tls.crt, key: /etc/registry/tls.key}}\n";
const UNIT: &str = "[Service]\nExecStart=/usr/local/bin/docker-registry serve /etc/registry/config.yml\n\
    ExecStartPost=timeout 20 sh -c 'until ss -ltn | grep -q :5000; do sleep 0.1; done'\n";

/// Who may log in where nobody gets anything without: `htpasswd -nbB robot canary0123456789robot`.
const USERS: &str = "robot:$2y$05$.7Wl6TIyy7qnFnU1XEdlVOxtCKCrM4B36OUzVRrvtg4kmRAw458ou\n";
const ONLY_USERS: &str = "auth: {htpasswd: {realm: site, path: /etc/registry/users}}\n";
const PASSWORD: &str = "canary0123456789robot";
/// What k3s keeps for its kubelet and containerd.
const AGENT: &str = "/var/lib/rancher/k3s/agent";
/// Where the login lies on every host.
const LOGIN: &str = "/etc/airlock/registry-auth.json";

/// Starts the registry on a node, for everybody. Gives the certificate of its authority; `None`, loudly, where it cannot
/// be had.
fn start_registry(node: &Node) -> Option<String> {
    start_registry_with(node, CONFIGURATION)
}

/// Starts the registry on a node. Gives the certificate of its authority; `None`, loudly, where it cannot be had.
fn start_registry_with(node: &Node, configuration: &str) -> Option<String> {
    let root = roots::root_with("docker-registry-bookworm", "bookworm", &["docker-registry"])?;
    node.copy_in(&root.join("usr/bin/docker-registry"), "/usr/local/bin/docker-registry").unwrap();
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new([node.address().to_string()]).unwrap();
    let certificate = parameters.signed_by(&key, &authority).unwrap();
    for (path, text) in [
        ("/etc/registry/tls.crt", certificate.pem()),
        ("/etc/registry/tls.key", key.serialize_pem()),
        ("/etc/registry/config.yml", configuration.to_owned()),
        ("/etc/registry/users", USERS.to_owned()),
        ("/etc/systemd/system/site-registry.service", UNIT.to_owned()),
    ] {
        write(node, path, &text);
    }
    node.systemctl(&["daemon-reload"]).unwrap();
    node.systemctl(&["start", "site-registry"]).unwrap();
    Some(authority.pem())
}

/// What the registry has been asked while `act` was done, in its words: `PUT /v2/…`.
fn requests(registry: &Node, act: impl FnOnce()) -> String {
    let log = || registry.journal("site-registry").unwrap();
    let before = log().len();
    act();
    log().split_off(before)
}

/// `install` of a node, with the options of the site besides.
fn install(node: &Node, stick: &Stick, options: &str) {
    let site = format!("--registry https://{HOST}/{PROJECT} --ca {AUTHORITY}");
    node.shell(&format!("{INSTALL} --trust {} --yes {site} {options}", stick.fingerprint)).unwrap();
}

/// Those of the bundle that every node needs.
fn images() -> impl Iterator<Item = &'static str> {
    IMAGES.into_iter().chain(samples::K3S_IMAGES.iter().copied())
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn the_registry_of_the_site_gets_the_images_once_and_every_node_pulls_from_there() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::new("site").unwrap();
    let registry = lab.node("registry1", Release::Bookworm).unwrap();
    let Some(authority) = start_registry(&registry) else { return };
    let [server, agent] = ["server1", "agent1"].map(|name| {
        let node = lab.node_with_stick(name, Release::Bookworm, &stick.path()).unwrap();
        write(&node, AUTHORITY, &authority);
        node
    });
    let said = requests(&registry, || install(&server, stick, ""));
    assert!(
        said.contains("PUT") && said.contains(&format!("/v2/{PROJECT}/docker.io/library/busybox")),
        "{said}"
    );
    pulls_from_the_site(&server, stick, &registry);
    let token = tempfile::NamedTempFile::new().unwrap();
    server.copy_out("/var/lib/rancher/k3s/server/token", token.path()).unwrap();
    agent.copy_in(token.path(), "/root/token").unwrap();
    let join = format!("--role agent --join https://{}:6443 --token-file /root/token", server.address());
    let said = requests(&registry, || install(&agent, stick, &join));
    assert!(
        said.contains("HEAD") && !said.contains("PUT") && !said.contains("POST"),
        "nothing is sent twice: {said}"
    );
    pulls_from_the_site(&agent, stick, &registry);
    [&server, &agent].into_iter().for_each(nothing_is_left_to_do);
}

/// Real containerd gets every image under its own name, from there and from nowhere else: no node has a registry of its
/// own. This registry takes no index of which platforms are missing, so that the image of the platform stands there.
fn pulls_from_the_site(node: &Node, stick: &Stick, registry: &Node) {
    let own = node.run(&["systemctl", "is-active", "airlock-registry.socket"]).unwrap();
    assert!(!own.status.success(), "the registry of the site is meant");
    let Some(containerd) = Containerd::start(node) else { return };
    let said = requests(registry, || {
        for image in images() {
            assert_eq!(containerd.pull(image), stick.digest_of_platform(image), "{image}");
        }
    });
    for image in images() {
        let (name, _) = image.rsplit_once(':').unwrap();
        assert!(
            said.contains(&format!("/v2/{PROJECT}/{name}/manifests/")),
            "{image} came from elsewhere: {said}"
        );
    }
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_cluster_is_deployed_whose_images_are_in_the_registry_of_the_site() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::with_gap("site-cluster", Gap::Reject).unwrap();
    let registry = lab.node("registry1", Release::Bookworm).unwrap();
    let Some(authority) = start_registry(&registry) else { return };
    let nodes = lab.nodes_named(&["server1", "agent1"], Release::Bookworm).unwrap();
    for node in &nodes {
        write(node, AUTHORITIES, &authority);
    }
    let desk = Desk::new(&lab, stick);
    let hosts = yaml(&lab, &[&nodes[0]], &[&nodes[1]], &[]);
    desk.inventory(&format!("{hosts}siteRegistry: https://{HOST}/{PROJECT}\n"));
    let requests = requests(&registry, || drop(desk.deploy_all("installed", 2)));
    assert!(requests.contains("PUT"), "{requests}");
    desk.deploy_all("unchanged", 2);
    nodes.iter().for_each(nothing_is_left_to_do);
}

/// The file that `docker login` writes.
fn login() -> String {
    let word = STANDARD.encode(format!("robot:{PASSWORD}"));
    format!("{{\"auths\": {{\"{HOST}\": {{\"auth\": \"{word}\"}}}}}}\n")
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_registry_that_wants_a_login_gets_that_of_the_hosts_and_nobody_else_learns_it() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::with_gap("site-login", Gap::Reject).unwrap();
    let registry = lab.node("registry1", Release::Bookworm).unwrap();
    let configuration = format!("{CONFIGURATION}{ONLY_USERS}");
    let Some(authority) = start_registry_with(&registry, &configuration) else { return };
    let nodes = lab.nodes_named(&["server1", "agent1"], Release::Bookworm).unwrap();
    nodes.iter().for_each(|node| write(node, AUTHORITIES, &authority));
    let desk = Desk::new(&lab, stick);
    let hosts = yaml(&lab, &[&nodes[0]], &[&nodes[1]], &[]);
    desk.inventory(&format!("{hosts}siteRegistry: https://{HOST}/{PROJECT}\nsiteRegistryPullAuth: true\n"));

    let without = desk.deploy(&[]);
    assert_eq!(without.status, Some(9), "{}", without.told);
    assert!(without.told.contains(LOGIN), "the way out is told: {}", without.told);

    for node in &nodes {
        write(node, LOGIN, &login());
        node.succeed(&["chmod", "600", LOGIN]).unwrap();
    }
    let is_over = AtomicBool::new(false);
    let (deployed, sampled) = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| cluster_secrets::sample(&is_over));
        let deployed = desk.deploy(&["--progress", "json"]);
        is_over.store(true, Ordering::Relaxed);
        (deployed, sampler.join().unwrap())
    });
    assert_eq!(deployed.status, Some(0), "{}", deployed.told);
    assert!(sampled.installing > 1 && sampled.caught.is_empty(), "{:?}", sampled.caught);
    let told = deployed.told + &desk.written();
    let encoded = STANDARD.encode(format!("robot:{PASSWORD}"));
    assert!(!told.contains(CANARY) && !told.contains(&encoded), "{told}");
    for node in &nodes {
        node.succeed(&["k3s", "crictl", "pull", samples::BUSYBOX]).unwrap();
        let holders = cluster_secrets::holders(node);
        // k3s copies the login for its containerd, into a directory that only root can enter.
        let expected = ["/etc/rancher/k3s/registries.yaml", &format!("{AGENT}/etc/containerd/config.toml")];
        assert_eq!(holders, expected.map(str::to_owned).into());
        assert_eq!(mode(node, AGENT), "700");
        assert_eq!(mode(node, LOGIN), "600");
        assert_eq!(mode(node, "/etc/rancher/k3s/registries.yaml"), "600");
    }
    desk.deploy_all("unchanged", 2);
    nodes.iter().for_each(nothing_is_left_to_do);
}

fn mode(node: &Node, path: &str) -> String {
    node.succeed(&["stat", "--format=%a", path]).unwrap().trim().to_owned()
}
