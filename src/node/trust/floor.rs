//! The last step of an installation: from now on nothing older is accepted.

use jiff::Timestamp;

use super::state::{PATH, Seen, State};
use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::Machine;
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;
use crate::oci::digest::Digest;

/// Raises the serial of a channel to that of the bundle; lowers it if the operator went back by its number.
pub struct RaiseFloor {
    /// The channel.
    pub channel: String,
    /// The serial of the bundle.
    pub serial: u64,
    /// The identity of the bundle.
    pub bundle: Digest,
    /// Fingerprints of those who signed it.
    pub signers: Vec<String>,
    /// When the bundle was made, if it says so: no clock stands before that.
    pub created: Option<Timestamp>,
}

impl RaiseFloor {
    fn is_seen(&self, state: &State) -> bool {
        let seen = state.channels.get(&self.channel);
        seen.is_some_and(|seen| seen.serial == self.serial && seen.bundle == self.bundle)
    }

    /// The state behind this bundle, at the time `now`.
    fn after(&self, mut state: State, now: Timestamp) -> State {
        let before = state.channels.get(&self.channel).map(|seen| seen.serial);
        let seen = Seen {
            serial: self.serial,
            bundle: self.bundle,
            at: now,
            signers: self.signers.clone(),
            lowered_from: before.filter(|before| *before > self.serial),
        };
        state.channels.insert(self.channel.clone(), seen);
        state.clock = state.clock.into_iter().chain(self.created).chain([now]).max();
        state
    }
}

impl Step for RaiseFloor {
    fn name(&self) -> &'static str {
        names::SERIAL_FLOOR
    }

    fn title(&self) -> String {
        format!("Refuse bundles older than serial {} from now on", self.serial)
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        if self.is_seen(&State::read(machine)?) {
            return Ok(Vec::new());
        }
        let detail = format!("serial {} of channel {}", self.serial, self.channel);
        Ok(vec![Change::new(Verb::Replace, PATH).with_detail(detail)])
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let state = self.after(State::read(work.machine())?, Timestamp::now());
        work.write_file(PATH, &state.to_bytes(), 0o644)?;
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floor(serial: u64) -> RaiseFloor {
        let (channel, bundle) = ("stable".to_owned(), Digest::of(&serial.to_le_bytes()));
        RaiseFloor { channel, serial, bundle, signers: Vec::new(), created: None }
    }

    #[test]
    fn time_and_serial_rise_and_a_way_back_is_recorded() {
        let time = |second| Timestamp::from_second(second).unwrap();
        let first = floor(7).after(State::default(), time(1000));
        assert!(floor(7).is_seen(&first) && !floor(8).is_seen(&first));
        let created = RaiseFloor { created: Some(time(5000)), ..floor(8) };
        let second = created.after(first, time(2000));
        assert_eq!((second.clock, second.channels["stable"].lowered_from), (Some(time(5000)), None));
        let third = floor(6).after(second, time(3000));
        assert_eq!(third.clock, Some(time(5000)), "time never goes back");
        assert_eq!((third.channels["stable"].serial, third.channels["stable"].lowered_from), (6, Some(8)));
        assert_eq!(State::parse(&third.to_bytes()).unwrap(), third);
    }
}
