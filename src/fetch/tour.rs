//! The way through the places that hold the same bytes: each is asked as often as that makes sense, then the
//! next. Mirrors get little patience, the origin all of it, and a mirror that is down is left out from then on.

use super::client::Client;
use super::failure::{Failure, Verdict};
use super::location::Place;
use super::retry::Attempts;
use super::shown;
use crate::error::{Code, Error, Result, codes};
use crate::progress::Event;

/// Attempts on a mirror, which has the origin behind it.
const ATTEMPTS_ON_MIRROR: usize = 2;

/// Whether what is looked for has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existence {
    /// Not to find it is a failure.
    Expected,
    /// It need not exist, such as a signature. Behind a mirror the origin is often out of reach; then the
    /// mirror's word that there is nothing counts, and a warning says so.
    Optional,
}

/// Where we are on the way.
///
/// ```ignore
/// let mut tour = Tour::new(&client, "blob sha256:…", &places, Existence::Expected)?;
/// loop {
///     match attempt(tour.place()).await {
///         Ok(value) => return Ok(value),
///         Err(failure) => tour.failed(failure).await?,
///     }
/// }
/// ```
pub(crate) struct Tour<'a> {
    client: &'a Client,
    name: &'a str,
    place: &'a Place,
    /// The places still to come.
    ahead: &'a [Place],
    attempts: Attempts<'a>,
    /// What went wrong at each place that was given up.
    given_up: Vec<String>,
    existence: Existence,
    /// A place that could be asked said that it does not have it.
    somebody_lacks: bool,
}

impl<'a> Tour<'a> {
    /// A way through `places`, which must not be empty, to `name`.
    pub(crate) fn new(
        client: &'a Client,
        name: &'a str,
        places: &'a [Place],
        existence: Existence,
    ) -> Result<Self> {
        let (place, ahead) = next_usable(client, places).ok_or_else(|| {
            Error::new(codes::INTERNAL, format!("{} has no place to be fetched from", shown::printable(name)))
        })?;
        let attempts = attempts(client, ahead, true);
        let given_up = Vec::new();
        Ok(Tour { client, name, place, ahead, attempts, given_up, existence, somebody_lacks: false })
    }

    /// The place to ask now.
    pub(crate) fn place(&self) -> &'a Place {
        self.place
    }

    /// Something was achieved, so earlier failures do not count any more.
    pub(crate) fn progressed(&mut self) {
        self.attempts.reset();
    }

    /// Takes note that the current place failed, and waits or moves on. Fails when the way has ended.
    pub(crate) async fn failed(&mut self, failure: Failure) -> Result<()> {
        let Err(last) = self.attempts.after(failure).await else { return Ok(()) };
        if last.verdict == Verdict::Never {
            return Err(last.error);
        }
        match next_usable(self.client, self.ahead) {
            Some((place, ahead)) => {
                self.leave(&last.error);
                self.somebody_lacks |= last.error.code() == codes::FETCH_NOT_FOUND;
                (self.place, self.ahead) = (place, ahead);
                let patient = !self.may_be_absent();
                self.attempts = attempts(self.client, ahead, patient);
                Ok(())
            }
            None if self.may_be_absent() && is_out_of_order(last.error.code()) => {
                Err(self.taken_for_absent(&last.error))
            }
            None => Err(self.summary(last.error)),
        }
    }

    /// Leaves a mirror, for the rest of the run if the fault is its own.
    fn leave(&mut self, error: &Error) {
        let mirror = shown::authority(&self.place.url);
        if is_out_of_order(error.code()) && self.client.avoid(&mirror) {
            let text = format!("mirror {mirror} is not asked any more: {error}");
            self.client.progress().event(Event::Warning { text: &text });
        }
        self.given_up.push(format!("{mirror}: {error}"));
    }

    fn may_be_absent(&self) -> bool {
        self.existence == Existence::Optional && self.somebody_lacks
    }

    fn taken_for_absent(&self, last: &Error) -> Error {
        let name = shown::printable(self.name);
        let text =
            format!("{name}: a mirror has none, and the origin cannot be asked ({last}); taken for absent");
        self.client.progress().event(Event::Warning { text: &text });
        Error::new(codes::FETCH_NOT_FOUND, format!("{name} is not there"))
            .with_help("nothing has to be done, unless it should exist: then make its origin reachable")
    }

    fn summary(&self, last: Error) -> Error {
        if self.given_up.is_empty() {
            return last;
        }
        let places = self.given_up.len() + 1;
        let message =
            format!("{} could not be fetched from any of {places} servers", shown::printable(self.name));
        let mut summary = Error::new(last.code(), message);
        for line in &self.given_up {
            summary = summary.with_detail(line);
        }
        summary = summary.with_detail(format!("{}: {last}", shown::authority(&self.place.url)));
        if let Some(help) = last.help() {
            summary = summary.with_help(help);
        }
        summary.with_source(last)
    }
}

/// The first place worth asking and those behind it. The last one always is.
fn next_usable<'a>(client: &Client, places: &'a [Place]) -> Option<(&'a Place, &'a [Place])> {
    let (place, ahead) = places.split_first()?;
    if !ahead.is_empty() && client.avoids(&shown::authority(&place.url)) {
        return next_usable(client, ahead);
    }
    Some((place, ahead))
}

fn attempts<'a>(client: &'a Client, ahead: &[Place], patient: bool) -> Attempts<'a> {
    let policy = client.settings().retry;
    let most =
        if ahead.is_empty() && patient { policy.attempts } else { policy.attempts.min(ATTEMPTS_ON_MIRROR) };
    Attempts::new(policy, most, client.progress(), client.announcements())
}

/// Whether an error says that a server is of no use at all, rather than lacking one thing.
fn is_out_of_order(code: Code) -> bool {
    [codes::FETCH_CONNECT, codes::FETCH_STALLED, codes::FETCH_TLS, codes::FETCH_WEB_PAGE, codes::FETCH_STATUS]
        .contains(&code)
}
