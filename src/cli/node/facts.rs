//! `airlock node facts`: what is this machine?

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::cli::files;
use crate::cli::session::Session;
use crate::error::{Error, Result, codes};
use crate::node::facts::{Facts, Gpu, Host, NvidiaDevice, Request};
use crate::ui::human;
use crate::ui::table::{Align, Table};
use crate::ui::text::json_document;

/// Print what this machine is: system, hardware, network, packages, GPUs, leftovers
///
/// Everything is read from files; nothing is changed and no program is started. Without root some of it
/// cannot be read: it is `null`, and a note says why. --json prints all of it, in the format of
/// bundle-spec/facts.md. What --packages writes can be the baseline of a target in bundle.yaml.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct FactsArgs {
    /// List every installed package
    #[arg(long)]
    pub packages: bool,

    /// Write the whole as JSON to FILE
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  airlock node facts
  airlock node facts --json | jq .gpu
  airlock node facts --packages --output gpu1.json   # then in bundle.yaml: baseline: {status: gpu1.json}";

pub(super) fn run(arguments: FactsArgs, session: &Session) -> Result<()> {
    let request = Request { packages: arguments.packages, ..Request::default() };
    let facts = Facts::gather(&Host::this(), &request);
    let Some(path) = arguments.output else { return session.print(&facts, |facts| table(facts).render()) };
    let document = json_document(&facts).map_err(|error| {
        Error::new(codes::INTERNAL, "the facts cannot be written as JSON").with_source(error)
    })?;
    files::replace(&path, document.as_bytes(), 0o644)
}

fn table(facts: &Facts) -> Table {
    let mut table = Table::new([("FACT", Align::Left), ("VALUE", Align::Left)]);
    for (fact, value) in rows(facts) {
        table.row([fact, value.as_deref().unwrap_or("unknown")]);
    }
    for note in &facts.notes {
        table.row(["not read", &format!("{}: {}", note.path, note.reason)]);
    }
    table
}

fn rows(facts: &Facts) -> Vec<(&'static str, Option<String>)> {
    let network = &facts.network;
    let addresses: Vec<String> = network.addresses().map(ToString::to_string).collect();
    let gateways: BTreeSet<String> = network.default_routes().map(|route| route.interface.clone()).collect();
    let mut rows = vec![
        ("host", network.hostname.clone()),
        ("system", facts.os.name.clone().or_else(|| facts.os.host())),
        ("kernel", facts.kernel.release.clone()),
        ("architecture", Some(facts.machine.architecture.clone())),
        ("processors", facts.cpu.count.map(|count| named(count, facts.cpu.model.as_deref()))),
        ("memory", facts.memory.total.map(human::size)),
        ("swap", Some(or_none(facts.memory.swaps.iter().map(|swap| swap.path.clone())))),
    ];
    rows.extend(disks(facts));
    rows.extend([
        ("addresses", Some(or_none(addresses))),
        ("default route", Some(or_none(gateways))),
        ("clock", Some(facts.clock.now.clone())),
        ("set by", facts.clock.service.clone().or_else(|| Some("nothing".to_owned()))),
        ("cgroups", facts.cgroup.version.map(|version| format!("{version:?}").to_lowercase())),
        ("packages", facts.packages.count.map(|count| count.to_string())),
        ("GPUs", Some(gpus(&facts.gpu))),
        ("runtimes", Some(or_none(facts.runtimes.iter().map(|runtime| runtime.name.clone())))),
        ("leftovers", Some(or_none(facts.previous.leftovers.iter().map(|left| left.path.clone())))),
    ]);
    rows
}

fn disks(facts: &Facts) -> Option<(&'static str, Option<String>)> {
    let data = facts.storage.directory("/var/lib/rancher")?;
    let (available, total) = data.available.zip(data.total)?;
    let kind = data.kind.as_deref().unwrap_or("unknown");
    let value = format!("{} of {} free, {kind}", human::size(available), human::size(total));
    Some(("disk for data", Some(value)))
}

fn named(count: u32, model: Option<&str>) -> String {
    model.map_or_else(|| count.to_string(), |model| format!("{count} × {model}"))
}

fn or_none(words: impl IntoIterator<Item = String>) -> String {
    let words: Vec<String> = words.into_iter().collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

fn gpus(gpu: &Gpu) -> String {
    let of = |devices: &[NvidiaDevice], what: &str| {
        (!devices.is_empty()).then(|| format!("{} {what}", devices.len()))
    };
    let driver = gpu.driver.as_ref().map(|version| format!("driver {version}"));
    or_none([of(&gpu.devices, "NVIDIA GPU"), of(&gpu.switches, "NVSwitch"), driver].into_iter().flatten())
}
