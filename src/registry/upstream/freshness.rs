//! When upstreams were asked last, so that they are not asked all the time. Kept in memory: after a start every
//! tag is asked for once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::store::{RepositoryName, TagName};

/// More tags or hosts than this are forgotten, all at once; clients choose their names.
const MOST: usize = 100_000;

/// How long a registry that did not answer is left alone, as long as the store can answer instead.
const REST: Duration = Duration::from_secs(30);

/// What is known about tags and hosts.
pub(super) struct Freshness {
    refresh: Duration,
    tags: Mutex<HashMap<(RepositoryName, TagName), Instant>>,
    silent: Mutex<HashMap<String, Instant>>,
}

impl Freshness {
    /// Tags are believed for the time `refresh`.
    pub(super) fn new(refresh: Duration) -> Freshness {
        Freshness { refresh, tags: Mutex::default(), silent: Mutex::default() }
    }

    /// Whether a tag need not be asked for.
    pub(super) fn is_fresh(&self, repository: &RepositoryName, tag: &TagName) -> bool {
        let host = repository.host().unwrap_or_default();
        is_within(&self.tags, &(repository.clone(), tag.clone()), self.refresh)
            || is_within(&self.silent, &host.to_owned(), self.refresh.min(REST))
    }

    /// The upstream has said what the tag names.
    pub(super) fn confirmed(&self, repository: &RepositoryName, tag: &TagName) {
        note(&self.tags, (repository.clone(), tag.clone()));
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.remove(repository.host().unwrap_or_default());
    }

    /// The upstream could not be asked.
    pub(super) fn silent(&self, repository: &RepositoryName) {
        note(&self.silent, repository.host().unwrap_or_default().to_owned());
    }
}

fn is_within<K: Eq + Hash>(times: &Mutex<HashMap<K, Instant>>, key: &K, duration: Duration) -> bool {
    let times = times.lock().unwrap_or_else(PoisonError::into_inner);
    times.get(key).is_some_and(|time| time.elapsed() < duration)
}

fn note<K: Eq + Hash>(times: &Mutex<HashMap<K, Instant>>, key: K) {
    let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
    if times.len() >= MOST {
        times.clear();
    }
    times.insert(key, Instant::now());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_believed_after_an_answer_and_while_the_host_is_silent() {
        let name = RepositoryName::new(Some("quay.io"), "a").unwrap();
        let tag = TagName::new("1").unwrap();
        let freshness = Freshness::new(Duration::from_secs(300));
        assert!(!freshness.is_fresh(&name, &tag));
        freshness.silent(&name);
        assert!(freshness.is_fresh(&name, &tag));
        freshness.confirmed(&name, &tag);
        assert!(freshness.is_fresh(&name, &tag));
        assert!(!freshness.is_fresh(&name, &TagName::new("2").unwrap()), "the host has answered since");
        let always = Freshness::new(Duration::ZERO);
        always.confirmed(&name, &tag);
        always.silent(&name);
        assert!(!always.is_fresh(&name, &tag));
    }
}
