//! What a registry lacks of some images, found out without changing anything.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::remote::Remote;
use super::tree::{Document, Tree};
use crate::bundle::manifest::Blob;
use crate::error::Result;
use crate::oci::digest::Digest;

/// How many questions are asked at once.
const QUESTIONS: usize = 16;

/// What has to be pushed.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The images of which something is missing, in the order in which they were given.
    pub images: Vec<ImagePlan>,
    /// Missing blobs that another repository of the registry has, with one such repository.
    pub(super) elsewhere: BTreeMap<Digest, String>,
}

/// What is missing of one image.
#[derive(Clone, Debug)]
pub struct ImagePlan {
    /// Its name in the cluster.
    pub name: String,
    /// Its repository in the registry, without the host.
    pub repository: String,
    /// The blobs that the repository lacks.
    pub blobs: Vec<Blob>,
    /// The manifests that it lacks, in the order in which they are pushed.
    pub documents: Vec<Document>,
    /// The tags that stand for something else, or for nothing.
    pub tags: Vec<TagChange>,
    pub(super) root: Digest,
    pub(super) reduced: Option<Document>,
}

/// A tag that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagChange {
    /// The tag.
    pub tag: String,
    /// What it will stand for, if the registry takes all of it.
    pub document: Document,
    /// What it stands for now.
    pub before: Option<Digest>,
}

impl Plan {
    /// Asks the registry for everything that belongs to these images.
    ///
    /// # Errors
    /// If it cannot be asked, or does not let us.
    pub async fn make(remote: &Remote, trees: &[Tree]) -> Result<Plan> {
        let found = Found::ask(remote, trees).await?;
        let plans = trees.iter().map(|tree| found.plan(remote.target().repository(&tree.name), tree));
        let images: Vec<ImagePlan> = plans.filter(|plan| !plan.is_empty()).collect();
        let missing: BTreeSet<Digest> =
            images.iter().flat_map(|image| &image.blobs).map(|blob| blob.digest).collect();
        // Sorted, so that the same registry always gives the same plan.
        let elsewhere = found.blobs.iter().rev().filter(|(_, blob)| missing.contains(&blob.digest));
        let elsewhere = elsewhere.map(|(repository, blob)| (blob.digest, repository.clone())).collect();
        Ok(Plan { images, elsewhere })
    }

    /// Whether everything is there.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// How many bytes have to be sent, each blob once, if the registry takes over what it has elsewhere.
    pub fn bytes(&self) -> u64 {
        let mut seen = BTreeSet::new();
        let missing = self.images.iter().flat_map(|image| &image.blobs);
        let sent =
            missing.filter(|blob| !self.elsewhere.contains_key(&blob.digest) && seen.insert(blob.digest));
        sent.fold(0, |sum, blob| sum.saturating_add(blob.size))
    }
}

impl ImagePlan {
    fn is_empty(&self) -> bool {
        self.blobs.is_empty() && self.documents.is_empty() && self.tags.is_empty()
    }
}

/// What the registry has.
struct Found {
    /// Those that are there, by repository.
    blobs: BTreeSet<(String, Blob)>,
    documents: BTreeSet<(String, Digest)>,
    tags: HashMap<(String, String), Option<Digest>>,
}

impl Found {
    async fn ask(remote: &Remote, trees: &[Tree]) -> Result<Found> {
        let named = || trees.iter().map(|tree| (remote.target().repository(&tree.name), tree));
        let tags = named().flat_map(|(repository, tree)| {
            tree.tags.iter().map(move |(tag, _)| (repository.clone(), tag.clone()))
        });
        let documents = named().flat_map(|(repository, tree)| {
            tree.documents.iter().map(move |document| (repository.clone(), document.digest))
        });
        let blobs = named()
            .flat_map(|(repository, tree)| tree.blobs.iter().map(move |blob| (repository.clone(), *blob)));
        let tags = answers(tags, async |(repository, tag)| remote.manifest(repository, tag).await).await?;
        let documents =
            answers(documents, async |(repository, digest)| remote.has_document(repository, *digest).await);
        let blobs = answers(blobs, async |(repository, blob)| remote.has_blob(repository, *blob).await);
        Ok(Found {
            tags: tags.into_iter().collect(),
            documents: there(documents.await?),
            blobs: there(blobs.await?),
        })
    }

    fn plan(&self, repository: String, tree: &Tree) -> ImagePlan {
        let stands_for = |tag: &str| self.tags.get(&(repository.clone(), tag.to_owned())).copied().flatten();
        // An earlier push has found out that the registry does not take all of the image.
        let is_reduced = tree.reduced.as_ref().is_some_and(|reduced| {
            tree.name.tag().and_then(stands_for).is_some_and(|digest| digest == reduced.digest)
        });
        let is_due = |document: &&Document| {
            let is_settled = is_reduced && document.is_sparse;
            !is_settled && !self.documents.contains(&(repository.clone(), document.digest))
        };
        let tag_change = |(tag, document): &(String, Document)| {
            let before = stands_for(tag);
            let is_right = before == Some(document.digest) || is_reduced && document.digest == tree.root;
            (!is_right).then(|| TagChange { tag: tag.clone(), document: document.clone(), before })
        };
        let lacks = |blob: &&Blob| !self.blobs.contains(&(repository.clone(), **blob));
        ImagePlan {
            name: tree.name.to_string(),
            blobs: tree.blobs.iter().filter(lacks).copied().collect(),
            documents: tree.documents.iter().filter(is_due).cloned().collect(),
            tags: tree.tags.iter().filter_map(tag_change).collect(),
            root: tree.root,
            reduced: tree.reduced.clone(),
            repository,
        }
    }
}

/// What was answered with yes.
fn there<Q: Ord>(answers: Vec<(Q, bool)>) -> BTreeSet<Q> {
    answers.into_iter().filter(|(_, is_there)| *is_there).map(|(question, _)| question).collect()
}

/// Asks each question once, many at a time.
async fn answers<Q, A>(
    questions: impl Iterator<Item = Q>,
    ask: impl AsyncFn(&Q) -> Result<A>,
) -> Result<Vec<(Q, A)>>
where
    Q: Ord,
{
    let questions: BTreeSet<Q> = questions.collect();
    let asked = questions.into_iter().map(|question| async {
        let answer = ask(&question).await?;
        Ok((question, answer))
    });
    stream::iter(asked).buffer_unordered(QUESTIONS).try_collect().await
}
