//! Brings the images of the bundle to the registry that the site has, before anything is pulled from there.
//!
//! Every node that has this registry as its setting looks whether all of them are there. The first brings them; the
//! others find nothing to do, and need no right to push.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use super::authority::Authority;
use super::peer::{Network, Peer};
use crate::bundle::manifest::Image;
use crate::error::Result;
use crate::fetch::Credentials;
use crate::fetch::docker_config;
use crate::node::change::{Change, Verb};
use crate::node::machine::Machine;
use crate::node::origin::Origin;
use crate::node::resource::{File, Resources};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;
use crate::oci::digest::Digest;
use crate::push::{ImagePlan, Plan, Remote, Source, Target, Tree};

/// Where the login for the registry is kept.
pub const LOGIN: &str = "/etc/airlock/registry-auth.json";

/// A large bundle takes hours over a slow network.
const DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// How many blobs are sent at the same time.
const UPLOADS: usize = 4;

/// The step that keeps the login for later runs, readable by root alone.
pub fn login(target: &Target, credentials: &Credentials) -> Resources {
    let text = docker_config::render(&target.host(), credentials);
    Resources::new(names::REGISTRY_LOGIN, format!("Keep the login for {}", target.host()))
        .with(File::private(LOGIN, text.reveal().as_bytes()))
}

/// The step that pushes.
pub struct Push {
    /// The registry.
    pub target: Target,
    /// All images of the bundle: other nodes may be of other platforms.
    pub images: Vec<Image>,
    /// Where their bytes come from.
    pub origin: Arc<dyn Origin>,
    /// What the registry is trusted by, if not by the authorities of the machine.
    pub authority: Option<Authority>,
    /// Asks it, with its credentials.
    pub network: Network,
}

impl Push {
    fn remote(&self, machine: &Machine) -> Result<Remote> {
        let authority = match &self.authority {
            Some(authority) => authority.read(machine)?,
            None => None,
        };
        let peer = Peer::site(&self.target, authority.as_deref(), &self.network, true)?;
        Ok(Remote::new(peer.client().clone(), self.target.clone()))
    }

    fn source(&self) -> Content {
        Content(self.origin.clone())
    }

    fn plan(&self, remote: &Remote) -> Result<Plan> {
        let source = self.source();
        let trees: Vec<Tree> =
            self.images.iter().map(|image| Tree::of(image, &source)).collect::<Result<_>>()?;
        self.network.runtime.block_on(Plan::make(remote, &trees))
    }

    /// What happens to one image, and to tags that stand for something else.
    fn changes(&self, image: &ImagePlan) -> Vec<Change> {
        let repository = format!("{}/{}", self.target.host(), image.repository);
        let push = Change::new(Verb::Push, &image.name).with_detail(format!("to {repository}"));
        let bytes = image.blobs.iter().fold(0u64, |sum, blob| sum.saturating_add(blob.size));
        let replaced = image.tags.iter().filter_map(|change| {
            let what = format!("{} now, {} then", change.before?, change.document.digest);
            Some(Change::new(Verb::Replace, format!("{repository}:{}", change.tag)).with_detail(what))
        });
        std::iter::once(push.with_bytes(bytes)).chain(replaced).collect()
    }
}

impl Step for Push {
    fn name(&self) -> &'static str {
        names::REGISTRY_PUSH
    }

    fn title(&self) -> String {
        format!("Bring {} images to {}", self.images.len(), self.target)
    }

    fn deadline(&self) -> Duration {
        DEADLINE
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let plan = self.plan(&self.remote(machine)?)?;
        Ok(plan.images.iter().flat_map(|image| self.changes(image)).collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let remote = self.remote(work.machine())?;
        let plan = self.plan(&remote)?;
        let source = Arc::new(self.source());
        let push = plan.execute(&remote, source, UPLOADS, self.network.progress.clone());
        let pushed = self.network.runtime.block_on(push)?;
        work.note(&format!(
            "Sent {} blobs to {}, which took over {} from other repositories",
            pushed.sent_blobs, self.target, pushed.mounted_blobs
        ));
        for image in &pushed.reduced {
            work.warn(&format!(
                "{} takes no index of which other platforms are missing: {image} stands there for the platforms of the \
                 bundle alone, under another digest",
                self.target.host()
            ));
        }
        Ok(Outcome::Done)
    }
}

/// The blobs of a bundle, wherever it is.
struct Content(Arc<dyn Origin>);

impl Source for Content {
    fn open(&self, digest: Digest) -> Result<Box<dyn Read + '_>> {
        self.0.open(digest)
    }

    fn document(&self, digest: Digest, limit: u64) -> Result<Vec<u8>> {
        self.0.document(digest, limit)
    }
}
