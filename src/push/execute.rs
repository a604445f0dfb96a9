//! Carries a plan out: blobs first, each sent once however many images have it, then manifests from the leaves to the
//! root, and tags when everything they stand for is there.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::body::{Account, Sending};
use super::plan::{ImagePlan, Plan, TagChange};
use super::remote::{Put, Remote};
use super::source::Source;
use super::tree::Document;
use super::upload::{Arrival, Upload};
use crate::bundle::manifest::Blob;
use crate::error::{Error, Result, codes};
use crate::fetch::printable;
use crate::oci::digest::Digest;
use crate::oci::document::MAX_SIZE;
use crate::progress::{Event, Progress, Stage};

/// How many images get their manifests at the same time.
const IMAGES: usize = 8;

/// What a push has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Blobs that were sent.
    pub sent_blobs: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Blobs that the registry took over from another repository.
    pub mounted_blobs: u64,
    /// Names of images whose tags stand for the carried platforms alone, since the registry takes no index of which
    /// others are missing.
    pub reduced: Vec<String>,
}

/// A blob that some repositories lack.
struct Missing<'a> {
    blob: Blob,
    repositories: Vec<&'a str>,
    from: Option<&'a str>,
}

impl Plan {
    /// Brings what is missing, `uploads` blobs at the same time. Reports to [`Stage::Push`]. May be dropped at any
    /// await point; a new plan then goes on.
    ///
    /// # Errors
    /// Those of `source`; [`codes::REGISTRY_LOGIN`], [`codes::REGISTRY_TAG`] and [`codes::REGISTRY_PUSH`] with what
    /// helps; others of kind `Upstream` if the registry cannot be reached.
    pub async fn execute(
        &self,
        remote: &Remote,
        source: Arc<dyn Source>,
        uploads: usize,
        progress: Arc<dyn Progress>,
    ) -> Result<Pushed> {
        progress.event(Event::Started { stage: Stage::Push, bytes: Some(self.bytes()) });
        let push = Push { remote, source, progress, sent: [const { AtomicU64::new(0) }; 3] };
        let blobs = self.missing().into_iter().map(Ok);
        stream::iter(blobs).try_for_each_concurrent(uploads.max(1), |missing| push.blob(missing)).await?;
        let images = self.images.iter().map(|image| push.image(image));
        let reduced: Vec<Option<String>> = stream::iter(images).buffered(IMAGES).try_collect().await?;
        push.progress.event(Event::Finished { stage: Stage::Push });
        let [sent_blobs, sent_bytes, mounted_blobs] = push.sent.map(AtomicU64::into_inner);
        let reduced = reduced.into_iter().flatten().collect();
        Ok(Pushed { sent_blobs, sent_bytes, mounted_blobs, reduced })
    }

    /// Every missing blob with those who lack it, in the order of the images.
    fn missing(&self) -> Vec<Missing<'_>> {
        let (mut found, mut places): (Vec<Missing<'_>>, HashMap<Digest, usize>) = Default::default();
        for image in &self.images {
            for blob in &image.blobs {
                let place = *places.entry(blob.digest).or_insert(found.len());
                if place == found.len() {
                    let from = self.elsewhere.get(&blob.digest).map(String::as_str);
                    found.push(Missing { blob: *blob, repositories: Vec::new(), from });
                }
                // Several tags of one repository.
                if !found[place].repositories.contains(&image.repository.as_str()) {
                    found[place].repositories.push(&image.repository);
                }
            }
        }
        found
    }
}

struct Push<'a> {
    remote: &'a Remote,
    source: Arc<dyn Source>,
    progress: Arc<dyn Progress>,
    /// Blobs and bytes that were sent, and blobs that were mounted.
    sent: [AtomicU64; 3],
}

impl Push<'_> {
    /// Sends a blob to the first repository that lacks it; the others take it over from there.
    async fn blob(&self, missing: Missing<'_>) -> Result<()> {
        let account = Arc::new(Account::new(self.progress.clone()));
        let sending = Sending { source: self.source.clone(), blob: missing.blob, account };
        let mut from = missing.from;
        for repository in missing.repositories {
            let upload = Upload { remote: self.remote, repository, sending: sending.clone() };
            let [blobs, bytes, mounted] = &self.sent;
            match upload.run(from).await? {
                Arrival::Sent => {
                    blobs.fetch_add(1, Ordering::Relaxed);
                    bytes.fetch_add(missing.blob.size, Ordering::Relaxed);
                }
                Arrival::Mounted => drop(mounted.fetch_add(1, Ordering::Relaxed)),
            }
            from = Some(repository);
        }
        Ok(())
    }

    /// Pushes the manifests and tags of an image; its name if that could not be done with all of it.
    async fn image(&self, image: &ImagePlan) -> Result<Option<String>> {
        let repository = image.repository.as_str();
        let mut is_whole = true;
        for document in &image.documents {
            is_whole &= self.put(repository, &document.digest.to_string(), document).await? == Put::Taken;
        }
        let reduced = match (is_whole, &image.reduced) {
            (true, _) => None,
            (false, Some(reduced)) => Some(reduced),
            (false, None) => return Err(self.incomplete(image)),
        };
        if let Some(index) = reduced.filter(|reduced| reduced.made.is_some()) {
            self.put(repository, &index.digest.to_string(), index).await?;
        }
        for change in &image.tags {
            let is_own = change.document.digest == image.root;
            self.tag(repository, change, reduced.filter(|_| is_own).unwrap_or(&change.document)).await?;
        }
        Ok(reduced.map(|_| image.name.clone()))
    }

    async fn put(&self, repository: &str, reference: &str, document: &Document) -> Result<Put> {
        let bytes = match &document.made {
            Some(bytes) => bytes.clone(),
            None => self.read(document.digest).await?,
        };
        self.remote.put(repository, reference, (&document.media_type, bytes), document.is_sparse).await
    }

    async fn read(&self, digest: Digest) -> Result<Arc<[u8]>> {
        let source = self.source.clone();
        let read = tokio::task::spawn_blocking(move || source.document(digest, MAX_SIZE)).await;
        let read = read.unwrap_or_else(|error| {
            Err(Error::new(codes::INTERNAL, "reading a manifest broke off").with_source(error))
        });
        read.map(Arc::from)
    }

    /// Sets a tag, unless it was set to something else since it was looked at, and looks at it again.
    async fn tag(&self, repository: &str, change: &TagChange, document: &Document) -> Result<()> {
        let now = self.remote.manifest(repository, &change.tag).await?;
        if now != change.before && now != Some(document.digest) {
            return Err(self.moved(repository, change, now));
        }
        self.put(repository, &change.tag, document).await?;
        match self.remote.manifest(repository, &change.tag).await? {
            Some(found) if found == document.digest => Ok(()),
            found => Err(self.moved(repository, change, found)),
        }
    }

    fn moved(&self, repository: &str, change: &TagChange, now: Option<Digest>) -> Error {
        let name = format!("{}/{repository}:{}", self.remote.target().host(), change.tag);
        let shown = |digest: Option<Digest>| digest.map_or("nothing".to_owned(), |digest| digest.to_string());
        Error::new(codes::REGISTRY_TAG, format!("somebody else changes {}", printable(&name)))
            .with_detail(format!("when it was planned it stood for {}", shown(change.before)))
            .with_detail(format!("now it stands for {}", shown(now)))
            .with_help("see who else pushes there, then run the same command again")
    }

    fn incomplete(&self, image: &ImagePlan) -> Error {
        let host = self.remote.target().host();
        let message = format!("{host} does not take {} without its other platforms", printable(&image.name));
        Error::new(codes::REGISTRY_PUSH, message).with_help(
            "the image is named by its digest, so that no part of it can be left out: build the bundle with all its              `platforms`, name the image by a tag, or let the registry take incomplete indexes (distribution 3:              `validation.manifests.indexes.platforms: none`)",
        )
    }
}
