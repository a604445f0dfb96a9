//! The address in front of the servers: each kind on a node, what keeps it from being held, and a balancer.

use airlock::bundle::manifest::Artifact;
use airlock::error::{Error, codes};
use airlock::node::availability::{NodeVirtualAddress, Segment};
use airlock::node::install::{self, Context, precondition};
use airlock::node::nfs::NfsMount;
use airlock::node::plan::Plan;
use airlock::node::reset::{Reset, Spared};
use airlock::node::run;
use airlock::node::settings::{Role, Settings};
use airlock::node::verify::{self, Depth};
use airlock::progress::Silent;

use super::bundles::{Contents, manifest};
use super::machine::{Host, contents};

/// On a server or balancer, haproxy at this port. Addresses are those of documentation (RFC 5737).
/// The address that moves, in an example of RFC 5737.
pub const ADDRESS: &str = "192.0.2.100";

pub fn haproxy(port: u16) -> NodeVirtualAddress {
    parse(&format!(
        r#"{{"kind": "haproxy", "address": "{ADDRESS}", "vrrp": {{"priority": 200, "peers": ["192.0.2.2"]}},
             "balancer": {{"port": {port}, "statusPort": 8404, "servers": ["192.0.2.1", "192.0.2.2"]}}}}"#
    ))
}

pub fn segment() -> Segment {
    Segment { interface: "eth0".to_owned(), address: "192.0.2.1".parse().unwrap() }
}

pub fn mount(source: &str, path: &str) -> NfsMount {
    NfsMount { source: source.to_owned(), path: path.to_owned(), options: String::new() }
}

fn parse(json: &str) -> NodeVirtualAddress {
    serde_json::from_str(json).unwrap()
}

fn keepalived() -> NodeVirtualAddress {
    parse(
        r#"{"kind": "keepalived", "address": "192.0.2.100", "vrrp": {"priority": 200, "peers": ["192.0.2.2"]}}"#,
    )
}

fn kube_vip() -> NodeVirtualAddress {
    parse(r#"{"kind": "kubeVip", "address": "192.0.2.100"}"#)
}

/// A machine that has these programs already.
fn host_with(programs: &[&str]) -> Host {
    let host = Host::new();
    for program in programs {
        write(&host, &format!("/usr/sbin/{program}"), "");
        write(&host, &format!("/usr/lib/systemd/system/{program}.service"), "[Service]\n");
    }
    host
}

fn write(host: &Host, path: &str, text: &str) {
    let path = host.machine.path(path);
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, text).unwrap();
}

fn context(host: &Host, address: NodeVirtualAddress) -> Context {
    let context = host.context(false);
    let settings = Settings { virtual_address: Some(address), ..context.settings };
    Context { settings, segment: Some(segment()), ..context }
}

fn install(context: &Context, host: &Host) -> Result<Vec<&'static str>, Error> {
    Ok(run::run("install", &install::steps(context)?, &host.machine, &Silent)?.changed)
}

/// The lines of the plan of one step.
fn lines(context: &Context, host: &Host, step: &str) -> Vec<String> {
    let plan = Plan::make(&install::steps(context).unwrap(), &host.machine).unwrap();
    let found = plan.steps.iter().find(|planned| planned.name == step).unwrap();
    found.changes.iter().map(ToString::to_string).collect()
}

#[test]
fn a_server_shares_its_address_before_k3s_starts() {
    let host = host_with(&["keepalived"]);
    let context = context(&host, keepalived());
    let changed = install(&context, &host).unwrap();
    let place = |name| changed.iter().position(|step| *step == name).unwrap();
    assert!(place("keepalived") < place("k3s-service"), "{changed:?}");
    assert!(host.read("/etc/rancher/k3s/config.yaml").contains(r#"tls-san: ["192.0.2.100"]"#));
    assert!(Plan::make(&install::steps(&context).unwrap(), &host.machine).unwrap().is_empty());

    // Whoever changes the file, or the service, is put right.
    write(&host, "/etc/keepalived/keepalived.conf", "# Written by airlock\nvrrp_instance other {}\n");
    assert_eq!(lines(&context, &host, "keepalived"), ["replace /etc/keepalived/keepalived.conf (0644)"]);
    host.systemd.kill("keepalived.service");
    assert_eq!(install(&context, &host).unwrap(), ["keepalived"]);
    assert!(host.read("/etc/keepalived/keepalived.conf").contains("nopreempt"));

    let reset = Reset::of(&host.machine, Spared::default()).unwrap().unwrap();
    assert_eq!(reset.virtual_address, Some("192.0.2.100".parse().unwrap()));
    run::run("reset", &reset.steps(), &host.machine, &Silent).unwrap();
    for path in ["/etc/keepalived", "/etc/systemd/system/keepalived.service.d"] {
        assert!(host.machine.metadata(path).unwrap().is_none(), "{path} is left");
    }
}

#[test]
fn other_settings_start_the_service_anew() {
    let host = host_with(&["keepalived"]);
    install(&context(&host, keepalived()), &host).unwrap();
    let other = parse(r#"{"kind": "keepalived", "address": "192.0.2.101", "vrrp": {"priority": 9}}"#);
    let context = context(&host, other);
    assert_eq!(
        lines(&context, &host, "keepalived"),
        ["replace /etc/keepalived/keepalived.conf (0644)", "restart keepalived.service"]
    );
    let changed = install(&context, &host).unwrap();
    assert!(changed.contains(&"keepalived") && changed.contains(&"k3s-service"), "{changed:?}");
}

#[test]
fn what_is_missing_in_the_bundle_is_said_before_anything_changes() {
    for (address, part, line) in [
        (keepalived(), "`keepalived`", "`packages: [keepalived]` under `apt`"),
        (haproxy(7443), "`haproxy`", "`packages: [haproxy]` under `apt`"),
        (kube_vip(), "ghcr.io/kube-vip/kube-vip", "`- ghcr.io/kube-vip/kube-vip:v1.2.3` under `images`"),
    ] {
        let host = Host::new();
        let error = install(&context(&host, address), &host).unwrap_err();
        assert_eq!(error.code(), codes::NOT_CARRIED);
        assert!(error.message().contains(part) && error.help().unwrap().contains(line), "{error}");
        assert!(host.machine.metadata("/var/lib/airlock/settings.json").unwrap().is_none());
    }
    let host = Host::new();
    let mut context = host.context(false);
    context.settings.nfs = vec![mount("nas.lab:/export", "/srv/data")];
    let error = install::steps(&context).err().unwrap();
    assert!(error.help().unwrap().contains("`packages: [nfs-common]`"), "{error}");
}

#[test]
fn a_service_of_somebody_else_is_left_alone() {
    let host = host_with(&["keepalived", "haproxy"]);
    let theirs = "vrrp_instance site {}\n";
    write(&host, "/etc/keepalived/keepalived.conf", theirs);
    write(&host, "/state/modified", "/etc/keepalived/keepalived.conf");
    let steps = install::steps(&context(&host, keepalived())).unwrap();
    let error = Plan::make(&steps, &host.machine).unwrap_err();
    assert_eq!(error.code(), codes::FOREIGN_CONFIGURATION);
    assert!(error.help().unwrap().contains("mv /etc/keepalived/keepalived.conf"), "{error}");
    assert_eq!(host.read("/etc/keepalived/keepalived.conf"), theirs);
}

#[test]
fn what_a_package_has_brought_is_replaced_and_comes_back() {
    let host = host_with(&["keepalived", "haproxy"]);
    let packaged = "global\n    daemon\n";
    write(&host, "/etc/haproxy/haproxy.cfg", packaged);
    install(&context(&host, haproxy(7443)), &host).unwrap();
    assert!(host.read("/etc/haproxy/haproxy.cfg").contains("bind *:7443"));
    let reset = Reset::of(&host.machine, Spared::default()).unwrap().unwrap();
    run::run("reset", &reset.steps(), &host.machine, &Silent).unwrap();
    assert_eq!(host.read("/etc/haproxy/haproxy.cfg"), packaged);
}

#[test]
fn a_service_that_refuses_its_configuration_is_not_touched() {
    let host = host_with(&["keepalived"]);
    write(&host, "/state/refuses", "");
    let error = install(&context(&host, keepalived()), &host).unwrap_err();
    assert_eq!(error.code(), codes::CONFIGURATION_REFUSED);
    assert!(error.details().iter().any(|detail| detail.contains("Unknown keyword")), "{error:?}");
    let calls = host.systemd.calls();
    assert!(!calls.iter().any(|call| call.contains("restart") && call.contains("keepalived")), "{calls:?}");
    fs_err::remove_file(host.machine.path("/state/refuses")).unwrap();
    assert!(install(&context(&host, keepalived()), &host).unwrap().contains(&"keepalived"));
}

/// The bundle with kube-vip in it: another image under that name.
fn with_kube_vip() -> Contents {
    let mut contents = contents();
    let mut artifacts = std::mem::take(&mut contents.manifest.artifacts);
    let image = artifacts.iter().find_map(|artifact| match artifact {
        Artifact::Image(image) => Some(image.clone()),
        _ => None,
    });
    let name = "ghcr.io/kube-vip/kube-vip:v1.2.4".to_owned();
    artifacts.extend(image.map(|image| {
        Artifact::Image(airlock::bundle::manifest::Image { origin: name.clone(), name, ..image })
    }));
    contents.manifest = manifest(artifacts, &contents.blobs);
    contents
}

#[test]
fn the_cluster_holds_its_address_by_the_image_of_the_bundle() {
    let host = Host::with(&with_kube_vip());
    let context = Context { segment: None, ..context(&host, kube_vip()) };
    let changed = install(&context, &host).unwrap();
    assert!(changed.contains(&"kube-vip"), "{changed:?}");
    let text = host.read("/var/lib/rancher/k3s/server/manifests/airlock-kube-vip.yaml");
    assert!(text.contains("image: ghcr.io/kube-vip/kube-vip:v1.2.4\n") && text.contains("\"192.0.2.100\""));
    let reset = Reset::of(&host.machine, Spared::default()).unwrap().unwrap();
    assert_eq!(reset.virtual_address, Some("192.0.2.100".parse().unwrap()));
}

fn balancer(host: &Host) -> Context {
    let context = context(host, haproxy(6443));
    let mut settings = Settings { role: Role::Balancer, ..context.settings };
    settings.settle();
    settings.check().unwrap();
    Context { settings, ..context }
}

#[test]
fn a_balancer_has_no_k3s_and_lives_like_every_node() {
    let host = host_with(&["keepalived", "haproxy"]);
    let context = balancer(&host);
    let changed = install(&context, &host).unwrap();
    assert_eq!(
        changed,
        ["settings", "signers", "airlock-program", "files", "haproxy", "keepalived", "serial-floor"]
    );
    for path in ["/usr/local/bin/k3s", "/etc/rancher", "/var/lib/airlock/store"] {
        assert!(host.machine.metadata(path).unwrap().is_none(), "{path} is there");
    }
    assert!(verify::verify(&context, Depth::Usual, &Silent).unwrap().is_clean());
    let names: Vec<String> =
        super::status::status(&host).services.into_iter().map(|service| service.name).collect();
    assert_eq!(names, ["haproxy.service", "keepalived.service"]);
    host.systemd.kill("haproxy.service");
    let report = verify::verify(&context, Depth::Usual, &Silent).unwrap();
    assert_eq!(super::verify::lines(&report), ["steps: haproxy: would start haproxy.service"]);

    let server = Settings { virtual_address: Some(keepalived()), ..Settings::default() };
    let error = precondition::change(&host.machine, Some(&context.settings), &server).unwrap_err();
    assert_eq!(error.message(), "this node was installed with `--role balancer`, and cannot become `server`");
    let reset = Reset::of(&host.machine, Spared::default()).unwrap().unwrap();
    run::run("reset", &reset.steps(), &host.machine, &Silent).unwrap();
    assert!(host.machine.metadata("/etc/haproxy").unwrap().is_none());
}

#[test]
fn network_file_systems_are_mounted_when_somebody_looks() {
    let host = host_with(&["mount.nfs"]);
    let with = |sources: &[&str]| {
        let context = host.context(false);
        let nfs = sources.iter().map(|source| mount(source, "/srv/data-1")).collect();
        Context { settings: Settings { nfs, ..context.settings }, ..context }
    };
    let context = with(&["nas.lab:/export"]);
    assert_eq!(lines(&context, &host, "network-mounts"), ["start /srv/data-1 (mount nas.lab:/export)"]);
    install(&context, &host).unwrap();
    let calls = host.systemd.calls();
    let of_mounts: Vec<&str> = calls
        .iter()
        .filter(|call| call.contains("x2d1") && !call.contains("show"))
        .map(String::as_str)
        .collect();
    assert_eq!(
        of_mounts,
        [
            r"systemctl reset-failed 'srv-data\x2d1.mount'",
            r"systemctl enable --quiet --now 'srv-data\x2d1.automount'",
            r"systemctl start 'srv-data\x2d1.mount'",
        ]
    );
    assert_eq!(install(&context, &host).unwrap(), [] as [&str; 0]);
    let other = with(&["nas.lab:/other"]);
    assert_eq!(lines(&other, &host, "network-mounts"), ["restart /srv/data-1 (mount nas.lab:/other)"]);
    assert!(install(&other, &host).unwrap().contains(&"network-mounts"));
    let status = super::status::status(&host);
    assert!(status.services.iter().any(|service| service.name == r"srv-data\x2d1.mount" && service.is_up()));
    let reset = Reset::of(&host.machine, Spared::default()).unwrap().unwrap();
    run::run("reset", &reset.steps(), &host.machine, &Silent).unwrap();
    assert!(host.machine.metadata("/srv/data-1").unwrap().is_none());
}
