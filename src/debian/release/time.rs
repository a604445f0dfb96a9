//! When a `Release` file was made and how long it may be used. The clock is the caller's.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::{Release, malformed};
use crate::error::{Error, Result, codes};

/// How far in the future `Date` may be, in seconds, before a clock must be wrong. apt allows ten seconds, and
/// its users know the errors that makes.
const CLOCK_SKEW: i64 = 600;

/// Reads a time such as `Sat, 10 Feb 2024 11:07:25 UTC`; `None` if the field is absent.
pub(super) fn parse_field(name: &str, value: &str) -> Result<Option<Timestamp>> {
    if value.is_empty() {
        return Ok(None);
    }
    // RFC 2822 does not know the zone by this name, which all repositories use.
    let text = value.strip_suffix("UTC").map_or_else(|| value.to_owned(), |rest| format!("{rest}+0000"));
    DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_timestamp(text.trim_ascii())
        .map(Some)
        .map_err(|cause| malformed(&format!("has a malformed {name}")).with_source(cause))
}

impl Release<'_> {
    /// Whether the release may be used at `now`. A caller who was told to overlook it shows the error as a warning.
    ///
    /// # Errors
    /// [`codes::DEBIAN_RELEASE_EXPIRED`] after `Valid-Until`, [`codes::DEBIAN_RELEASE_FUTURE`] before `Date`.
    pub fn check_time(&self, now: Timestamp, name: &str) -> Result<()> {
        if let Some(end) = self.valid_until
            && end <= now
        {
            let message = format!("the Release file of {name} was valid until {end}, and it is {now}");
            return Err(Error::new(codes::DEBIAN_RELEASE_EXPIRED, message).with_help(
                "the mirror is stale, or somebody hides newer packages: use another mirror; if neither, set this machine's clock",
            ));
        }
        if let Some(made) = self.date
            && made.as_second() > now.as_second() + CLOCK_SKEW
        {
            let message = format!("the Release file of {name} was made on {made}, and it is {now}");
            return Err(Error::new(codes::DEBIAN_RELEASE_FUTURE, message)
                .with_help("set this machine's clock; `date --utc` shows it"));
        }
        Ok(())
    }

    /// Whether the release is at least as new as what was `seen` before. The same date is fine: some
    /// repositories never change theirs.
    ///
    /// # Errors
    /// [`codes::DEBIAN_RELEASE_OLDER`] if it is older, or has lost its date.
    pub fn check_not_older(&self, seen: Timestamp, name: &str) -> Result<()> {
        if self.date.is_some_and(|date| date >= seen) {
            return Ok(());
        }
        let found = self.date.map_or_else(|| "has no date".to_owned(), |date| format!("is of {date}"));
        let message = format!("the Release file of {name} {found}, and one of {seen} was seen before");
        Err(Error::new(codes::DEBIAN_RELEASE_OLDER, message)
            .with_help("the mirror is stale, or somebody hides newer packages: use another mirror"))
    }
}
