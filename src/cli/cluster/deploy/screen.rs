//! The plan of a deployment and what came of it, for people.

use std::path::Path;
use std::time::Duration;

use crate::cluster::plan::{ClusterPlan, HostPlan, Phase, Work};
use crate::cluster::report::{HostReport, Report, State};
use crate::cluster::survey::{Finding, Severity};
use crate::ui::human;
use crate::ui::table::{Align, Table};
use crate::ui::text::escape;

/// So many hosts with the same warning are named; of more it is said how many there are.
const NAMED: usize = 6;

/// A table of the hosts in their order, and what the survey has to say.
pub(super) fn plan(plan: &ClusterPlan) -> String {
    let mut text = String::new();
    for warning in warnings(plan) {
        text += &format!("warning: {warning}\n");
    }
    text + &work_of_hosts(plan)
}

/// What the survey warns of: once, however many hosts it is about.
pub(super) fn warnings(plan: &ClusterPlan) -> Vec<String> {
    grouped(&plan.findings, plan.hosts.len())
}

fn grouped(findings: &[Finding], all: usize) -> Vec<String> {
    let mut by_line: Vec<(String, Vec<&str>)> = Vec::new();
    for finding in findings.iter().filter(|finding| finding.severity == Severity::Warn) {
        let line = escape(&finding.line()).into_owned();
        let known = by_line.iter().position(|(before, _)| *before == line);
        let index = known.unwrap_or_else(|| {
            by_line.push((line, Vec::new()));
            by_line.len() - 1
        });
        by_line[index].1.extend(finding.host.as_deref());
    }
    by_line.iter().map(|(line, hosts)| format!("{}{line}", about(hosts, all))).collect()
}

/// `gpu1, gpu2: `, and nothing where it is about no host in particular.
fn about(hosts: &[&str], all: usize) -> String {
    match hosts.len() {
        0 => String::new(),
        many if many > 1 && many == all => format!("all {many} hosts: "),
        many if many > NAMED => {
            format!("{} and {} more: ", hosts[..NAMED - 1].join(", "), many - (NAMED - 1))
        }
        _ => format!("{}: ", hosts.join(", ")),
    }
}

/// A table of the hosts in their order.
pub(super) fn work_of_hosts(plan: &ClusterPlan) -> String {
    if let Some(obstacle) = &plan.obstacle {
        return format!("nothing can be done: {}\n", escape(&obstacle.message));
    }
    if plan.is_empty() && plan.left_out().next().is_none() {
        return "nothing would change: all hosts are as they should be\n".to_owned();
    }
    let mut table = Table::new([("HOST", Align::Left), ("ROLE", Align::Left), ("WHAT", Align::Left)]);
    for host in &plan.hosts {
        table.row([&host.host, phase(host.phase), &work(host, plan)]);
    }
    let mut text = table.render();
    for (host, why) in plan.left_out() {
        let help = why.help.as_deref().unwrap_or_default();
        text += &format!("\n{} is left out: {} ({})\n", host.host, escape(&why.message), why.code);
        why.details.iter().for_each(|detail| text += &format!("  {}\n", escape(detail)));
        text += &format!("  {}\n", escape(help));
    }
    text
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::First => "first server",
        Phase::Balancer => "balancer",
        Phase::Server => "server",
        Phase::Agent => "agent",
    }
}

fn work(host: &HostPlan, plan: &ClusterPlan) -> String {
    let what = match &host.work {
        Work::Nothing => return "as it should be".to_owned(),
        Work::LeaveOut { why } => return format!("left out: {}", why.code),
        Work::Install if host.phase == Phase::First && plan.founds => "install, found the cluster".to_owned(),
        Work::Install => "install".to_owned(),
        Work::Continue => "go on with its installation".to_owned(),
        Work::Change { steps } => {
            let titles: Vec<&str> = steps.iter().map(|step| step.title.as_str()).collect();
            format!("change: {}", titles.join(", "))
        }
    };
    match host.receives_bundle {
        true => format!("{what}; gets {} (up to {})", plan.bundle.name, human::size(plan.bundle.bytes)),
        false => what,
    }
}

/// How it ended, host by host, and what comes next.
pub(super) fn report(report: &Report, logs: &Path) -> String {
    let mut table = Table::new([
        ("HOST", Align::Left),
        ("STATE", Align::Left),
        ("STEPS", Align::Right),
        ("TIME", Align::Right),
    ]);
    for host in &report.hosts {
        let seconds = host.seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let time = seconds.map(|seconds| human::duration(Duration::from_secs(seconds))).unwrap_or_default();
        // What was broken off has not said how far it came.
        let steps = match host.state {
            State::NotBegun | State::Running | State::Failed | State::LeftOut if host.steps.is_empty() => {
                String::new()
            }
            _ => host.steps.len().to_string(),
        };
        table.row([&host.host, state(host.state), &steps, &time]);
    }
    let mut text = table.render();
    if report.bytes_sent > 0 {
        text +=
            &format!("\n{} of {} were sent\n", human::size(report.bytes_sent), escape(&report.bundle.name));
    }
    text += &format!("\nThe logs of the hosts are in {}\n", escape(&logs.to_string_lossy()));
    let is_there = |host: &HostReport| matches!(host.state, State::Installed | State::Unchanged);
    if report.hosts.iter().any(|host| host.host == report.entry && is_there(host)) {
        text += &format!("Look at the cluster, on {}:\n  sudo kubectl get nodes\n", report.entry);
    }
    text
}

fn state(state: State) -> &'static str {
    match state {
        State::NotBegun => "not begun",
        State::Running => "broken off",
        State::Unchanged => "as it should be",
        State::Installed => "installed",
        State::Failed => "failed",
        State::LeftOut => "left out",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::codes;

    fn finding(host: Option<&str>, text: &str) -> Finding {
        Finding {
            id: "K9".to_owned(),
            severity: Severity::Warn,
            host: host.map(str::to_owned),
            text: text.to_owned(),
            help: "mend it".to_owned(),
            code: codes::CLUSTER_BLOCKED,
        }
    }

    #[test]
    fn a_warning_is_said_once_however_many_hosts_it_is_about() {
        let names: Vec<String> = (1..=9).map(|number| format!("n{number}")).collect();
        let of =
            |many: usize| names[..many].iter().map(|name| finding(Some(name), "same")).collect::<Vec<_>>();
        let blocking = Finding { severity: Severity::Block, ..finding(Some("n1"), "worse") };
        let other = [finding(Some("n2"), "other"), finding(None, "of all"), blocking];
        let findings = [of(2), other.to_vec()].concat();
        let expected = ["n1, n2: K9: same; mend it", "n2: K9: other; mend it", "K9: of all; mend it"];
        assert_eq!(grouped(&findings, 9), expected);
        assert_eq!(grouped(&of(8), 9), ["n1, n2, n3, n4, n5 and 3 more: K9: same; mend it"]);
        assert_eq!(grouped(&of(9), 9), ["all 9 hosts: K9: same; mend it"]);
        assert_eq!(grouped(&of(1), 1), ["n1: K9: same; mend it"]);
    }
}
