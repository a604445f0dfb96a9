//! Which `Authorization` a request carries. What was obtained is kept per server and repository; whoever
//! needs the same at the same time waits for the one who is getting it, so that a hundred blobs cost one
//! token.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use reqwest::Url;
use reqwest::header::HeaderValue;

use super::challenge::Challenge;
use super::client::Client;
use super::credentials::{self, Credentials};
use super::failure::{self, Failure};
use super::location::Access;
use super::shown;
use crate::error::{Error, codes};

/// A permission and how long it lasts.
pub(super) struct Permission {
    pub(super) header: HeaderValue,
    /// None if it does not expire.
    pub(super) until: Option<Instant>,
}

impl Permission {
    fn is_valid(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

/// More servers and repositories than a build has; a server that fetches for its clients may see more. Then all
/// permissions are forgotten, and obtained again.
const MOST_SLOTS: usize = 10_000;

/// Filled by one, awaited by the others.
type Slot = Arc<tokio::sync::Mutex<Option<Permission>>>;

/// The permissions obtained so far.
#[derive(Default)]
pub(super) struct Authorizations {
    slots: Mutex<BTreeMap<(String, Access), Slot>>,
}

impl Authorizations {
    fn slot(&self, url: &Url, access: &Access) -> Slot {
        let key = (url.origin().ascii_serialization(), access.clone());
        // The map is always whole: nothing can fail while it is held.
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MOST_SLOTS && !slots.contains_key(&key) {
            slots.clear();
        }
        slots.entry(key).or_default().clone()
    }

    /// The header to send unasked, if one is known to be good.
    pub(super) async fn known(&self, url: &Url, access: &Access) -> Option<HeaderValue> {
        let slot = self.slot(url, access);
        let permission = slot.lock().await;
        permission
            .as_ref()
            .filter(|permission| permission.is_valid())
            .map(|permission| permission.header.clone())
    }
}

impl Client {
    /// Gets the permission that a server asked for by `challenges`, unless somebody did in the meantime.
    /// `refused` is the header that the server did not accept.
    pub(super) async fn authorize(
        &self,
        url: &Url,
        access: &Access,
        challenges: &[Challenge],
        refused: Option<&HeaderValue>,
    ) -> Result<HeaderValue, Failure> {
        let slot = self.authorizations().slot(url, access);
        let mut held = slot.lock().await;
        if let Some(permission) =
            held.as_ref().filter(|held| held.is_valid() && Some(&held.header) != refused)
        {
            return Ok(permission.header.clone());
        }
        let permission = self.answer(url, access, challenges).await?;
        let header = permission.header.clone();
        *held = Some(permission);
        Ok(header)
    }

    async fn answer(
        &self,
        url: &Url,
        access: &Access,
        challenges: &[Challenge],
    ) -> Result<Permission, Failure> {
        let wanted = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme == scheme);
        if let Some(bearer) = wanted("bearer") {
            return self.token(url, access, bearer).await;
        }
        if wanted("basic").is_none() {
            return Err(unknown_scheme(url, challenges));
        }
        let header = match self.credentials(&access.host, &access.repository).await? {
            Some(Credentials::Password { username, password }) => credentials::basic(&username, &password),
            // An identity token is of use with a token service only.
            Some(Credentials::IdentityToken(_)) | None => return Err(login_wanted(&access.host)),
        };
        let header = header.ok_or_else(|| unusable(&access.host))?;
        Ok(Permission { header, until: None })
    }

    /// Asks the source of credentials, on a thread where it may block.
    pub(super) async fn credentials(
        &self,
        host: &str,
        repository: &str,
    ) -> Result<Option<Credentials>, Failure> {
        let source = self.settings().credentials.clone();
        let (host, repository) = (host.to_owned(), repository.to_owned());
        tokio::task::spawn_blocking(move || source.credentials(&host, &repository))
            .await
            .unwrap_or_else(|error| {
                Err(Error::new(codes::INTERNAL, "looking up credentials broke off").with_source(error))
            })
            .map_err(Failure::never)
    }
}

fn unknown_scheme(url: &Url, challenges: &[Challenge]) -> Failure {
    let schemes: Vec<&str> = challenges.iter().map(|challenge| challenge.scheme.as_str()).collect();
    let message = format!(
        "{} wants a login of a kind that airlock does not know: {}",
        shown::authority(url),
        shown::printable(if schemes.is_empty() { "it does not say which" } else { schemes[0] })
    );
    let help = "airlock knows `Basic` and `Bearer`; offer one of them on the server";
    Failure::elsewhere(Error::new(codes::FETCH_UNAUTHORIZED, message).with_help(help))
}

fn login_wanted(host: &str) -> Failure {
    let message = format!("{host} wants a user name and password, and none are known for it");
    Failure::elsewhere(Error::new(codes::FETCH_UNAUTHORIZED, message).with_help(failure::login_help(host)))
}

/// Credentials with line breaks or the like.
pub(super) fn unusable(host: &str) -> Failure {
    let message = format!("the credentials for {host} hold characters that cannot be sent");
    Failure::elsewhere(Error::new(codes::FETCH_UNAUTHORIZED, message).with_help(failure::login_help(host)))
}
