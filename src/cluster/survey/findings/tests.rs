//! What is found, from hosts that are described.

use super::*;
use crate::cluster::inventory::tests::inventory;
use crate::cluster::matrix::Link;
use crate::cluster::survey::look::tests::facts;
use crate::cluster::survey::look::{Clock, Identity, Installed, Status};
use crate::cluster::survey::{Examination, Look, Stranger};
use crate::node::facts;
use crate::node::lock::Holder;
use crate::node::reach::{Outcome, Port};
use crate::node::settings;
use crate::oci::digest::Digest;

/// Hosts that are no nodes yet: their names, each with the address 10.0.0.N.
pub(crate) fn survey(names: &[&str]) -> Survey {
    let look = |(index, name): (usize, &&str)| {
        let facts = facts(name, &format!("10.0.0.{}", index + 1));
        let look = Look { facts, status: Status::default(), clock: Clock::default(), boot: "one".to_owned() };
        ((*name).to_owned(), Ok(look))
    };
    Survey { looks: names.iter().enumerate().map(look).collect(), ..Survey::default() }
}

fn found(names: &[&str], change: impl FnOnce(&mut Inventory, &mut Survey)) -> Vec<Finding> {
    let (mut inventory, mut survey) = (inventory(names), survey(names));
    change(&mut inventory, &mut survey);
    let wanted = Wanted::of(&inventory, &survey.looks);
    findings(&inventory, &survey, &wanted, &[])
}

fn lines(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let host = finding.host.as_deref().unwrap_or("all");
        format!("{host} {:?} {}\n", finding.severity, finding.line())
    };
    findings.iter().map(line).collect()
}

pub(crate) fn look<'a>(survey: &'a mut Survey, host: &str) -> &'a mut Look {
    survey.looks.get_mut(host).unwrap().as_mut().unwrap()
}

pub(crate) fn member(role: settings::Role, joined: Option<&str>) -> Status {
    let installed =
        Installed { name: None, channel: "lab".to_owned(), serial: 1, manifest: Digest::of(b"manifest") };
    Status {
        is_node: true,
        identity: Some(Identity { role, joined: joined.map(str::to_owned) }),
        bundles: vec![installed],
        running: None,
    }
}

#[test]
fn nothing_is_said_against_hosts_that_are_as_they_should_be() {
    assert_eq!(found(&["s1", "w1", "w2"], |_, _| {}), []);
}

#[test]
fn copies_of_a_machine_are_kept_out_and_the_first_goes_on() {
    let findings = found(&["s1", "w1", "w2"], |_, survey| {
        look(survey, "w2").facts.network.hostname = Some("W1".to_owned());
        look(survey, "w2").facts.machine.machine_id = Some("id of w1".to_owned());
    });
    insta::assert_snapshot!(lines(&findings), @r"
    w2 Block host-name: w2 has the host name `w1`, as w1 has; on w2: `hostnamectl hostname w2`
    w2 Block machine-id: w2 has the same /etc/machine-id as w1: one was copied from the other; on w2: `rm /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup`, and restart it
    ");
    let trouble = verdict(&findings, Some("w2")).unwrap();
    assert!(trouble.is(codes::CLUSTER_BLOCKED) && trouble.details.len() == 1);
    assert_eq!(verdict(&findings, Some("w1")), None);
    assert_eq!(verdict(&findings, None), None);
}

#[test]
fn the_one_whose_clock_is_wrong_is_named() {
    let findings = found(&["s1", "w1", "w2"], |_, survey| {
        look(survey, "s1").clock = Clock { ahead: 600_000, uncertainty: 10 };
        look(survey, "w1").clock = Clock { ahead: -1500, uncertainty: 20 };
        look(survey, "w2").clock = Clock { ahead: 1500, uncertainty: 900 };
    });
    insta::assert_snapshot!(lines(&findings), @r"
    s1 Block clock: the clock of s1 is 10 min ahead of the others; set it on s1, and let something keep it: `timedatectl`, chrony with a server of the site
    w1 Warn clock: the clock of w1 is 1.5 s behind the others; set it on w1, and let something keep it: `timedatectl`, chrony with a server of the site
    ");
}

#[test]
fn if_our_own_clock_is_wrong_nobody_is_kept_out() {
    let findings = found(&["s1", "w1"], |_, survey| {
        for host in ["s1", "w1"] {
            look(survey, host).clock = Clock { ahead: 3_600_000, uncertainty: 5 };
        }
    });
    assert_eq!(findings, []);
}

#[test]
fn an_even_number_of_servers_is_told() {
    let findings = found(&["s1", "s2"], |inventory, _| inventory.hosts[1].role = Role::Server);
    insta::assert_snapshot!(lines(&findings), @"all Warn servers: 2 servers bear the loss of 0, no more than 1 would; take an odd number: one, three or five");
}

#[test]
fn a_firewall_is_laid_on_the_host_behind_it() {
    let link = |from: &str, to: &str, port: Port| Link {
        from: from.to_owned(),
        to: to.to_owned(),
        port,
        outcome: Outcome::Silent,
        severity: Severity::Block,
    };
    let findings = found(&["s1", "w1", "w2"], |_, survey| {
        look(survey, "w1").facts.network.firewall.ufw = true;
        survey.links = vec![
            link("s1", "w1", Port::tcp(10250)),
            link("w2", "w1", Port::tcp(10250)),
            link("w2", "w1", Port::udp(8472)),
        ];
    });
    insta::assert_snapshot!(lines(&findings), @"w1 Block ports: connections do not work: s1 → w1 10250/tcp: nothing comes back, w2 → w1 10250/tcp: nothing comes back, w2 → w1 8472/udp: nothing comes back; on w1: `ufw allow proto tcp from any to any port 10250`; `ufw allow proto udp from any to any port 8472`");
    let findings = found(&["s1", "w1", "w2"], |_, survey| {
        survey.links = vec![link("w1", "s1", Port::tcp(6443))];
    });
    assert_eq!(
        findings[0].host.as_deref(),
        Some("w1"),
        "the others can go on without it, not without the server"
    );
    let findings = found(&["s1", "w1", "w2"], |_, survey| {
        look(survey, "w1").status = member(settings::Role::Agent, Some("https://10.0.0.1:6443"));
        survey.links = vec![link("w1", "s1", Port::tcp(6443))];
    });
    assert_eq!(findings[0].severity, Severity::Warn, "what is a node already stays one");
}

#[test]
fn what_is_a_node_already_cannot_become_just_anything() {
    let findings = found(&["s1", "s2", "w1"], |inventory, survey| {
        inventory.hosts[1].role = Role::Server;
        for host in ["s1", "s2", "w1"] {
            look(survey, host).status = member(settings::Role::Server, None);
        }
        let since = "2026-05-04T12:00:00Z".to_owned();
        look(survey, "s1").status.running = Some(Holder { pid: 7, command: "install".to_owned(), since });
    });
    let codes: Vec<_> = findings.iter().map(|finding| (finding.id.as_str(), finding.code)).collect();
    assert_eq!(
        codes,
        [
            ("two-clusters", codes::CLUSTERS_DIFFER),
            ("role", codes::NODE_CHANGE),
            ("busy", codes::NODE_BUSY),
            ("servers", codes::CLUSTER_BLOCKED)
        ]
    );
    assert!(verdict(&findings, None).unwrap().message.starts_with("s1 and s2 have each founded"));
}

/// What is found about a virtual address in front of s1.
fn found_about(address: &str, change: impl FnOnce(&mut Survey)) -> Vec<Finding> {
    use crate::cluster::inventory::{VirtualAddress, VirtualAddressMode, Vrrp};
    found(&["s1", "w1"], |inventory, survey| {
        let mode =
            VirtualAddressMode::Keepalived(Vrrp { prefix: Some(24), interface: None, router_id: None });
        inventory.cluster.virtual_address = Some(VirtualAddress { host: address.to_owned(), mode });
        change(survey);
    })
}

#[test]
fn a_virtual_address_that_somebody_has_is_told() {
    assert_eq!(found_about("10.0.0.100", |_| {}), []);
    let findings = found_about("10.0.0.2", |_| {});
    assert!(verdict(&findings, None).unwrap().message.contains("10.0.0.2 is an address of w1"));
    // What has begun to become a node may have got it by that.
    let hold = |survey: &mut Survey, is_node: bool| {
        let held = facts::Subnet { address: "10.0.0.100".parse().unwrap(), prefix: 32 };
        look(survey, "s1").facts.network.interfaces[0].addresses.push(held);
        look(survey, "s1").status.is_node = is_node;
    };
    assert_eq!(found_about("10.0.0.100", |survey| hold(survey, true)), []);
    assert_eq!(found_about("10.0.0.100", |survey| hold(survey, false)).len(), 1);
    let findings = found_about("10.0.0.100", |survey| {
        let (hardware, asked_by) = ("52:54:00:00:00:09".to_owned(), "s1".to_owned());
        survey.stranger = Some(Stranger { hardware, asked_by });
    });
    let trouble = verdict(&findings, None).unwrap();
    assert!(trouble.is(codes::VIRTUAL_ADDRESS_TAKEN));
    assert!(trouble.message.ends_with("52:54:00:00:00:09 answers s1 for it"), "{trouble:?}");
}

#[test]
fn a_virtual_address_that_is_far_away_is_told() {
    // Its other interface is near, but not the one that gets it.
    let findings = found_about("10.0.1.100", |survey| {
        let mut other = look(survey, "s1").facts.network.interfaces[0].clone();
        other.name = "eth1".to_owned();
        other.addresses[0].address = "10.0.1.1".parse().unwrap();
        look(survey, "s1").facts.network.interfaces.push(other);
        look(survey, "s1").facts.network.routes = vec![facts::Route {
            destination: "0.0.0.0/0".parse().unwrap(),
            gateway: None,
            interface: "eth0".to_owned(),
            metric: 0,
        }];
    });
    assert_eq!(
        findings[0].text,
        "the virtual address 10.0.1.100 is in no network of eth0 on s1, which has 10.0.0.1/24"
    );
    assert_eq!(findings[0].code, codes::VIRTUAL_ADDRESS);
}

#[test]
fn what_preflight_says_is_kept_with_its_name_and_counts_where_something_is_done() {
    let failed = |severity| super::super::examine::FailedCheck {
        id: "D4".to_owned(),
        title: "room for data".to_owned(),
        severity,
        measured: "1 GiB".to_owned(),
        threshold: "20 GiB".to_owned(),
        remedy: Some("make room".to_owned()),
    };
    let (inventory, mut survey) = (inventory(&["s1", "w1"]), survey(&["s1", "w1"]));
    for (host, severity) in [("s1", preflight::Severity::Info), ("w1", preflight::Severity::Block)] {
        let examination = Examination { failed: vec![failed(severity)], changes: None };
        survey.examinations.insert(host.to_owned(), Ok(examination));
    }
    let wanted = Wanted::of(&inventory, &survey.looks);
    let findings_of = |despite: &[String]| findings(&inventory, &survey, &wanted, despite);
    let trouble = verdict(&findings_of(&[]), Some("w1")).unwrap();
    assert_eq!(
        (trouble.message.as_str(), trouble.help.as_deref()),
        ("room for data: 1 GiB (wanted: 20 GiB)", Some("make room"))
    );
    assert!(trouble.is(codes::PREFLIGHT_BLOCKED));
    // The host itself would refuse it all the same.
    assert!(verdict(&findings_of(&["D4".to_owned()]), Some("w1")).is_some());
    let Some(Ok(examination)) = survey.examinations.get_mut("w1") else { panic!() };
    examination.changes = Some(Vec::new());
    let found = findings(&inventory, &survey, &wanted, &[]);
    assert_eq!((found.len(), verdict(&found, Some("w1"))), (1, None), "nothing would be done there");
}

#[test]
fn what_an_administrator_knows_better_is_told_and_nothing_else() {
    let names = ["s1", "w1"];
    let (inventory, mut survey) = (inventory(&names), survey(&names));
    look(&mut survey, "w1").clock.ahead = 600_000;
    look(&mut survey, "w1").status.running = Some(
        serde_json::from_value(serde_json::json!(
        {"pid": 7, "command": "install", "since": "2026-05-04T12:00:00Z"}))
        .unwrap(),
    );
    let wanted = Wanted::of(&inventory, &survey.looks);
    let despite = ["clock", "busy"].map(str::to_owned);
    let found = findings(&inventory, &survey, &wanted, &despite);
    let blocking: Vec<&str> = found
        .iter()
        .filter(|finding| finding.severity == Severity::Block)
        .map(|finding| finding.id.as_str())
        .collect();
    assert_eq!(blocking, ["busy"]);
}
