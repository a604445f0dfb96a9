//! The client: what all transfers of a run share.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Url;

use super::authorization::Authorizations;
use super::retry::Announcements;
use super::settings::Settings;
use super::transport::Transports;
use crate::error::Result;
use crate::progress::Progress;

/// Fetches over HTTP. Clones share connections, tokens and the knowledge which mirrors are down.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    settings: Settings,
    transports: Transports,
    authorizations: Authorizations,
    /// Mirrors that turned out to be of no use in this run.
    avoided: Mutex<BTreeSet<String>>,
    announcements: Announcements,
}

impl Client {
    /// A client with these settings. Files of certificate authorities are read when their host is first asked.
    pub fn new(settings: Settings) -> Self {
        Client(Arc::new(Shared {
            settings,
            transports: Transports::default(),
            authorizations: Authorizations::default(),
            avoided: Mutex::default(),
            announcements: Announcements::default(),
        }))
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(super) fn progress(&self) -> &dyn Progress {
        &*self.0.settings.progress
    }

    pub(super) fn authorizations(&self) -> &Authorizations {
        &self.0.authorizations
    }

    pub(super) fn transport(&self, url: &Url) -> Result<reqwest::Client> {
        self.0.transports.client(url, &self.0.settings)
    }

    pub(super) fn announcements(&self) -> &Announcements {
        &self.0.announcements
    }

    /// Leaves a mirror out from now on; says whether that is new.
    pub(super) fn avoid(&self, mirror: &str) -> bool {
        self.0.avoided.lock().unwrap_or_else(PoisonError::into_inner).insert(mirror.to_owned())
    }

    pub(super) fn avoids(&self, mirror: &str) -> bool {
        self.0.avoided.lock().unwrap_or_else(PoisonError::into_inner).contains(mirror)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("hosts", &self.0.settings.hosts).finish_non_exhaustive()
    }
}
