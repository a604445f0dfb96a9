//! Whether and when a server is asked again. The verdict on each failure is made in `failure`; here it is
//! carried out, with pauses that grow and differ at random so that many clients do not return at once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::failure::{Failure, Verdict};
use super::settings::RetryPolicy;
use crate::error::{Error, codes};
use crate::progress::{Event, Progress};

/// More failures than anybody reads about. A server that fetches for its clients runs for months; then all of
/// it is forgotten, and said again.
const MOST_ANNOUNCED: usize = 1000;

/// What was said about failures already. Many transfers fail alike when a server is down; one line for each
/// round of attempts tells as much as one for each transfer.
#[derive(Default)]
pub(super) struct Announcements(Mutex<BTreeMap<String, usize>>);

impl Announcements {
    /// Whether nobody has said yet that `what` failed for the `attempt`th time.
    fn is_news(&self, what: &str, attempt: usize) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() >= MOST_ANNOUNCED && !said.contains_key(what) {
            said.clear();
        }
        let known = said.entry(what.to_owned()).or_default();
        let is_news = attempt > *known;
        *known = attempt.max(*known);
        is_news
    }
}

/// The attempts made on one server for one thing.
pub(super) struct Attempts<'a> {
    announcements: &'a Announcements,
    policy: RetryPolicy,
    most: usize,
    failed: usize,
    delays: ExponentialBackoff,
    progress: &'a dyn Progress,
}

impl<'a> Attempts<'a> {
    /// Up to `most` attempts in the rhythm of `policy`; `progress` hears of every pause.
    pub(super) fn new(
        policy: RetryPolicy,
        most: usize,
        progress: &'a dyn Progress,
        announcements: &'a Announcements,
    ) -> Self {
        Attempts { announcements, policy, most, failed: 0, delays: delays(&policy), progress }
    }

    /// Forgets the failures, because since then something was achieved.
    pub(super) fn reset(&mut self) {
        (self.failed, self.delays) = (0, delays(&self.policy));
    }

    /// Waits until the next attempt may be made, or gives the failure back if there is to be none.
    pub(super) async fn after(&mut self, failure: Failure) -> Result<(), Failure> {
        let Verdict::Again(wait) = failure.verdict else { return Err(failure) };
        self.failed += 1;
        if self.failed >= self.most {
            return Err(self.give_up(failure));
        }
        let own = self.delays.next().unwrap_or(self.policy.longest_delay);
        let pause = match wait {
            Some(wait) if wait > self.policy.longest_wait => return Err(too_long(failure, wait)),
            Some(wait) => wait.max(own),
            None => own,
        };
        let what = failure.error.to_string();
        if self.announcements.is_news(&what, self.failed) {
            let text = format!("{what}; trying again in {}", seconds(pause));
            self.progress.event(Event::Warning { text: &text });
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    fn give_up(&self, failure: Failure) -> Failure {
        let error = match self.failed {
            1 => failure.error,
            attempts => failure.error.with_detail(format!("it was tried {attempts} times")),
        };
        Failure::elsewhere(error)
    }
}

fn delays(policy: &RetryPolicy) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(policy.base_delay)
        .with_max_delay(policy.longest_delay)
        .with_jitter()
        .without_max_times()
        .build()
}

fn too_long(failure: Failure, wait: Duration) -> Failure {
    let message = format!("{}, and asks to come back in {}", failure.error, seconds(wait));
    Failure::elsewhere(
        Error::new(codes::FETCH_WAIT, message)
            .with_help("run the same command again then; what was fetched is kept")
            .with_source(failure.error),
    )
}

fn seconds(duration: Duration) -> String {
    if duration.as_secs() >= 10 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{:.1} s", duration.as_secs_f32())
    }
}

/// How long the server asks to wait: seconds or a date (RFC 9110, 10.2.3). `now` is what it is compared with.
pub(super) fn retry_after(headers: &HeaderMap, now: std::time::SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use reqwest::header::HeaderValue;
    use std::time::{SystemTime, UNIX_EPOCH};

    fn quick() -> RetryPolicy {
        let moment = Duration::from_millis(1);
        RetryPolicy { attempts: 3, base_delay: moment, longest_delay: moment, longest_wait: moment }
    }

    fn failure(verdict: Verdict) -> Failure {
        Failure { error: Error::new(codes::FETCH_CONNECT, "broken"), verdict }
    }

    #[test]
    fn what_fails_alike_is_said_once_for_each_round() {
        let announcements = Announcements::default();
        assert!(announcements.is_news("a cannot be reached", 1));
        assert!(!announcements.is_news("a cannot be reached", 1));
        assert!(announcements.is_news("a cannot be reached", 2));
        assert!(announcements.is_news("b cannot be reached", 1));
        assert!(!announcements.is_news("a cannot be reached", 1));
    }

    #[tokio::test]
    async fn attempts_end_unless_something_is_achieved() {
        let announcements = Announcements::default();
        let mut attempts = Attempts::new(quick(), 3, &Silent, &announcements);
        for _ in 0..5 {
            assert!(attempts.after(failure(Verdict::Again(None))).await.is_ok());
            assert!(attempts.after(failure(Verdict::Again(None))).await.is_ok());
            attempts.reset();
        }
        assert!(attempts.after(failure(Verdict::Again(None))).await.is_ok());
        assert!(attempts.after(failure(Verdict::Again(None))).await.is_ok());
        let last = attempts.after(failure(Verdict::Again(None))).await.unwrap_err();
        assert_eq!(last.verdict, Verdict::Elsewhere);
        assert_eq!(last.error.details(), ["it was tried 3 times"]);
    }

    #[tokio::test]
    async fn final_failures_and_long_waits_end_at_once() {
        let announcements = Announcements::default();
        let mut attempts = Attempts::new(quick(), 3, &Silent, &announcements);
        let never = attempts.after(failure(Verdict::Never)).await.unwrap_err();
        assert_eq!(never.verdict, Verdict::Never);
        let long =
            attempts.after(failure(Verdict::Again(Some(Duration::from_secs(7200))))).await.unwrap_err();
        assert_eq!(long.error.code(), codes::FETCH_WAIT);
        assert!(long.error.message().contains("7200 s"));
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_date() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_700);
        let wait = |text: &str, now: SystemTime| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(text).unwrap())]), now)
        };
        assert_eq!(wait("30", now), Some(Duration::from_secs(30)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(77)));
        assert_eq!(
            wait("Sun, 06 Nov 1994 08:49:37 GMT", now + Duration::from_secs(100)),
            Some(Duration::ZERO)
        );
        assert_eq!(wait("soon", now), None);
        assert_eq!(wait("-5", now), None);
    }
}
