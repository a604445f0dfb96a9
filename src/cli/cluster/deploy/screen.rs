//! The plan of a deployment and what came of it, for people.

use std::path::Path;
use std::time::Duration;

use crate::cluster::plan::{ClusterPlan, HostPlan, Phase, Work, warnings};
use crate::cluster::report::{HostReport, Report, State};
use crate::ui::human;
use crate::ui::table::{Align, Table};
use crate::ui::text::escape;

/// A table of the hosts in their order, and what the survey has to say.
pub(super) fn plan(plan: &ClusterPlan) -> String {
    let mut text = String::new();
    for finding in warnings(&plan.findings) {
        let host = finding.host.as_deref().map(|host| format!("{host}: ")).unwrap_or_default();
        text += &format!("warning: {host}{}\n", escape(&finding.line()));
    }
    if let Some(obstacle) = &plan.obstacle {
        return format!("{text}nothing can be done: {}\n", escape(&obstacle.message));
    }
    if plan.is_empty() && plan.left_out().next().is_none() {
        return format!("{text}nothing would change: all hosts are as they should be\n");
    }
    let mut table = Table::new([("HOST", Align::Left), ("ROLE", Align::Left), ("WHAT", Align::Left)]);
    for host in &plan.hosts {
        table.row([&host.host, phase(host.phase), &work(host, plan)]);
    }
    text += &table.render();
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
        table.row([&host.host, state(host.state), &host.steps.len().to_string(), &time]);
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
