//! Plans, from hosts that are described.

use std::fmt::Write as _;

use super::*;
use crate::cluster::inventory::tests::inventory;
use crate::cluster::inventory::{VirtualAddress, VirtualAddressMode};
use crate::cluster::survey::examine::ChangedStep;
use crate::cluster::survey::findings::tests::{look, member, survey};
use crate::cluster::survey::{Examination, Look};
use crate::node::settings::{self, Registry};
use crate::quote::escape;

/// The bundle of which [`member`] has installed.
pub(crate) fn bundle() -> Medium {
    Medium { name: "lab-1".to_owned(), manifest: Digest::of(b"manifest"), serial: 1, bytes: 1 << 30 }
}

fn planned(inventory: &Inventory, survey: &Survey) -> ClusterPlan {
    plan(inventory, survey, &bundle(), &[], None)
}

/// The plan in a few words a host.
fn told(plan: &ClusterPlan) -> String {
    let mut text = String::new();
    for host in &plan.hosts {
        let work = match &host.work {
            Work::LeaveOut { why } => format!("left out: {}", escape(&why.message)),
            Work::Change { steps } => format!("change {}", steps.len()),
            work => format!("{work:?}"),
        };
        let settings = host.settings.as_ref();
        let join = settings.and_then(|settings| settings.join.as_deref()).unwrap_or("-");
        let registry = match settings.map(|settings| &settings.registry) {
            Some(Registry::Own { endpoints, .. }) => format!("own + {}", endpoints.join(" ")),
            Some(Registry::Peers { endpoints }) => format!("peers {}", endpoints.join(" ")),
            Some(Registry::External { endpoint, .. }) => endpoint.clone(),
            None => "-".to_owned(),
        };
        let _ = writeln!(text, "{} {:?}: {work}; joins {join}; {registry}", host.host, host.phase);
    }
    text
}

fn servers(inventory: &mut Inventory, count: usize) {
    for host in inventory.hosts.iter_mut().take(count) {
        host.role = Role::Server;
        host.has_registry = true;
    }
}

#[test]
fn one_server_alone() {
    let plan = planned(&inventory(&["s1"]), &survey(&["s1"]));
    insta::assert_snapshot!(told(&plan), @"s1 First: Install; joins -; own + ");
    assert!(plan.founds && !plan.is_empty() && plan.hosts[0].receives_bundle);
    let settings = plan.hosts[0].settings.as_ref().unwrap();
    assert!(!settings.share_images);
    settings.check().unwrap();
}

#[test]
fn three_servers_behind_a_virtual_address_and_two_agents() {
    let names = ["s1", "s2", "s3", "w1", "w2"];
    let mut inventory = inventory(&names);
    servers(&mut inventory, 3);
    inventory.cluster.virtual_address = Some(VirtualAddress {
        host: "10.0.0.100".to_owned(),
        mode: VirtualAddressMode::KubeVip { interface: None },
    });
    let plan = planned(&inventory, &survey(&names));
    insta::assert_snapshot!(told(&plan), @r"
    s1 First: Install; joins -; own + https://10.0.0.2:5443 https://10.0.0.3:5443
    s2 Server: Install; joins https://10.0.0.1:6443; own + https://10.0.0.1:5443 https://10.0.0.3:5443
    s3 Server: Install; joins https://10.0.0.1:6443; own + https://10.0.0.1:5443 https://10.0.0.2:5443
    w1 Agent: Install; joins https://10.0.0.100:6443; peers https://10.0.0.1:5443 https://10.0.0.2:5443 https://10.0.0.3:5443
    w2 Agent: Install; joins https://10.0.0.100:6443; peers https://10.0.0.1:5443 https://10.0.0.2:5443 https://10.0.0.3:5443
    ");
    let receivers: Vec<&str> =
        plan.hosts.iter().filter(|host| host.receives_bundle).map(|host| host.host.as_str()).collect();
    assert_eq!(receivers, ["s1"], "the bundle goes over the wire once");
    for host in &plan.hosts {
        let settings = host.settings.as_ref().unwrap();
        settings.check().unwrap();
        let names = if settings.role == settings::Role::Server { vec!["10.0.0.100"] } else { Vec::new() };
        assert_eq!(settings.certificate_names(), names);
        assert!(settings.share_images);
    }
}

#[test]
fn twenty_nodes_have_their_turn() {
    let names: Vec<String> = (1..=20).map(|index| format!("n{index:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut inventory = inventory(&names);
    servers(&mut inventory, 3);
    let plan = planned(&inventory, &survey(&names));
    let phases: Vec<Phase> = plan.hosts.iter().map(|host| host.phase).collect();
    assert_eq!(phases[..3], [Phase::First, Phase::Server, Phase::Server]);
    assert!(phases[3..].iter().all(|phase| *phase == Phase::Agent) && phases.len() == 20);
    assert!(plan.hosts.iter().all(|host| host.work == Work::Install));
}

/// All are members, and nothing is to be changed.
fn installed(names: &[&str], servers: usize) -> Survey {
    let mut survey = survey(names);
    for (index, name) in names.iter().enumerate() {
        let role = if index < servers { settings::Role::Server } else { settings::Role::Agent };
        let joined = (index > 0).then_some("https://10.0.0.1:6443");
        look(&mut survey, name).status = member(role, joined);
        let examination = Examination { failed: Vec::new(), changes: Some(Vec::new()) };
        survey.examinations.insert((*name).to_owned(), Ok(examination));
    }
    survey
}

#[test]
fn a_second_plan_is_empty() {
    let names = ["s1", "s2", "s3", "w1"];
    let mut inventory = inventory(&names);
    servers(&mut inventory, 3);
    let plan = planned(&inventory, &installed(&names, 3));
    assert!(plan.is_empty() && plan.obstacle.is_none() && !plan.founds);
    assert!(plan.hosts.iter().all(|host| host.work == Work::Nothing), "{}", told(&plan));
}

#[test]
fn what_is_new_or_different_is_done_and_nothing_else() {
    let names = ["s1", "w1", "w2", "w3"];
    let mut survey = installed(&names, 1);
    let steps = vec![ChangedStep { name: "k3s".to_owned(), title: "Start k3s".to_owned() }];
    let examination = Examination { failed: Vec::new(), changes: Some(steps) };
    survey.examinations.insert("w1".to_owned(), Ok(examination));
    look(&mut survey, "w2").status = Default::default();
    survey.examinations.remove("w2");
    look(&mut survey, "w3").status =
        crate::cluster::survey::look::Status { is_node: true, ..Default::default() };
    survey.examinations.remove("w3");
    insta::assert_snapshot!(told(&planned(&inventory(&names), &survey)), @r"
    s1 First: Nothing; joins -; own + 
    w1 Agent: change 1; joins https://10.0.0.1:6443; peers https://10.0.0.1:5443
    w2 Agent: Install; joins https://10.0.0.1:6443; peers https://10.0.0.1:5443
    w3 Agent: Continue; joins https://10.0.0.1:6443; peers https://10.0.0.1:5443
    ");
}

#[test]
fn a_host_that_is_away_is_left_out_and_without_the_first_nobody_begins() {
    let names = ["s1", "w1", "w2"];
    let away = |host: &str, mut survey: Survey| {
        let why = Trouble {
            code: codes::REMOTE_COMMAND.to_string(),
            message: "no route".to_owned(),
            details: Vec::new(),
            help: None,
        };
        survey.looks.insert(host.to_owned(), Err(why));
        survey
    };
    insta::assert_snapshot!(told(&planned(&inventory(&names), &away("w1", survey(&names)))), @r"
    s1 First: Install; joins -; own + 
    w1 Agent: left out: no route; joins -; -
    w2 Agent: Install; joins https://10.0.0.1:6443; peers https://10.0.0.1:5443
    ");
    insta::assert_snapshot!(told(&planned(&inventory(&names), &away("s1", survey(&names)))), @r"
    s1 First: left out: no route; joins -; -
    w1 Agent: left out: the address of the server that it joins is not known; joins -; -
    w2 Agent: left out: the address of the server that it joins is not known; joins -; -
    ");
}

#[test]
fn a_second_cluster_is_never_founded() {
    let names = ["s1", "s2", "s3", "w1"];
    let mut inventory = inventory(&names);
    servers(&mut inventory, 3);
    // The founder was replaced by an empty machine; the others are still the cluster.
    let mut survey = installed(&names, 3);
    look(&mut survey, "s1").status = Default::default();
    survey.examinations.remove("s1");
    let plan = planned(&inventory, &survey);
    assert_eq!((plan.entry.as_str(), plan.founds), ("s2", false));
    insta::assert_snapshot!(told(&plan), @r"
    s2 First: change 1; joins https://10.0.0.1:6443; own + https://10.0.0.1:5443 https://10.0.0.3:5443
    s1 Server: Install; joins https://10.0.0.2:6443; own + https://10.0.0.2:5443 https://10.0.0.3:5443
    s3 Server: change 1; joins https://10.0.0.1:6443; own + https://10.0.0.2:5443 https://10.0.0.1:5443
    w1 Agent: change 1; joins https://10.0.0.1:6443; peers https://10.0.0.2:5443 https://10.0.0.1:5443 https://10.0.0.3:5443
    ");
}

#[test]
fn another_bundle_is_an_upgrade() {
    let names = ["s1", "w1"];
    let newer = Medium { name: "lab-2".to_owned(), manifest: Digest::of(b"newer"), serial: 2, bytes: 1 };
    let plan = plan(&inventory(&names), &installed(&names, 1), &newer, &[], None);
    let obstacle = plan.obstacle.as_ref().unwrap();
    assert!(obstacle.is(codes::OTHER_BUNDLE) && obstacle.help.as_ref().unwrap().contains("cluster upgrade"));
    assert!(plan.is_empty());
}

#[test]
fn a_limit_keeps_the_first_server() {
    let names = ["s1", "w1", "w2"];
    let plan = plan(&inventory(&names), &survey(&names), &bundle(), &[], Some(&["w2".to_owned()]));
    let hosts: Vec<&str> = plan.hosts.iter().map(|host| host.host.as_str()).collect();
    assert_eq!(hosts, ["s1", "w2"]);
}

#[test]
fn a_look_is_not_needed_where_nothing_is_known() {
    let _: Option<&Look> = Survey::default().look("s1");
    let plan = planned(&inventory(&["s1"]), &Survey::default());
    assert!(matches!(&plan.hosts[0].work, Work::LeaveOut { why } if why.is(codes::INTERRUPTED)));
}
