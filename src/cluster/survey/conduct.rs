//! Carries the survey out, on all hosts at the same time.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::examine::{self, Examination};
use super::look::{self, Look};
use super::{Stranger, Survey};
use crate::bundle::manifest::Manifest;
use crate::cluster::address;
use crate::cluster::fleet;
use crate::cluster::inventory::{Host, Inventory, Role};
use crate::cluster::matrix;
use crate::cluster::order::{self, Source, Terms};
use crate::cluster::pause::Pause;
use crate::cluster::remote::{self, Command, Connect, Remote};
use crate::cluster::trouble::Trouble;
use crate::cluster::wanted::Wanted;
use crate::error::Result;
use crate::node::install::circumstances;
use crate::node::invitation::Invitation;
use crate::node::reach::Reach;
use crate::node::settings::Settings;
use crate::oci::digest::Digest;
use crate::progress::{Event, Progress};
use crate::quote::quote;

/// How long to wait for a command that changes a host before it is taken for the work of somebody else. Longer than a
/// node waits for a sender who is gone ([`crate::node::receive::patience::SILENCE`]).
const LEFT_OVER: Duration = Duration::from_secs(90);
/// How often that is looked at.
const INTERVAL: Duration = Duration::from_secs(3);

/// Everything that a survey needs.
pub struct Surveyor<'a> {
    /// The hosts.
    pub inventory: &'a Inventory,
    /// The way to them.
    pub connect: &'a dyn Connect,
    /// The bundle that they are to get.
    pub manifest: &'a Manifest,
    /// Its identity.
    pub digest: Digest,
    /// What holds for their installation.
    pub terms: &'a Terms,
    /// Told as it goes on.
    pub progress: &'a dyn Progress,
    /// Set when it should end.
    pub stop: &'a AtomicBool,
    /// Lets time pass.
    pub pause: &'a dyn Pause,
}

impl Surveyor<'_> {
    /// Looks at all hosts. Nothing is changed on them. What cannot be found out is told in its place.
    pub fn survey(&self) -> Survey {
        let looks = self.looks();
        let wanted = Wanted::of(self.inventory, &looks);
        let mut survey = Survey { looks, ..Survey::default() };
        survey.links = self.links(&survey, &wanted);
        survey.stranger = self.stranger(&survey);
        survey.examinations = self.examinations(&survey, &wanted);
        survey
    }

    fn looks(&self) -> BTreeMap<String, Result<Look, Trouble>> {
        let hosts: Vec<&Host> = self.inventory.hosts.iter().collect();
        let outcomes = fleet::each(&hosts, self.inventory.cluster.concurrency, self.stop, |host| {
            self.progress.event(Event::HostStarted { host: &host.name, what: "looking at it" });
            let look = self.connect.connect(host).and_then(|remote| self.look(host, &*remote));
            match &look {
                Ok(_) => self.progress.event(Event::HostFinished { host: &host.name, what: "looked at" }),
                Err(error) => self.progress.event(Event::HostFailed { host: &host.name, error }),
            }
            look
        });
        outcomes.0.into_iter().map(|(host, look)| (host.name.clone(), look.map_err(Trouble::from))).collect()
    }

    /// A host that is being changed is looked at again: what a broken connection has left there ends soon.
    fn look(&self, host: &Host, remote: &dyn Remote) -> Result<Look> {
        let mut look = look::look(remote)?;
        if let Some(holder) = &look.status.running {
            let note = format!("{}: waiting for the end of `airlock {}`", host.name, quote(&holder.command));
            self.progress.event(Event::Note { text: &note });
        }
        let until = self.pause.now() + LEFT_OVER;
        while look.status.running.is_some() && self.pause.now() < until && !self.stop.load(Ordering::Relaxed)
        {
            self.pause.wait(INTERVAL);
            look = look::look(remote)?;
        }
        Ok(look)
    }

    fn links(&self, survey: &Survey, wanted: &Wanted) -> Vec<matrix::Link> {
        let addresses: BTreeMap<String, IpAddr> = survey
            .looks
            .iter()
            .filter(|(_, look)| look.is_ok())
            .filter_map(|(host, _)| Some((host.clone(), wanted.address(host)?)))
            .collect();
        let parts = matrix::parts(self.inventory, &addresses);
        match addresses.len() {
            0 | 1 => Vec::new(),
            _ => {
                self.progress.event(Event::Note { text: "Trying the connections between the hosts" });
                matrix::run(self.inventory, &parts, self.connect, self.stop)
            }
        }
    }

    /// Asks one of those that are to share the virtual address who has it. Where a host is a node already, or has begun
    /// to become one, it may have it rightly; what cannot be found out an installation asks again.
    fn stranger(&self, survey: &Survey) -> Option<Stranger> {
        if survey.looks.values().flatten().any(|look| look.status.is_node) {
            return None;
        }
        let (address, holders) = address::shared(self.inventory)?;
        let host = holders.into_iter().find(|host| survey.look(&host.name).is_some())?;
        let command = Command::airlock(["node", "reach", "--who-has", &address.to_string()]);
        let reach: Reach = remote::ask(&*self.connect.connect(host).ok()?, command).ok()?;
        Some(Stranger { hardware: reach.holder?, asked_by: host.name.clone() })
    }

    fn examinations(
        &self,
        survey: &Survey,
        wanted: &Wanted,
    ) -> BTreeMap<String, Result<Examination, Trouble>> {
        let authorities = self.authorities(survey, wanted);
        let hosts: Vec<&Host> =
            self.inventory.hosts.iter().filter(|host| survey.look(&host.name).is_some()).collect();
        let outcomes = fleet::each(&hosts, self.inventory.cluster.concurrency, self.stop, |host| {
            let settings = wanted.settings(self.inventory, &host.name, &survey.looks);
            let Some(settings) = settings else { return Ok(None) };
            let source = source(self.inventory, wanted, &host.name, &authorities);
            self.examine(host, survey, &settings, &source).map(Some)
        });
        let told = outcomes.0.into_iter().filter_map(|(host, outcome)| {
            let outcome = outcome.map_err(Trouble::from).transpose()?;
            Some((host.name.clone(), outcome))
        });
        told.collect()
    }

    fn examine(
        &self,
        host: &Host,
        survey: &Survey,
        settings: &Settings,
        source: &Source,
    ) -> Result<Examination> {
        let remote = self.connect.connect(host)?;
        let circumstances = circumstances(settings, self.manifest);
        let failed = examine::preflight(&*remote, order::preflight(&circumstances, self.terms)?)?;
        let has_bundle = survey.look(&host.name).is_some_and(|look| {
            look.status.is_member() && look.status.bundles.iter().any(|bundle| bundle.manifest == self.digest)
        });
        let changes = match has_bundle {
            true => Some(examine::changes(&*remote, order::install_plan(settings, source, self.terms)?)?),
            false => None,
        };
        Ok(Examination { failed, changes })
    }

    /// What the registries of those servers are known by that are members.
    fn authorities(&self, survey: &Survey, wanted: &Wanted) -> Authorities {
        let members: Vec<&Host> = self
            .inventory
            .of_role(Role::Server)
            .filter(|host| survey.look(&host.name).is_some_and(|look| look.status.is_member()))
            .collect();
        let invitations = fleet::each(&members, self.inventory.cluster.concurrency, self.stop, |host| {
            invitation(&*self.connect.connect(host)?)
        });
        // Who does not tell is asked again when it is its turn.
        let (told, _) = invitations.split();
        Authorities::of(
            wanted,
            self.inventory,
            &told.iter().map(|(host, told)| (host.name.as_str(), told)).collect(),
        )
    }
}

/// What a server tells those that are to join it.
///
/// # Errors
/// Those of [`remote::ask`].
pub fn invitation(remote: &dyn Remote) -> Result<Invitation> {
    remote.run(Command::airlock(["node", "token"]), &mut |_| {})?.success()?.secret()
}

/// What the registries of servers are known by: their names and certificates in PEM, that of the entry first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorities(Vec<(String, String)>);

impl Authorities {
    /// From what servers have told.
    pub fn of(
        wanted: &Wanted,
        inventory: &Inventory,
        invitations: &BTreeMap<&str, &Invitation>,
    ) -> Authorities {
        let of = |host: &str| Some(invitations.get(host)?.registry.as_ref()?.certificate.clone());
        let known = wanted.registries(inventory).into_iter().filter_map(|(host, _)| Some((of(&host)?, host)));
        Authorities(known.map(|(certificate, host)| (host, certificate)).collect())
    }

    /// Those that a host has to be told: of all others, since it knows its own.
    pub fn for_host(&self, host: &str) -> String {
        self.0
            .iter()
            .filter(|(other, _)| other != host)
            .map(|(_, certificate)| certificate.as_str())
            .collect()
    }
}

/// Where a host takes the bundle from: the first from its own store, all others from the first.
pub fn source(inventory: &Inventory, wanted: &Wanted, host: &str, authorities: &Authorities) -> Source {
    let is_origin = host == wanted.entry.host || inventory.cluster.site_registry.is_some();
    let registry = wanted.registries(inventory).into_iter().next().map(|(_, url)| url);
    Source { from: registry.filter(|_| !is_origin), authorities: authorities.for_host(host) }
}
