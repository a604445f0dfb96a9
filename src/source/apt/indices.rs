//! The indices of a target, all together: what a universe of packages is made of.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::Bench;
use super::index::{self, Index};
use super::suite::{self, Asked};
use super::upstream::Upstream;
use crate::debian::location::Suite;
use crate::debian::package::{Package, parse_index};
use crate::debian::universe::Universe;
use crate::debian::universe::pins::is_like;
use crate::error::{Error, Result};
use crate::lock::apt as lock;
use crate::spec::apt::Target;

/// Repositories that are read at the same time.
const AT_ONCE: usize = 4;

/// The texts of all indices of a target, in the order of its sources.
#[derive(Debug)]
pub struct Indices {
    native: &'static str,
    indices: Vec<Index>,
}

impl Indices {
    /// Fetches what the repositories have today. Gives what goes into the lock besides.
    pub(super) async fn fetch(
        bench: &Bench<'_>,
        target: &Target,
        upstreams: &[Upstream],
        architectures: &[String],
        old: Option<&lock::Apt>,
    ) -> Result<(Indices, Vec<lock::Repository>)> {
        let fetched: Vec<suite::Fetched> = stream::iter(upstreams)
            .map(|upstream| {
                let is_it =
                    |known: &&lock::Repository| known.uri == upstream.uri && known.suite == upstream.suite;
                let seen = old.and_then(|old| old.repositories.iter().find(is_it));
                async move { suite::fetch(bench, &Asked { upstream, architectures, seen }).await }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut all = Indices { native: target.platform.architecture(), indices: Vec::new() };
        let mut records = Vec::new();
        for suite in fetched {
            all.indices.extend(suite.indices);
            records.push(suite.record);
        }
        Ok((all, records))
    }

    /// Loads the indices that a lock pins: from the cache if they are there, else from where they came from,
    /// by their digest first. Mirrors keep those for some days at most.
    ///
    /// # Errors
    /// Those of fetching; [`APT_INDEX_GONE`](crate::error::codes::APT_INDEX_GONE) or
    /// [`APT_INDEX_MISMATCH`](crate::error::codes::APT_INDEX_MISMATCH) where the mirror has moved on.
    pub async fn load(bench: &Bench<'_>, target: &Target, locked: &lock::Apt) -> Result<Indices> {
        let native = target.platform.architecture();
        let mut indices = Vec::new();
        for repository in &locked.repositories {
            let place = Suite::new(&repository.uri, &repository.suite, native)?;
            for record in &repository.indices {
                let provenance = index::provenance(&repository.release, &place, record.component.as_deref());
                let (component, file) = (record.component.clone(), index::pinned(record));
                let loaded = index::fetch(bench, &place, component, file, provenance, None).await;
                let loaded = loaded.map_err(|error| moved_on(error, &locked.name))?;
                indices.push(Index { only: only(target, repository), ..loaded });
            }
        }
        Ok(Indices { native, indices })
    }

    /// Everything that may be chosen, without a baseline. What is unusable is told to `warn`.
    ///
    /// # Errors
    /// [`DEBIAN_CONTROL`](crate::error::codes::DEBIAN_CONTROL) if an index is no control file, and those of
    /// [`Universe::add_index`].
    pub fn universe(&self, warn: &dyn Fn(&str)) -> Result<Universe<'_>> {
        let mut universe = Universe::new(self.native);
        for (index, parsed) in self.indices.iter().zip(self.parse()) {
            let parsed =
                parsed.map_err(|error| error.with_detail(format!("in the index {}", index.name())))?;
            if let Some(first) = parsed.unusable.first() {
                let count = parsed.unusable.len();
                warn(&format!("{count} packages of {} cannot be used: {first}", index.name()));
            }
            let is_wanted = |package: &Package<'_>| {
                index.only.is_empty()
                    || index.only.iter().any(|pattern| is_like(pattern.as_bytes(), package.name.as_bytes()))
            };
            universe.add_index(index.provenance.clone(), parsed.usable.into_iter().filter(is_wanted))?;
        }
        Ok(universe)
    }

    /// All indices at once: each on a thread of its own.
    fn parse(&self) -> Vec<Result<crate::debian::package::Packages<'_>>> {
        std::thread::scope(|scope| {
            let running: Vec<_> =
                self.indices.iter().map(|index| scope.spawn(|| parse_index(&index.text))).collect();
            running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(panicked()))).collect()
        })
    }

    /// The URL of the `.deb` of a package of these indices. What is in several is taken from the first, as by apt.
    pub fn url(&self, package: &Package<'_>) -> Option<String> {
        // A stanza is a part of the text of its index, so its place in memory tells which one that is.
        let stanza = package.stanza.text().as_ptr();
        let index = self.indices.iter().find(|index| index.text.as_ptr_range().contains(&stanza))?;
        package.archive.map(|archive| index.place.archive_url(archive.filename))
    }
}

impl Index {
    fn name(&self) -> String {
        self.place.metadata_url(&self.record.path)
    }
}

/// The filter of a repository does not stand in the lock, whose entry is only valid with that of the spec.
fn only(target: &Target, locked: &lock::Repository) -> Vec<String> {
    let is_it = |repository: &&crate::spec::apt::Repository| {
        repository.uri == locked.uri && repository.suites.contains(&locked.suite)
    };
    target.repositories.iter().find(is_it).map(|repository| repository.only.clone()).unwrap_or_default()
}

fn moved_on(error: Error, name: &str) -> Error {
    error.with_help(format!(
        "the mirror has newer lists than bundle.lock and keeps old ones for days only: `airlock bundle lock --update {name}`"
    ))
}

fn panicked() -> Error {
    Error::new(crate::error::codes::INTERNAL, "a thread that reads an index ended unexpectedly")
}
