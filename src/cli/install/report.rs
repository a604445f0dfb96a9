//! What is told: the plan before, and afterwards what a tired administrator needs next.

use std::fmt;
use std::net::{IpAddr, UdpSocket};

use serde::Serialize;

use crate::error::Result;
use crate::node::driver::Done;
use crate::node::install::Context;
use crate::node::machine::Machine;
use crate::node::plan::Plan;
use crate::node::registry::{authority, fingerprint};
use crate::node::settings::{Registry, Role};
use crate::ui::human;
use crate::ui::text::escape;

/// A plan, one line a change.
pub(in crate::cli) struct Planned<'a>(pub(in crate::cli) &'a Plan);

impl fmt::Display for Planned<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("nothing would change: the node is as it should be\n");
        }
        for step in self.0.steps.iter().filter(|step| !step.changes.is_empty()) {
            writeln!(formatter, "{} ({})", escape(&step.title), step.name)?;
            for change in &step.changes {
                write!(formatter, "  {change}")?;
                match change.bytes {
                    Some(bytes) => writeln!(formatter, ", {}", human::size(bytes))?,
                    None => writeln!(formatter)?,
                }
            }
        }
        Ok(())
    }
}

/// How an installation ended.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outcome {
    bundle: String,
    manifest: String,
    node: String,
    role: Role,
    #[serde(flatten)]
    done: Done,
    /// How other nodes join, from a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    join: Option<Joining>,
}

/// What other nodes need to join.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Joining {
    server: String,
    registry: String,
    authority: String,
    signers: Vec<String>,
    token: String,
}

impl Outcome {
    pub(super) fn new(context: &Context, done: Done, machine: &Machine) -> Result<Outcome> {
        let manifest = context.origin.manifest();
        Ok(Outcome {
            bundle: format!("{}-{}", manifest.name, manifest.version),
            manifest: context.origin.digest().to_string(),
            node: context.node.clone(),
            role: context.settings.role,
            done,
            join: Joining::of(context, machine)?,
        })
    }

    pub(super) fn human(&self) -> String {
        if let Some(step) = self.done.reboot_for {
            return format!(
                "the machine has to be restarted (step {step}); afterwards it continues by itself:\n  sudo reboot\n\
                 `journalctl -u airlock-resume` shows how it goes, or run `sudo airlock install` to watch\n"
            );
        }
        let bundle = escape(&self.bundle);
        let mut text = match self.done.changed.as_slice() {
            [] => format!("nothing to do: {} is as {bundle} says\n", self.node),
            steps => format!(
                "{} is installed from {bundle}: {}\n",
                self.node,
                human::count(steps.len() as u64, "step")
            ),
        };
        match (self.role, &self.join) {
            (Role::Server, Some(join)) => {
                text += "\nLook at the cluster:\n  sudo kubectl get nodes\n";
                text += &join.human();
            }
            (Role::Server, None) => text += "\nLook at the cluster:\n  sudo kubectl get nodes\n",
            (Role::Balancer, _) => {
                text += "\nLook at it, and at who has the address:\n  sudo airlock node status\n"
            }
            (Role::Agent, _) => text += "\nLook at the cluster, on a server:\n  sudo kubectl get nodes\n",
        }
        text
    }
}

impl Joining {
    fn of(context: &Context, machine: &Machine) -> Result<Option<Joining>> {
        let settings = &context.settings;
        let Registry::Own { port, .. } = settings.registry else { return Ok(None) };
        let Some(certificate) = machine.read(&authority::own())? else { return Ok(None) };
        if settings.role != Role::Server {
            return Ok(None);
        }
        let known = settings.address.or(context.surroundings.address);
        let host = match known.or_else(own_address) {
            Some(IpAddr::V6(address)) => format!("[{address}]"),
            Some(IpAddr::V4(address)) => address.to_string(),
            None => "ADDRESS".to_owned(),
        };
        Ok(Some(Joining {
            server: format!("https://{host}:6443"),
            registry: format!("https://{host}:{port}"),
            authority: fingerprint::of_pem(&certificate)?,
            signers: context.signed_by.clone(),
            token: format!("{}/server/token", settings.data_directory),
        }))
    }

    fn human(&self) -> String {
        let Joining { server, registry, authority, token, .. } = self;
        let trust =
            self.signers.first().map(|signer| format!(" \\\n    --trust {signer}")).unwrap_or_default();
        let line = |role: &str| {
            format!(
                "  sudo ./install --role {role} --from {registry} \\\n    --ca-fingerprint {authority}{trust} \\\n    \
                 --join {server} --token-file token\n"
            )
        };
        format!(
            "\nThe next node needs the file `install` and the token of the cluster. Send both from here:\n  \
             scp /usr/local/bin/airlock NODE:install\n  \
             sudo cat {token} | ssh NODE 'umask 077; cat > token'\nThen, on an agent:\n{}or on another server:\n{}",
            line("agent"),
            line("server")
        )
    }
}

/// The address from which this machine reaches others. Nothing is sent: a datagram socket only looks up its
/// route (the destination is for documentation, RFC 5737).
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).ok()?;
    socket.connect(("192.0.2.1", 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}
