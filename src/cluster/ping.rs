//! Which hosts can be worked on, and what keeps us from the others.

use jiff::Timestamp;
use serde::Serialize;

use super::inventory::Host;
use super::remote::{Command, Connect, ask};
use crate::error::{Code, Error, Result, codes};
use crate::node::facts::Facts;

/// How far a clock may differ from ours, in seconds: certificates are not valid before they are made, and the members of
/// etcd complain at one second.
const CLOCK: f64 = 2.0;

/// A host that can be worked on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pong {
    /// What it runs: `Debian GNU/Linux 12 (bookworm)`.
    pub system: Option<String>,
    /// As Debian names it: `amd64`.
    pub architecture: String,
    /// By how many seconds its clock is ahead of ours; negative if it is behind. Half of the round trip is taken off.
    pub clock_ahead: Option<f64>,
    /// By how much that may be wrong, in seconds: half of the round trip.
    pub clock_uncertainty: f64,
}

/// How far we have come with a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reached {
    /// Not at all.
    Nothing,
    /// It answers.
    Host,
    /// It lets us in.
    Login,
    /// It lets us be root.
    Root,
}

impl Reached {
    /// How far we have come if this is what went wrong.
    pub fn before(code: Code) -> Reached {
        match code {
            codes::LOGIN_REFUSED
            | codes::IDENTITY_UNUSABLE
            | codes::HOST_KEY_UNKNOWN
            | codes::HOST_KEY_CHANGED => Reached::Host,
            codes::REMOTE_SHELL | codes::HOST_PROGRAM | codes::SUDO_PASSWORD | codes::SUDO_REFUSED => {
                Reached::Login
            }
            codes::HOST_LOST
            | codes::HOST_UNREACHABLE
            | codes::HOST_NAME_UNKNOWN
            | codes::JUMP_FAILED
            | codes::SSH_FAILED
            | codes::SSH_MISSING
            | codes::CONNECTION_WORD
            | codes::INTERRUPTED => Reached::Nothing,
            _ => Reached::Root,
        }
    }
}

/// Asks a host what it is, and compares its clock with ours, `now`.
///
/// # Errors
/// Whatever keeps us from working on it.
pub fn ping(connect: &dyn Connect, host: &Host, now: impl Fn() -> Timestamp) -> Result<Pong> {
    let remote = connect.connect(host)?;
    let sent = now();
    let facts: Facts = ask(&*remote, Command::airlock(["node", "facts"]))?;
    let round_trip = seconds(now()) - seconds(sent);
    let theirs = facts.clock.now.parse::<Timestamp>().ok();
    let middle = seconds(sent) + round_trip / 2.0;
    Ok(Pong {
        system: facts.os.name.clone().or_else(|| facts.os.host()),
        architecture: facts.machine.architecture,
        clock_ahead: theirs.map(|theirs| seconds(theirs) - middle),
        clock_uncertainty: round_trip / 2.0,
    })
}

fn seconds(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1e3
}

impl Pong {
    /// What is wrong with the clock, if it surely is.
    pub fn clock_error(&self, name: &str) -> Option<Error> {
        let ahead = self.clock_ahead?;
        // The clock of the facts may be cut to whole seconds.
        if ahead.abs() <= CLOCK + self.clock_uncertainty + 1.0 {
            return None;
        }
        let direction = if ahead > 0.0 { "ahead of" } else { "behind" };
        let message = format!("the clock of {name} is {:.0} s {direction} ours", ahead.abs());
        Some(Error::new(codes::CLOCK_DIFFERS, message).with_help(
            "find out which of the two is wrong; then let a time service of the site set it (`timedatectl set-ntp true`), \
             or set it by hand: `sudo date -s @SECONDS`",
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;

    use super::*;
    use crate::cluster::inventory::tests::hosts;
    use crate::cluster::remote::Remote;
    use crate::cluster::remote::tests::Scripted;
    use crate::node::facts::{Host as Machine, Request};

    struct Always(Arc<Scripted>);

    impl Connect for Always {
        fn connect(&self, _: &Host) -> Result<Arc<dyn Remote>> {
            Ok(self.0.clone())
        }
    }

    fn pong(theirs: &str, round_trip: i64) -> Pong {
        let mut facts = Facts::gather(&Machine::this(), &Request::default());
        facts.clock.now = theirs.to_owned();
        let facts = serde_json::to_string(&facts).unwrap();
        let connect = Always(Arc::new(Scripted::default().with("airlock node facts", &facts)));
        let ticks = Cell::new(0);
        let now = || {
            let start: Timestamp = "2026-05-01T10:00:00Z".parse().unwrap();
            let now = Timestamp::from_second(start.as_second() + ticks.get() * round_trip).unwrap();
            ticks.set(ticks.get() + 1);
            now
        };
        ping(&connect, &hosts(&["node1"])[0], now).unwrap()
    }

    #[test]
    fn clocks_are_compared_in_the_middle_of_the_round_trip() {
        let good = pong("2026-05-01T10:00:02Z", 4);
        assert_eq!((good.clock_ahead, good.clock_uncertainty), (Some(0.0), 2.0));
        assert!(good.clock_error("node1").is_none());
        let error = pong("2026-05-01T10:10:02Z", 4).clock_error("node1").unwrap();
        assert_eq!(
            (error.code(), error.message()),
            (codes::CLOCK_DIFFERS, "the clock of node1 is 600 s ahead of ours")
        );
        assert!(pong("2026-05-01T09:00:00Z", 0).clock_error("node1").unwrap().message().contains("behind"));
        assert!(pong("1970-01-01T00:00:00Z", 60).clock_error("node1").is_some());
        assert_eq!(pong("what", 0).clock_ahead, None);
    }

    #[test]
    fn what_went_wrong_tells_how_far_we_came() {
        for (code, reached) in [
            (codes::HOST_UNREACHABLE, Reached::Nothing),
            (codes::HOST_KEY_CHANGED, Reached::Host),
            (codes::LOGIN_REFUSED, Reached::Host),
            (codes::SUDO_PASSWORD, Reached::Login),
            (codes::CLOCK_DIFFERS, Reached::Root),
        ] {
            assert_eq!(Reached::before(code), reached);
        }
    }
}
