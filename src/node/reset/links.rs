//! Network interfaces and namespaces that pods and the overlay network have left behind.

use serde::Deserialize;

use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// Interfaces of flannel, of the bridge plugin, and of kube-proxy.
const NAMES: [&str; 6] = ["cni0", "flannel.1", "flannel-v6.1", "kube-ipvs0", "flannel-wg", "flannel-wg-v6"];

/// The step that removes them.
pub(super) struct Links;

/// An interface, as `ip -json link` prints it.
#[derive(Deserialize)]
struct Link {
    ifname: String,
    #[serde(default)]
    master: Option<String>,
}

/// Interfaces of pods on the bridge, then the others.
fn links(machine: &Machine) -> Result<Vec<String>> {
    let finished = machine.run_well(&Call::new("ip").with(["-json", "link", "show"]))?;
    let links: Vec<Link> = serde_json::from_str(&finished.output).map_err(|error| {
        Error::new(codes::NODE_PROGRAM, "`ip -json link show` printed something else than JSON")
            .with_source(error)
    })?;
    let on_bridge = links.iter().filter(|link| link.master.as_deref() == Some("cni0"));
    let named = links.iter().filter(|link| NAMES.contains(&link.ifname.as_str()));
    Ok(on_bridge.chain(named).map(|link| link.ifname.clone()).collect())
}

fn namespaces(machine: &Machine) -> Result<Vec<String>> {
    let Ok(entries) = fs_err::read_dir(machine.path("/run/netns")) else { return Ok(Vec::new()) };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(|name| name.starts_with("cni-")).collect())
}

impl Step for Links {
    fn name(&self) -> &'static str {
        names::RESET_NETWORK
    }

    fn title(&self) -> String {
        "Remove networks of pods".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let link = |name| Change::new(Verb::Remove, name).with_detail("network interface");
        let namespace = |name| Change::new(Verb::Remove, name).with_detail("network namespace");
        let links = links(machine)?.into_iter().map(link);
        Ok(links.chain(namespaces(machine)?.into_iter().map(namespace)).collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        for name in namespaces(work.machine())? {
            work.run(Call::new("ip").with(["netns", "delete", &name]))?;
        }
        // With a namespace or one end of a pair, other interfaces go by themselves.
        while let Some(name) = links(work.machine())?.first() {
            work.run(Call::new("ip").with(["link", "delete", name]))?;
        }
        Ok(Outcome::Done)
    }
}
