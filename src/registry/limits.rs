//! How many connections there may be, in total and from one client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From all clients together.
    pub connections: usize,
    /// From one address; the unix socket has no such limit.
    pub connections_per_client: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { connections: 1024, connections_per_client: 128 }
    }
}

/// Counts connections.
#[derive(Clone)]
pub struct Connections(Arc<Inner>);

struct Inner {
    limits: Limits,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    all: usize,
    by_client: HashMap<IpAddr, usize>,
}

/// The place of one connection, free again when it is dropped.
pub struct Place {
    connections: Connections,
    client: Option<IpAddr>,
}

impl Connections {
    /// Nobody is connected yet.
    pub fn new(limits: Limits) -> Self {
        Connections(Arc::new(Inner { limits, open: Mutex::default() }))
    }

    /// A place for a connection of this client, unless all of them, or all of its own, are taken.
    pub fn take(&self, client: Option<IpAddr>) -> Option<Place> {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_client = client.and_then(|client| open.by_client.get(&client).copied()).unwrap_or(0);
        if open.all >= self.0.limits.connections || of_client >= self.0.limits.connections_per_client {
            return None;
        }
        open.all += 1;
        if let Some(client) = client {
            open.by_client.insert(client, of_client + 1);
        }
        Some(Place { connections: self.clone(), client })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        let Some(client) = self.client else { return };
        match open.by_client.get_mut(&client) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.by_client.remove(&client)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_come_back() {
        let connections = Connections::new(Limits { connections: 3, connections_per_client: 2 });
        let (ada, bob) = (Some(IpAddr::from([192, 0, 2, 1])), Some(IpAddr::from([192, 0, 2, 2])));
        let first = connections.take(ada).unwrap();
        let _second = connections.take(ada).unwrap();
        assert!(connections.take(ada).is_none());
        let _third = connections.take(bob).unwrap();
        assert!(connections.take(bob).is_none() && connections.take(None).is_none());
        drop(first);
        assert!(connections.take(None).is_some() && connections.take(ada).is_some());
        assert_eq!(connections.0.open.lock().unwrap().by_client.len(), 2);
    }
}
