//! Network interfaces and namespaces that pods and the overlay network have left behind, and that of our own default
//! route.

use serde::Deserialize;

use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::preflight::mend::ROUTE_INTERFACE;
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// Interfaces of flannel, of the bridge plugin, and of kube-proxy.
const NAMES: [&str; 6] = ["cni0", "flannel.1", "flannel-v6.1", "kube-ipvs0", "flannel-wg", "flannel-wg-v6"];

/// The step that removes them.
pub(super) struct Links {
    /// Those of k3s are ours, as k3s is.
    pub(super) of_k3s: bool,
}

/// An interface, as `ip -json link` prints it.
#[derive(Deserialize)]
struct Link {
    ifname: String,
    #[serde(default)]
    master: Option<String>,
}

impl Links {
    /// Interfaces of pods on the bridge, then the others.
    fn links(&self, machine: &Machine) -> Result<Vec<String>> {
        let all = all(machine)?;
        let on_bridge = all.iter().filter(|link| self.of_k3s && link.master.as_deref() == Some("cni0"));
        let is_named = |link: &&Link| {
            self.of_k3s && NAMES.contains(&link.ifname.as_str()) || link.ifname == ROUTE_INTERFACE
        };
        Ok(on_bridge.chain(all.iter().filter(is_named)).map(|link| link.ifname.clone()).collect())
    }

    fn namespaces(&self, machine: &Machine) -> Result<Vec<String>> {
        if !self.of_k3s {
            return Ok(Vec::new());
        }
        let names = machine.names("/run/netns")?;
        Ok(names.into_iter().filter(|name| name.starts_with("cni-")).collect())
    }
}

/// All interfaces. Without `ip` nothing is known of them: flannel makes its own by netlink.
fn all(machine: &Machine) -> Result<Vec<Link>> {
    let finished = match machine.run_well(&Call::new("ip").with(["-json", "link", "show"])) {
        Err(error) if error.code() == codes::NODE_PROGRAM_MISSING => return Ok(Vec::new()),
        finished => finished?,
    };
    serde_json::from_str(&finished.output).map_err(|error| {
        Error::new(codes::NODE_PROGRAM, "`ip -json link show` printed something else than JSON")
            .with_source(error)
    })
}

impl Step for Links {
    fn name(&self) -> &'static str {
        names::RESET_NETWORK
    }

    fn title(&self) -> String {
        "Remove network interfaces".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let link = |name| Change::new(Verb::Remove, name).with_detail("network interface");
        let namespace = |name| Change::new(Verb::Remove, name).with_detail("network namespace");
        let links = self.links(machine)?.into_iter().map(link);
        Ok(links.chain(self.namespaces(machine)?.into_iter().map(namespace)).collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        for name in self.namespaces(work.machine())? {
            work.run(Call::new("ip").with(["netns", "delete", &name]))?;
        }
        // With a namespace or one end of a pair, other interfaces go by themselves.
        while let Some(name) = self.links(work.machine())?.first() {
            work.run(Call::new("ip").with(["link", "delete", name]))?;
        }
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::node::driver::execute;
    use crate::node::journal::Journal;
    use crate::node::machine::{Finished, Programs};
    use crate::progress::Silent;

    /// A kernel with these interfaces, each with its bridge; the second end of a pair goes with the first.
    struct Kernel(Mutex<Vec<(&'static str, Option<&'static str>)>>);

    impl Programs for Kernel {
        fn run(&self, call: &Call) -> io::Result<Finished> {
            let mut links = self.0.lock().unwrap();
            let words: Vec<&str> = call.arguments().iter().map(String::as_str).collect();
            if let ["link", "delete", name] = words[..] {
                links.retain(|(link, _)| *link != name);
            }
            let shown = links.iter().map(|(name, master)| match master {
                Some(master) => serde_json::json!({"ifname": name, "master": master}),
                None => serde_json::json!({"ifname": name}),
            });
            let output = serde_json::Value::Array(shown.collect()).to_string();
            Ok(Finished { status: Some(0), output, ..Finished::default() })
        }
    }

    fn left(of_k3s: bool) -> Vec<&'static str> {
        let root = tempfile::tempdir().unwrap();
        let all = [
            ("eth0", None),
            ("docker0", None),
            ("veth7", Some("docker0")),
            ("veth1", Some("cni0")),
            ("cni0", None),
            ("flannel.1", None),
            (ROUTE_INTERFACE, None),
        ];
        let kernel = Arc::new(Kernel(Mutex::new(all.to_vec())));
        let machine = Machine::new(root.path(), kernel.clone());
        let steps: [Box<dyn Step>; 1] = [Box::new(Links { of_k3s })];
        execute(&steps, &machine, &mut Journal::open(&machine).unwrap(), &Silent).unwrap();
        let links = kernel.0.lock().unwrap();
        links.iter().map(|(name, _)| *name).collect()
    }

    #[test]
    fn interfaces_of_pods_and_of_our_route_go_and_others_stay() {
        assert_eq!(left(true), ["eth0", "docker0", "veth7"]);
        assert_eq!(left(false), ["eth0", "docker0", "veth7", "veth1", "cni0", "flannel.1"]);
    }
    #[test]
    fn namespaces_that_cannot_be_listed_are_told() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::new(root.path(), Arc::new(Kernel(Mutex::new(Vec::new()))));
        let links = Links { of_k3s: true };
        assert!(links.namespaces(&machine).unwrap().is_empty(), "there is no such directory");
        let directory = machine.path("/run/netns");
        for name in ["cni-1", "somebody-elses", "cni-2"] {
            fs_err::create_dir_all(directory.join(name)).unwrap();
        }
        assert_eq!(links.namespaces(&machine).unwrap(), ["cni-1", "cni-2"]);
        fs_err::remove_dir_all(&directory).unwrap();
        fs_err::os::unix::fs::symlink("netns", &directory).unwrap();
        assert_eq!(links.namespaces(&machine).unwrap_err().code(), codes::NODE_FILE);
    }
}
