//! The status of a node on one screen.

use jiff::Timestamp;

use crate::node::settings::Role;
use crate::node::status::{
    Ending, Finding, Identity, Installed, LastRun, RegistryHealth, ServiceState, Status,
};
use crate::oci::digest::Digest;
use crate::ui::human;
use crate::ui::table::{Align, Table};
use crate::ui::text::escape;

/// Characters of a digest that tell it from others.
const SHORT: usize = 12;

pub(super) fn render(status: &Status) -> String {
    if !status.is_node {
        return not_a_node(status);
    }
    let mut table = Table::new([("NODE", Align::Left), (&escape(&status.name), Align::Left)]);
    for (what, value) in rows(status) {
        table.row([what, &value]);
    }
    let problems = findings("problem", &status.problems);
    let warnings = findings("warning", &status.warnings);
    format!("{}{problems}{warnings}{}", table.render(), unreadable(&status.unreadable))
}

fn not_a_node(status: &Status) -> String {
    let left = status.last_run.is_some();
    let kept = if left { "what a reset has kept is still there: `sudo airlock node reset`\n" } else { "" };
    format!(
        "this machine is not a node of airlock\n{kept}to make it one: `sudo airlock install MEDIUM`, or `install` on \
         the medium itself\n{}",
        unreadable(&status.unreadable)
    )
}

fn rows(status: &Status) -> Vec<(&'static str, String)> {
    let healthy = match status.problems.as_slice() {
        [] if status.unreadable.is_empty() => "works".to_owned(),
        [] => "works, as far as could be seen".to_owned(),
        problems => human::count(problems.len() as u64, "problem"),
    };
    let mut rows = vec![("state", healthy)];
    rows.extend(status.identity.as_ref().map(|identity| ("role", role(identity))));
    for installed in &status.bundles {
        rows.push(("bundle", bundle(installed)));
        rows.push(("signed by", or(installed.signers.join(", "), "nobody")));
    }
    rows.extend(status.last_run.as_ref().map(|run| ("last run", last_run(run))));
    if let Some(holder) = &status.running {
        rows.push((
            "at work",
            format!("airlock {} (process {}, since {})", holder.command, holder.pid, holder.since),
        ));
    }
    rows.extend(status.services.iter().map(|service| ("service", self::service(service))));
    rows.extend(status.virtual_address.map(|virtual_address| {
        let place = if virtual_address.is_here { "here" } else { "not here" };
        ("address", format!("{} in front of the servers: {place}", virtual_address.address))
    }));
    rows.extend(status.registry.as_ref().map(|health| ("registry", registry(health))));
    rows.extend(status.cluster.as_ref().map(|cluster| {
        ("cluster", if cluster.ready { "the node is ready" } else { "the node is not ready" }.to_owned())
    }));
    rows.extend(status.storage.map(|storage| {
        let [store, free, total] = [storage.store, storage.free, storage.total].map(human::size);
        ("disk", format!("store {store}; {free} of {total} free"))
    }));
    if status.gpu.count > 0 {
        let driver =
            status.gpu.driver.as_deref().map_or("no driver".to_owned(), |one| format!("driver {one}"));
        rows.push(("GPUs", format!("{} of NVIDIA, {driver}", status.gpu.count)));
    }
    rows
}

fn or(text: String, otherwise: &str) -> String {
    if text.is_empty() { otherwise.to_owned() } else { text }
}

fn role(identity: &Identity) -> String {
    let role = match (identity.role, &identity.joined) {
        (Role::Agent, Some(server)) => format!("agent of {server}"),
        (Role::Server, Some(server)) => format!("server, has joined {server}"),
        (Role::Balancer, _) => "balancer in front of the servers".to_owned(),
        (_, None) => "server, has founded its cluster".to_owned(),
    };
    let address = identity.address.map(|address| format!(", at {address}"));
    role + &address.unwrap_or_default()
}

fn bundle(bundle: &Installed) -> String {
    let name = bundle.name.as_deref().map(|name| format!("{name}, ")).unwrap_or_default();
    format!(
        "{name}channel {}, serial {}, {}, installed {}",
        bundle.channel,
        bundle.serial,
        short(&bundle.manifest),
        minute(bundle.at)
    )
}

fn short(digest: &Digest) -> String {
    format!("sha256:{}", &digest.hex()[..SHORT])
}

/// To the minute, in UTC, as the journal has it.
fn minute(time: Timestamp) -> String {
    let text = format!("{time:.0}");
    format!("{} {} UTC", text.get(..10).unwrap_or(&text), text.get(11..16).unwrap_or_default())
}

fn last_run(run: &LastRun) -> String {
    let within =
        |step: &Option<String>| step.as_ref().map(|step| format!(" in step {step}")).unwrap_or_default();
    let ending = match &run.ending {
        Ending::Finished => "finished".to_owned(),
        Ending::Running { step } => format!("at work{}", within(step)),
        Ending::Failed { step, code } => format!("failed in step {step} ({code})"),
        Ending::Interrupted { step } => format!("interrupted{}", within(step)),
        Ending::RebootNeeded { step } => format!("waits for a restart{}", within(step)),
        Ending::Rebooted { step } => format!("did not go on after the restart{}", within(step)),
    };
    let at = run.at.parse().map_or_else(|_| run.at.clone(), minute);
    format!("{} at {at}: {ending}", run.command)
}

fn service(service: &ServiceState) -> String {
    let state = or(service.state.clone(), "not there");
    let since = service.since.filter(|_| service.is_up()).map(|since| format!(" since {}", minute(since)));
    let restarts = match service.restarts {
        0 => String::new(),
        count => format!(", {}", human::count(count.into(), "restart")),
    };
    let at_boot = if service.is_enabled { "" } else { ", not at the next boot" };
    format!("{}: {state}{}{restarts}{at_boot}", service.name, since.unwrap_or_default())
}

fn registry(health: &RegistryHealth) -> String {
    let answers = match health.answers {
        Some(true) => "answers",
        Some(false) => "does not answer",
        None => "of the site, not asked",
    };
    let count = |number: Option<usize>, word| number.map(|number| human::count(number as u64, word));
    let has = [count(health.bundles, "bundle"), count(health.images, "image")];
    let has: Vec<String> = has.into_iter().flatten().collect();
    let has = if has.is_empty() { String::new() } else { format!("; {}", has.join(", ")) };
    format!("{} {answers}{has}", health.endpoints.join(", "))
}

fn findings(kind: &str, findings: &[Finding]) -> String {
    let line =
        |finding: &Finding| format!("{kind}: {}\n  {}\n", escape(&finding.text), escape(&finding.help));
    findings.iter().map(line).collect()
}

fn unreadable(notes: &[String]) -> String {
    notes.iter().map(|note| format!("not read: {}\n", escape(note))).collect()
}

#[cfg(test)]
mod tests;
