//! One piece of work for everybody who wants its result at the same time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Work that is being done, by what it is for. It is done to its end, even if nobody waits any more.
pub(super) struct Flights<K, V>(Mutex<HashMap<K, watch::Receiver<Option<V>>>>);

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Flights(Mutex::default())
    }
}

/// Takes the work off the list, however it ended.
struct Landing<K: Eq + Hash, V> {
    flights: Arc<Flights<K, V>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}

impl<K: Eq + Hash, V> Flights<K, V> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, watch::Receiver<Option<V>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// The result of the work for `key`, which is begun unless somebody has; nothing if it broke off.
    pub(super) async fn join<F>(self: &Arc<Self>, key: K, begin: impl FnOnce() -> F) -> Option<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut result = self.receiver(key, begin);
        let result = result.wait_for(Option::is_some).await.ok()?;
        result.clone()
    }

    fn receiver<F>(self: &Arc<Self>, key: K, begin: impl FnOnce() -> F) -> watch::Receiver<Option<V>>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut flights = self.lock();
        if let Some(running) = flights.get(&key) {
            return running.clone();
        }
        let (sender, receiver) = watch::channel(None);
        flights.insert(key.clone(), receiver.clone());
        let landing = Landing { flights: self.clone(), key };
        let work = begin();
        tokio::spawn(async move {
            let result = work.await;
            // Who comes from now on begins anew.
            drop(landing);
            sender.send_replace(Some(result));
        });
        receiver
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn the_same_is_done_once_at_a_time() {
        let flights = Arc::<Flights<&str, u32>>::default();
        let (count, gate) = (Arc::new(AtomicU32::new(0)), Arc::new(tokio::sync::Semaphore::new(0)));
        let join = |key| {
            let (flights, count, gate) = (flights.clone(), count.clone(), gate.clone());
            async move {
                let work = || async move {
                    let _pass = gate.acquire().await;
                    count.fetch_add(1, Ordering::SeqCst) + 1
                };
                flights.join(key, work).await
            }
        };
        let all = async { tokio::join!(join("a"), join("a"), join("a")) };
        let (results, ()) = tokio::join!(all, async { gate.add_permits(1) });
        assert_eq!(results, (Some(1), Some(1), Some(1)));
        assert_eq!(join("a").await, Some(2), "the next one begins anew");
        assert!(flights.lock().is_empty());
    }
}
