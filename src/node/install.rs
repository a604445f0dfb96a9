//! From a verified bundle and settings to the steps that make a machine a node: pure, in their order.

mod circumstances;
mod files;
pub mod hosts;
pub mod precondition;
mod preparation;
mod program;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

pub use self::circumstances::circumstances;
pub use self::preparation::Preparation;
use self::program::Program;
use super::availability::{self, Segment};
use super::k3s::config::Surroundings;
use super::k3s::files::Wanted;
use super::k3s::readiness::Ready;
use super::k3s::smoke::SmokeTest;
use super::k3s::start::Start;
use super::k3s::token::Token;
use super::later::Later;
use super::machine::Machine;
use super::nvidia::{self, Nvidia};
use super::origin::remote::INCOMING;
use super::origin::{self, Origin};
use super::packages::{self, Packages};
use super::reboot::Disarm;
use super::registry::authority::Authority;
use super::registry::endpoint::Endpoint;
use super::registry::external::{self, Push};
use super::registry::images::Images;
use super::registry::peer::Network;
use super::registry::service::RegistryService;
use super::registry::store::{GoBack, Import};
use super::registry::unit::Serving;
use super::resource::{BlobFile, File, Resources, Tree};
use super::settings::{self, Gpu, K3sRole, Registry, Role, Settings};
use super::step::{Step, names};
use super::trust::clock::{self, SetClock};
use super::trust::floor::RaiseFloor;
use super::trust::signers;
use crate::bundle::manifest::{Artifact, Blob, Manifest};
use crate::bundle::signed::SignedManifest;
use crate::bundle::{Bundle, Verified};
use crate::error::{Error, Result, codes};
use crate::fetch::Credentials;
use crate::oci::platform::Platform;
use crate::push::Target;
use crate::secret::Secret;

/// Where the program lies that every later command is; the one on the medium is not run again.
pub const PROGRAM: &str = "/usr/local/bin/airlock";

/// Everything that the steps of an installation follow from.
pub struct Context {
    /// What the operator wants.
    pub settings: Settings,
    /// The bundle, wherever it is.
    pub origin: Arc<dyn Origin>,
    /// Where it is.
    pub place: Place,
    /// What this machine is.
    pub platform: Platform,
    /// Its name in the cluster.
    pub node: String,
    /// What was found out about it.
    pub surroundings: Surroundings,
    /// Where it is on the segment of the virtual address, if it may hold that.
    pub segment: Option<Segment>,
    /// The token that the operator has given.
    pub token: Option<Secret<String>>,
    /// The list of signers to pin; nothing where an unsigned bundle is accepted without one.
    pub signers: Option<String>,
    /// The list of keys that do not count any more, if a new one was given.
    pub revoked: Option<Vec<u8>>,
    /// Fingerprints of those who signed this bundle.
    pub signed_by: Vec<String>,
    /// What registries of others are trusted by, in PEM.
    pub authority: Option<Vec<u8>>,
    /// The time, if the operator has given it.
    pub time: Option<Timestamp>,
    /// Asks registries.
    pub network: Network,
    /// What is done to the machine before anything is installed on it.
    pub preparation: Preparation,
    /// The packages of the bundle for this machine; none if there are none, or none are wanted.
    pub packages: Option<Arc<Packages>>,
    /// Its GPUs.
    pub nvidia: Arc<Nvidia>,
    /// The machine itself: what it has already decides about its GPUs.
    pub machine: Machine,
}

/// Where a bundle is.
#[derive(Clone)]
pub enum Place {
    /// In a drive of this machine.
    Medium {
        /// The bundle.
        bundle: Arc<Bundle<Verified>>,
        /// Where it was found: the directory or a volume, absolute.
        path: PathBuf,
    },
    /// In the store of this machine.
    Store,
    /// There as well, and a later one has come since.
    Earlier(Arc<SignedManifest>),
    /// On other nodes.
    Server,
}

/// The steps, in their order.
///
/// # Errors
/// [`codes::NODE_PLATFORM`] if the bundle has nothing for this machine; [`codes::NODE_SETTINGS`] if it is to serve the
/// medium and has none; those of [`nvidia::steps`] and
/// [`availability::steps`].
pub fn steps(context: &Context) -> Result<Vec<Box<dyn Step>>> {
    let mut steps: Vec<Box<dyn Step>> = Vec::new();
    if let Some(time) = context.time {
        steps.push(Box::new(SetClock { time }));
    }
    steps.push(Box::new(context.settings_step()));
    if let Some(list) = &context.signers {
        steps.push(Box::new(signers::step(list)));
    }
    if let Some(list) = &context.revoked {
        steps.push(Box::new(signers::revocation(list)));
    }
    steps.push(Box::new(context.program_step()?));
    steps.extend(context.preparation.steps());
    steps.extend(context.registry_steps()?);
    steps.extend(context.packages.iter().flat_map(packages::steps));
    steps.extend(files::step(&context.origin).map(|step| Box::new(step) as Box<dyn Step>));
    steps.extend(availability::mounts(context)?.map(|step| Box::new(step) as Box<dyn Step>));
    match context.settings.role.k3s() {
        Some(role) => steps.extend(context.cluster_steps(role)?),
        None => steps.extend(availability::steps(context)?),
    }
    steps.push(Box::new(context.floor()));
    steps.push(Box::new(Disarm));
    Ok(steps)
}

impl Context {
    fn manifest(&self) -> &Manifest {
        self.origin.manifest()
    }

    fn settings_step(&self) -> Resources {
        // Types with text keys always serialise.
        let mut text = serde_json::to_string_pretty(&self.settings).unwrap_or_default();
        text.push('\n');
        let mut step =
            Resources::new(names::SETTINGS, "Keep the settings").with(File::private(settings::PATH, text));
        if let (Some(token), Some(_)) = (&self.token, self.settings.role.k3s()) {
            // Whoever goes on after a restart for a driver is not given it again.
            step = step.with(Token { given: Some(token.clone()) });
        }
        match self.place {
            // Blobs come in there before they are used.
            Place::Server => step.with(Tree { path: INCOMING.to_owned(), mode: 0o700 }),
            Place::Medium { .. } | Place::Store | Place::Earlier(_) => step,
        }
    }

    /// The program of every later command.
    fn program(&self) -> Result<Blob> {
        let installer = origin::installer(self.manifest(), self.platform);
        Ok(installer.ok_or_else(|| self.nothing_for("the airlock program"))?.blob)
    }

    fn program_step(&self) -> Result<Program> {
        let blob = self.program()?;
        let (path, origin) = (PROGRAM.to_owned(), self.origin.clone());
        Ok(Program { file: BlobFile { path, blob, mode: 0o755, origin } })
    }

    fn registry_steps(&self) -> Result<Vec<Box<dyn Step>>> {
        let mut steps: Vec<Box<dyn Step>> = Vec::new();
        if let Registry::Own { port, in_place, .. } = self.settings.registry {
            let medium = match (&self.place, in_place) {
                (Place::Medium { path, .. }, true) => Some(path.to_string_lossy().into_owned()),
                (_, true) => return Err(no_medium()),
                (_, false) => None,
            };
            if !in_place {
                steps.extend(self.store_step());
            }
            let serving = Serving {
                port,
                names: self.settings.certificate_names(),
                medium,
                unsigned: self.signed_by.is_empty().then(|| self.origin.digest()),
            };
            let bundle = in_place.then(|| self.origin.digest());
            let content = [self.program()?.digest].into_iter().chain(bundle).collect();
            steps.push(Box::new(RegistryService { serving, content, network: self.network.clone() }));
        }
        steps.extend(self.authority().map(|authority| Box::new(authority.step()) as Box<dyn Step>));
        if let Registry::External { endpoint, .. } = &self.settings.registry {
            let target = Target::parse(endpoint)?;
            let login = self.login(&target)?;
            steps.extend(login.map(|login| Box::new(external::login(&target, &login)) as Box<dyn Step>));
            steps.push(Box::new(self.push(target)));
        }
        Ok(steps)
    }

    /// What brings the bundle into the store.
    fn store_step(&self) -> Option<Box<dyn Step>> {
        let origin = self.origin.clone();
        match &self.place {
            Place::Medium { .. } | Place::Server => Some(Box::new(Import { origin })),
            Place::Earlier(signed) => Some(Box::new(GoBack { signed: signed.clone(), origin })),
            Place::Store => None,
        }
    }

    fn push(&self, target: Target) -> Push {
        let images = self.manifest().artifacts.iter().filter_map(|artifact| match artifact {
            Artifact::Image(image) => Some(image.clone()),
            _ => None,
        });
        Push {
            target,
            images: images.collect(),
            origin: self.origin.clone(),
            authority: self.authority(),
            network: self.network.clone(),
        }
    }

    /// How to log in to the registry of the site.
    fn login(&self, target: &Target) -> Result<Option<Credentials>> {
        self.network.credentials.credentials(&target.host(), target.prefix())
    }

    /// What the registry is trusted by; nothing if the authorities of the machine are meant.
    pub(super) fn authority(&self) -> Option<Authority> {
        match self.settings.registry {
            Registry::Own { .. } => {
                let asks_others = !self.settings.peers().is_empty();
                Some(Authority::Own { others: self.authority.clone().filter(|_| asks_others) })
            }
            Registry::Peers { .. } | Registry::External { .. } => {
                self.authority.clone().map(Authority::Given)
            }
        }
    }

    /// The registries that containerd asks.
    fn endpoints(&self) -> Result<Vec<Endpoint>> {
        Ok(match &self.settings.registry {
            // By address, so that no name has to be known before there is anything.
            Registry::Own { port, endpoints, .. } => std::iter::once(format!("https://127.0.0.1:{port}"))
                .chain(endpoints.iter().cloned())
                .map(Endpoint::Node)
                .collect(),
            Registry::Peers { endpoints } => endpoints.iter().cloned().map(Endpoint::Node).collect(),
            Registry::External { endpoint, pull_auth } => {
                let target = Target::parse(endpoint)?;
                let login = if *pull_auth { self.login(&target)? } else { None };
                if *pull_auth && login.is_none() {
                    return Err(no_login(&target));
                }
                vec![Endpoint::Site { target, login }]
            }
        })
    }

    /// Everything that only a node with k3s has.
    fn cluster_steps(&self, role: K3sRole) -> Result<Vec<Box<dyn Step>>> {
        let mut steps = nvidia::steps(&self.nvidia, &self.machine)?;
        steps.extend(nvidia::manifests(&self.settings, &self.origin));
        steps.push(Box::new(self.images()?));
        steps.extend(availability::steps(self)?);
        steps.extend(self.k3s_steps(role)?);
        steps.extend(self.smoke_test().map(|step| Box::new(step) as Box<dyn Step>));
        Ok(steps)
    }

    /// Configuration and start follow from the GPUs as they are when their drivers are installed.
    fn k3s_steps(&self, role: K3sRole) -> Result<Vec<Box<dyn Step>>> {
        let (wanted, nvidia) = (self.k3s(role)?, self.nvidia.clone());
        let program = wanted.program();
        let data_directory = self.settings.data_directory.clone();
        let wanted = move |machine: &Machine| -> Result<Wanted> {
            let labels = match nvidia.wanted {
                Gpu::No => BTreeMap::new(),
                Gpu::Auto | Gpu::Yes => nvidia::labels(machine, &nvidia.devices)?,
            };
            Ok(Wanted { labels, runtimes: nvidia::runtimes(machine), ..wanted.clone() })
        };
        let of_configuration = wanted.clone();
        let configuration =
            Later::new(&self.machine, move |machine| Ok(of_configuration(machine)?.configuration()))?;
        let start = Later::new(&self.machine, move |machine| {
            let service = wanted(machine)?.service();
            Ok(Box::new(Start { service, data_directory: data_directory.clone() }))
        })?;
        Ok(vec![program, Box::new(configuration), Box::new(start), Box::new(self.ready(role))])
    }

    /// A server tries a pod, if the bundle has the image for it.
    fn smoke_test(&self) -> Option<SmokeTest> {
        let image = self.manifest().artifacts.iter().find_map(|artifact| match artifact {
            Artifact::Image(image) if image.name.contains("/mirrored-pause:") => Some(image.name.clone()),
            _ => None,
        });
        let bundle = self.origin.digest();
        let is_server = self.settings.role == Role::Server;
        image.filter(|_| is_server).map(|image| SmokeTest { node: self.node.clone(), image, bundle })
    }

    fn k3s(&self, role: K3sRole) -> Result<Wanted> {
        let program = origin::k3s(self.manifest(), self.platform).ok_or_else(|| self.nothing_for("k3s"))?;
        Ok(Wanted {
            settings: self.settings.clone(),
            role,
            surroundings: self.surroundings,
            origin: self.origin.clone(),
            program: program.blob,
            endpoints: self.endpoints()?,
            has_authority: self.authority().is_some(),
            labels: BTreeMap::new(),
            runtimes: String::new(),
            token: self.token.clone(),
        })
    }

    pub(super) fn images(&self) -> Result<Images> {
        Ok(Images {
            images: Images::of(self.manifest(), self.platform),
            platform: self.platform,
            endpoints: self.endpoints()?,
            authority: self.authority(),
            network: self.network.clone(),
        })
    }

    fn ready(&self, role: K3sRole) -> Ready {
        let data_directory = self.settings.data_directory.clone();
        Ready { role, node: self.node.clone(), data_directory }
    }

    fn floor(&self) -> RaiseFloor {
        RaiseFloor {
            channel: self.manifest().channel.clone(),
            serial: self.manifest().serial,
            bundle: self.origin.digest(),
            signers: self.signed_by.clone(),
            created: clock::created(self.manifest()),
        }
    }

    fn nothing_for(&self, what: &str) -> Error {
        let platforms: Vec<String> = self.manifest().platforms.iter().map(Platform::to_string).collect();
        let message = format!("the bundle does not have {what} for this machine, which is {}", self.platform);
        Error::new(codes::NODE_PLATFORM, message)
            .with_detail(format!("it was built for {}", platforms.join(", ")))
            .with_help(format!("build it with `platforms: [{}]` in bundle.yaml, and `k3s`", self.platform))
    }
}

fn no_login(target: &Target) -> Error {
    let message = format!("nodes are to log in to {} to pull, and no login is known for it", target.host());
    Error::new(codes::NODE_SETTINGS, message).with_help(format!(
        "`docker --config DIR login {}` makes a file with one: `install --registry-auth DIR/config.json`, or lay it on \
         the node as /etc/airlock/registry-auth.json, mode 0600",
        target.host()
    ))
}

fn no_medium() -> Error {
    Error::new(codes::NODE_SETTINGS, "a registry that serves the medium in place needs it on this machine").with_help(
        "put the medium in and name it, `airlock install /media/stick`; or keep a copy of the bundle: `--in-place=false`",
    )
}
