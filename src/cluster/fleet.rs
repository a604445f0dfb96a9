//! The same work on many hosts at the same time; one that fails does not stop the others.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::inventory::Host;
use crate::error::{Error, Result, codes};

/// What came of each of several hosts.
pub type PerHost<'a, T> = Vec<(&'a Host, T)>;

/// What came of it on every host, in the order in which the hosts were given.
#[derive(Debug)]
pub struct Outcomes<'a, T>(pub PerHost<'a, Result<T>>);

/// Does `work` on every host, on at most `concurrency` at the same time. None is begun any more once `stop` is set;
/// those that were not are [`codes::INTERRUPTED`].
pub fn each<'a, T: Send>(
    hosts: &[&'a Host],
    concurrency: usize,
    stop: &AtomicBool,
    work: impl Fn(&'a Host) -> Result<T> + Sync,
) -> Outcomes<'a, T> {
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<Result<T>>>> = hosts.iter().map(|_| Mutex::new(None)).collect();
    let take_turns = || {
        while !stop.load(Ordering::Relaxed) {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            let Some(host) = hosts.get(turn) else { return };
            let result = work(host);
            if let Some(slot) = results.get(turn) {
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..concurrency.clamp(1, hosts.len().max(1)) {
            scope.spawn(take_turns);
        }
    });
    let results = results.into_iter().map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner));
    let results = results.map(|result| result.unwrap_or_else(|| Err(not_begun())));
    Outcomes(hosts.iter().copied().zip(results).collect())
}

/// Nothing, unless `stop` is set.
///
/// # Errors
/// [`codes::INTERRUPTED`].
pub fn go_on(stop: &AtomicBool) -> Result<()> {
    if stop.load(Ordering::Relaxed) { Err(not_begun()) } else { Ok(()) }
}

fn not_begun() -> Error {
    Error::new(codes::INTERRUPTED, "it was not begun")
        .with_help("run the same command again; it goes on from here")
}

impl<'a, T> Outcomes<'a, T> {
    /// Those that succeeded, and those that failed.
    pub fn split(self) -> (PerHost<'a, T>, PerHost<'a, Error>) {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for (host, outcome) in self.0 {
            match outcome {
                Ok(value) => good.push((host, value)),
                Err(error) => bad.push((host, error)),
            }
        }
        (good, bad)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::cluster::inventory::tests::hosts;

    #[test]
    fn all_are_done_side_by_side_and_keep_their_order() {
        let hosts = hosts(&["a", "b", "c"]);
        let together = Barrier::new(3);
        let hosts: Vec<&Host> = hosts.iter().collect();
        let outcomes = each(&hosts, 30, &AtomicBool::new(false), |host| {
            together.wait();
            match host.name.as_str() {
                "b" => Err(Error::new(codes::REMOTE_COMMAND, "it is down")),
                name => Ok(name.to_owned()),
            }
        });
        let (good, bad) = outcomes.split();
        assert_eq!(good.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(bad.iter().map(|(host, _)| host.name.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn who_is_not_begun_is_interrupted() {
        let hosts = hosts(&["a", "b", "c"]);
        let hosts: Vec<&Host> = hosts.iter().collect();
        let stop = AtomicBool::new(false);
        let outcomes = each(&hosts, 1, &stop, |_| {
            stop.store(true, Ordering::Relaxed);
            Ok(())
        });
        let (good, bad) = outcomes.split();
        assert_eq!(good.len(), 1);
        assert!(bad.iter().all(|(_, error)| error.code() == codes::INTERRUPTED), "{bad:?}");
    }
}
