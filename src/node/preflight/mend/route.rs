//! A default route that leads nowhere, for machines that have none: k3s does not start without one.

use super::{ROUTE_INTERFACE, ROUTE_UNIT};
use crate::error::Result;
use crate::node::MARKER;
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::owned::Owned;
use crate::node::resource::{File, Resource as _, enable, unit_state, with_log};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// So dear that any other route is taken instead.
pub(super) const METRIC: u32 = 1000;

/// The name of the unit that makes it.
const UNIT: &str = "airlock-default-route.service";

/// The step that makes the route, now and at every start.
pub(super) struct DefaultRoute {
    pub(super) ip: String,
    pub(super) link: &'static str,
}

impl DefaultRoute {
    /// As the documentation of k3s does it: an interface without a cable, and an address nobody has (RFC 5737).
    fn file(&self) -> File {
        let DefaultRoute { ip, link } = self;
        let text = format!(
            "# {MARKER}: k3s needs a default route, and this machine had none.\n\
             [Unit]\n\
             Description=Default route that leads nowhere, for k3s\n\
             After=network-pre.target\n\
             Before=k3s.service k3s-agent.service\n\
             \n\
             [Service]\n\
             Type=oneshot\n\
             RemainAfterExit=yes\n\
             ExecStart=-{ip} link add {ROUTE_INTERFACE} type {link}\n\
             ExecStart={ip} link set {ROUTE_INTERFACE} up\n\
             ExecStart={ip} address replace 203.0.113.254/31 dev {ROUTE_INTERFACE}\n\
             ExecStart={ip} route replace default via 203.0.113.255 dev {ROUTE_INTERFACE} metric {METRIC}\n\
             ExecStop={ip} link delete {ROUTE_INTERFACE}\n\
             \n\
             [Install]\n\
             WantedBy=multi-user.target\n"
        );
        File::new(ROUTE_UNIT, text)
    }
}

impl Step for DefaultRoute {
    fn name(&self) -> &'static str {
        names::DEFAULT_ROUTE
    }

    fn title(&self) -> String {
        "Make a default route that leads nowhere".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let file = self.file().check(machine)?;
        let state = unit_state(machine, UNIT)?;
        let is_on = file.is_none() && state.active == "active" && state.file == "enabled";
        let start = (!is_on).then(|| Change::new(Verb::Start, UNIT));
        Ok(file.into_iter().chain(start).collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        work.own(Owned::Unit { name: UNIT.to_owned() })?;
        self.file().make(work)?;
        enable(work, [UNIT])?;
        let started = work.run(Call::new("systemctl").with(["restart", UNIT]));
        started.map_err(|error| with_log(error, work.machine(), UNIT))?;
        Ok(Outcome::Done)
    }
}
