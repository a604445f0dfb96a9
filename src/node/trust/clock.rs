//! The earliest time it can be. Behind an air gap nobody tells the time, and a clock that stands in 1970 breaks
//! certificates, the cluster and apt in ways that say nothing about clocks.

use jiff::{SignedDuration, Timestamp};

use super::state::State;
use crate::bundle::manifest::Manifest;
use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// Clocks of different machines differ by that much where nobody sets them.
const TOLERANCE: SignedDuration = SignedDuration::from_hours(1);

/// When a bundle was made, if it says so in a way that can be understood.
pub fn created(manifest: &Manifest) -> Option<Timestamp> {
    manifest.created.parse().ok()
}

/// The earliest time it can be: something that was seen has been made by then.
pub fn floor(state: &State, manifest: &Manifest) -> Option<Timestamp> {
    state.clock.into_iter().chain(created(manifest)).max()
}

/// Whether the clock can be right that says `now`.
///
/// # Errors
/// [`codes::CLOCK_BEHIND`].
pub fn check(now: Timestamp, floor: Option<Timestamp>) -> Result<()> {
    let Some(floor) = floor.filter(|floor| now.saturating_add(TOLERANCE).is_ok_and(|late| late < *floor))
    else {
        return Ok(());
    };
    let message =
        format!("the clock of this machine says {now:.0}, and it cannot be earlier than {floor:.0}");
    Err(Error::new(codes::CLOCK_BEHIND, message).with_help(
        "set it: run the same command with `--set-clock TIME`, such as `--set-clock 2026-05-04T14:30+02:00`",
    ))
}

/// The step that sets the clock, where it stands before `time`.
pub struct SetClock {
    /// What the operator read from a watch.
    pub time: Timestamp,
}

impl Step for SetClock {
    fn name(&self) -> &'static str {
        names::CLOCK
    }

    fn title(&self) -> String {
        "Set the clock".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let now = now(machine)?;
        let is_behind = now.saturating_add(TOLERANCE).is_ok_and(|late| late < self.time);
        let change = Change::new(Verb::Run, "date").with_detail(format!("{now:.0} becomes {:.0}", self.time));
        Ok(is_behind.then_some(change).into_iter().collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let time = format!("@{}", self.time.as_second());
        work.run(Call::new("date").with(["--utc".to_owned(), "--set".to_owned(), time]))?;
        Ok(Outcome::Done)
    }
}

/// What the clock of a machine says.
fn now(machine: &Machine) -> Result<Timestamp> {
    let call = Call::new("date").with(["--utc", "+%s"]);
    let said = machine.run_well(&call)?.output;
    let second = said.trim().parse().ok();
    second.and_then(|second| Timestamp::from_second(second).ok()).ok_or_else(|| {
        Error::new(codes::CLOCK_BEHIND, "`date` does not say what time it is")
            .with_help("see what `date --utc +%s` prints")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_what_has_been_is_wrong() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let floor = Some(time("2026-01-01T12:00:00Z"));
        assert!(check(time("2026-01-01T11:30:00Z"), floor).is_ok(), "clocks differ a little");
        assert!(check(time("2038-01-20T00:00:00Z"), floor).is_ok());
        assert!(check(time("1970-01-01T00:05:00Z"), None).is_ok());
        for wrong in ["1970-01-01T00:05:00Z", "2026-01-01T10:00:00Z"] {
            let error = check(time(wrong), floor).unwrap_err();
            assert_eq!((error.code(), error.kind().exit_status()), (codes::CLOCK_BEHIND, 7));
            assert!(error.help().unwrap().contains("--set-clock"));
            assert!(error.message().contains("2026-01-01T12:00:00Z"), "{error}");
        }
    }
}
