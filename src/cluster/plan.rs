//! What a deployment does on which host, in which order: pure, from the inventory and the survey.

mod work;

use schemars::JsonSchema;
use serde::Serialize;

pub use self::work::Work;
use super::inventory::{Inventory, Role};
use super::survey::Survey;
use super::survey::examine::ChangedStep;
use super::survey::findings::{Finding, findings, verdict};
use super::trouble::Trouble;
use super::wanted::Wanted;
use crate::bundle::manifest::Manifest;
use crate::bundle::names as bundle_names;
use crate::error::codes;
use crate::node::settings::{Registry, Settings};
use crate::node::step::names;
use crate::oci::digest::Digest;
use crate::quote::quote;

/// The bundle of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Medium {
    /// `NAME-VERSION`.
    pub name: String,
    /// Its identity: the digest of its manifest.
    #[schemars(with = "String")]
    pub manifest: Digest,
    /// Its serial.
    pub serial: u64,
    /// The bytes of all its blobs.
    pub bytes: u64,
}

/// The plan of a deployment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPlan {
    /// The bundle.
    pub bundle: Medium,
    /// The server that the others join.
    pub entry: String,
    /// Whether it founds the cluster.
    pub founds: bool,
    /// What is done on each host, in this order; on hosts of the same phase but the servers at the same time.
    pub hosts: Vec<HostPlan>,
    /// What the survey has found.
    pub findings: Vec<Finding>,
    /// Why nothing can be done at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<Trouble>,
}

/// What is done on one host.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostPlan {
    /// Its name.
    pub host: String,
    /// When it is its turn.
    pub phase: Phase,
    /// What is done.
    pub work: Work,
    /// Whether the bundle is sent to it from here.
    pub receives_bundle: bool,
    /// What it should become; nothing where that is not known.
    #[serde(skip)]
    pub settings: Option<Settings>,
}

/// When it is a host's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// The server that the others join.
    First,
    /// Whatever stands in front of the servers.
    Balancer,
    /// The other servers, one after the other.
    Server,
    /// Everybody else.
    Agent,
}

impl Medium {
    /// The bundle with this manifest.
    pub fn of(manifest: &Manifest, digest: Digest) -> Medium {
        Medium {
            name: bundle_names::stem(&manifest.name, &manifest.version),
            manifest: digest,
            serial: manifest.serial,
            bytes: manifest.total_size(),
        }
    }
}

impl ClusterPlan {
    /// Whether nothing would be done: every host is as it should be, or cannot be helped.
    pub fn is_empty(&self) -> bool {
        self.obstacle.is_some() || self.hosts.iter().all(|host| !host.work.is_due())
    }

    /// The hosts that are left out, with the reason.
    pub fn left_out(&self) -> impl Iterator<Item = (&HostPlan, &Trouble)> {
        self.hosts.iter().filter_map(|host| match &host.work {
            Work::LeaveOut { why } => Some((host, why)),
            _ => None,
        })
    }

    /// What is done on a host.
    pub fn host(&self, name: &str) -> Option<&HostPlan> {
        self.hosts.iter().find(|host| host.host == name)
    }
}

/// Makes the plan. `despite` names findings that do not block; `limit` the hosts that are meant, if not all.
pub fn plan(
    inventory: &Inventory,
    survey: &Survey,
    bundle: &Medium,
    despite: &[String],
    limit: Option<&[String]>,
) -> ClusterPlan {
    let wanted = Wanted::of(inventory, &survey.looks);
    let findings = findings(inventory, survey, &wanted, despite);
    let is_meant =
        |name: &String| limit.is_none_or(|limit| limit.contains(name)) || *name == wanted.entry.host;
    let mut hosts: Vec<HostPlan> = inventory
        .hosts
        .iter()
        .filter(|host| is_meant(&host.name))
        .map(|host| {
            let settings = wanted.settings(inventory, &host.name, &survey.looks);
            let phase = phase(&host.name, host.role, &wanted);
            let work = work::work(&host.name, survey, &findings, settings.as_ref(), bundle);
            // The others join it; if it is not meant itself, it stays as it is.
            let is_bystander =
                wanted.entry.is_member && limit.is_some_and(|limit| !limit.contains(&host.name));
            let work = match work {
                Work::Change { .. } if is_bystander => Work::Nothing,
                work => work,
            };
            let is_origin = phase == Phase::First || inventory.cluster.site_registry.is_some();
            HostPlan {
                host: host.name.clone(),
                phase,
                receives_bundle: is_origin && work.is_due(),
                work,
                settings,
            }
        })
        .collect();
    hosts.sort_by_key(|host| host.phase);
    wait_for_first(&mut hosts);
    introduce_newcomers(&mut hosts);
    let obstacle = verdict(&findings, None).or_else(|| other_bundle(&wanted, survey, bundle));
    let entry = wanted.entry;
    ClusterPlan {
        bundle: bundle.clone(),
        founds: !entry.is_member,
        entry: entry.host,
        hosts,
        findings,
        obstacle,
    }
}

fn phase(host: &str, role: Role, wanted: &Wanted) -> Phase {
    match role {
        _ if host == wanted.entry.host => Phase::First,
        Role::Server => Phase::Server,
        Role::Balancer => Phase::Balancer,
        Role::Agent => Phase::Agent,
    }
}

/// Without the first server nobody has anything to join.
fn wait_for_first(hosts: &mut [HostPlan]) {
    let Some((first, others)) = hosts.split_first_mut() else { return };
    let Work::LeaveOut { .. } = first.work else { return };
    for host in others.iter_mut().filter(|host| host.work.is_due()) {
        host.work = Work::LeaveOut { why: waits_for(&first.host) };
    }
}

/// A registry that is new is one that all others have to know.
fn introduce_newcomers(hosts: &mut [HostPlan]) {
    let has_registry = |host: &HostPlan| {
        let registry = host.settings.as_ref().map(|settings| &settings.registry);
        matches!(registry, Some(Registry::Own { .. }))
    };
    let is_new = |host: &HostPlan| matches!(host.work, Work::Install | Work::Continue) && has_registry(host);
    let new: Vec<&str> = hosts.iter().filter(|host| is_new(host)).map(|host| host.host.as_str()).collect();
    if new.is_empty() {
        return;
    }
    let title = format!("Trust the registry of {}", new.join(", "));
    let step = ChangedStep { name: names::REGISTRY_CA.to_owned(), title };
    for host in hosts.iter_mut().filter(|host| host.work == Work::Nothing) {
        host.work = Work::Change { steps: vec![step.clone()] };
    }
}

/// Why nothing is done on a host that would join one that is not there.
pub(super) fn waits_for(host: &str) -> Trouble {
    Trouble {
        code: codes::HOST_WAITS.to_string(),
        message: format!("it joins {host}, which is not there yet"),
        details: Vec::new(),
        help: Some(format!("put right what is told about {host}, then run the same command again")),
    }
}

/// Another bundle is an upgrade, which goes another way: a snapshot first, and one server after the other.
fn other_bundle(wanted: &Wanted, survey: &Survey, bundle: &Medium) -> Option<Trouble> {
    let look = survey.look(&wanted.entry.host).filter(|_| wanted.entry.is_member)?;
    let has_it = look.status.bundles.iter().any(|installed| installed.manifest == bundle.manifest);
    let installed = look.status.bundles.first().filter(|_| !has_it)?;
    let name = installed.name.as_deref().unwrap_or(&installed.channel);
    Some(Trouble {
        code: codes::OTHER_BUNDLE.to_string(),
        message: format!("the cluster of {} has another bundle than {}", wanted.entry.host, bundle.name),
        details: vec![
            format!("it has {} (serial {})", quote(name), installed.serial),
            format!("{} has serial {}", bundle.name, bundle.serial),
        ],
        help: Some("deploy with the bundle that it has; or go over to this one: `airlock cluster upgrade --bundle …`".to_owned()),
    })
}

#[cfg(test)]
pub(crate) mod tests;
