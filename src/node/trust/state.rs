//! `state.json`: what the node has seen (`bundle-spec/node-state.md`). One that cannot be read is an error and
//! never made anew, since an empty one would let every old bundle in.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bundle::manifest::Manifest;
use crate::error::{Error, Result, codes};
use crate::node::machine::Machine;
use crate::oci::digest::Digest;
use crate::quote::quote;

/// Where it lies.
pub const PATH: &str = "/var/lib/airlock/state.json";

/// Version of the format.
const FORMAT: u32 = 1;

/// A jump of a serial that nobody makes by building bundles.
const JUMP: u64 = 100_000;

/// What the node has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct State {
    /// Version of the format.
    pub format: u32,
    /// The latest time that was seen, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Timestamp>,
    /// What was installed last, by channel.
    #[serde(default)]
    pub channels: BTreeMap<String, Seen>,
}

/// The bundle of a channel that was installed last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Seen {
    /// Its serial: older ones are refused.
    pub serial: u64,
    /// Its identity.
    pub bundle: Digest,
    /// When it was installed, RFC 3339 in UTC.
    pub at: Timestamp,
    /// Fingerprints of those who signed it; nobody, if that was allowed.
    pub signers: Vec<String>,
    /// The higher serial before it, if the operator went back by naming this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lowered_from: Option<u64>,
}

/// What a bundle is to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The first of its channel.
    First,
    /// The one that the node has.
    Same,
    /// Newer than the one that the node has.
    Newer {
        /// The serial rises by more than bundles that are built one after the other.
        suspiciously: bool,
    },
    /// Older, and the operator wants exactly this one.
    Older {
        /// The serial that the node has.
        than: u64,
    },
}

impl Default for State {
    fn default() -> State {
        State { format: FORMAT, clock: None, channels: BTreeMap::new() }
    }
}

impl State {
    /// Reads the state of a machine; a machine without one has seen nothing.
    ///
    /// # Errors
    /// [`codes::NODE_STATE`] if it is damaged, of a newer version, or others could have written it.
    pub fn read(machine: &Machine) -> Result<State> {
        let Some(found) = machine.metadata(PATH)? else { return Ok(State::default()) };
        let is_own = found.is_file() && found.uid() == rustix::process::geteuid().as_raw();
        if !is_own || found.mode() & 0o022 != 0 {
            return Err(unusable("others than root can write it"));
        }
        State::parse(&machine.read(PATH)?.unwrap_or_default())
    }

    /// Understands a state.
    ///
    /// # Errors
    /// [`codes::NODE_STATE`].
    pub fn parse(bytes: &[u8]) -> Result<State> {
        let value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|error| unusable("it is damaged").with_source(error))?;
        if value["format"].as_u64().is_some_and(|format| format > FORMAT.into()) {
            return Err(unusable("a newer airlock has written it"));
        }
        serde_json::from_value(value).map_err(|error| unusable("it is damaged").with_source(error))
    }

    /// As it is written.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Maps with text keys and numbers always serialise.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// What a bundle is to this node, and whether it may be installed. `allowed` is the serial of an older one
    /// that the operator has named.
    ///
    /// # Errors
    /// [`codes::BUNDLE_OLDER`]; [`codes::SERIAL_TWICE`].
    pub fn judge(&self, manifest: &Manifest, bundle: Digest, allowed: Option<u64>) -> Result<Standing> {
        let (serial, channel) = (manifest.serial, &manifest.channel);
        let Some(seen) = self.channels.get(channel) else { return Ok(Standing::First) };
        if serial > seen.serial {
            return Ok(Standing::Newer { suspiciously: serial - seen.serial > JUMP });
        }
        if serial == seen.serial {
            return if bundle == seen.bundle {
                Ok(Standing::Same)
            } else {
                Err(twice(seen, channel, bundle))
            };
        }
        match allowed == Some(serial) {
            true => Ok(Standing::Older { than: seen.serial }),
            false => Err(older(seen.serial, serial, channel)),
        }
    }
}

fn older(seen: u64, serial: u64, channel: &str) -> Error {
    let channel = quote(channel);
    let message = format!(
        "the bundle has serial {serial} of channel `{channel}`, this node has installed serial {seen} already"
    );
    Error::new(codes::BUNDLE_OLDER, message).with_help(format!(
        "get the newest bundle; or, to go back to exactly this one, run the same command with \
         `--allow-downgrade {serial}`"
    ))
}

fn twice(seen: &Seen, channel: &str, bundle: Digest) -> Error {
    let (serial, channel) = (seen.serial, quote(channel));
    let message = format!("two different bundles claim serial {serial} of channel `{channel}`");
    Error::new(codes::SERIAL_TWICE, message)
        .with_detail(format!("this node has {}, installed at {}", seen.bundle, seen.at))
        .with_detail(format!("this bundle is {bundle}"))
        .with_help("ask its signer which of them is right, and have the other one built with a new serial")
}

fn unusable(why: &str) -> Error {
    Error::new(codes::NODE_STATE, format!("`{PATH}` cannot be used: {why}")).with_help(format!(
        "restore it from a backup; or, if you know that the bundle is the newest, move it away: \
         `mv {PATH} {PATH}.damaged`, and run the same command again"
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    use super::*;
    use crate::bundle::manifest::apt::example;
    use crate::node::machine::SystemPrograms;

    fn state(serial: u64) -> State {
        let seen = Seen {
            serial,
            bundle: Digest::of(b"bundle"),
            at: Timestamp::UNIX_EPOCH,
            signers: vec!["SHA256:abc".to_owned()],
            lowered_from: None,
        };
        State { channels: BTreeMap::from([("stable".to_owned(), seen)]), ..State::default() }
    }

    fn manifest(serial: u64) -> Manifest {
        Manifest { serial, channel: "stable".to_owned(), ..example::manifest(Vec::new()) }
    }

    #[test]
    fn serials_only_rise_unless_the_operator_names_one() {
        let (state, same) = (state(7), Digest::of(b"bundle"));
        let judge = |serial, allowed| state.judge(&manifest(serial), same, allowed);
        assert_eq!(judge(7, None).unwrap(), Standing::Same);
        assert_eq!(judge(8, None).unwrap(), Standing::Newer { suspiciously: false });
        assert_eq!(judge((1 << 53) - 1, None).unwrap(), Standing::Newer { suspiciously: true });
        let error = judge(6, None).unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::BUNDLE_OLDER, 6));
        assert!(error.message().contains("serial 6") && error.message().contains("serial 7"));
        assert!(error.help().unwrap().contains("--allow-downgrade 6"));
        assert_eq!(judge(6, Some(6)).unwrap(), Standing::Older { than: 7 });
        assert!(judge(6, Some(5)).is_err(), "only the one that was named");
        assert_eq!(State::default().judge(&manifest(1), same, None).unwrap(), Standing::First);
    }

    #[test]
    fn one_serial_is_one_bundle() {
        let error = state(7).judge(&manifest(7), Digest::of(b"other"), Some(7)).unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::SERIAL_TWICE, 5));
        assert!(error.message().contains("claim serial 7"));
    }

    #[test]
    fn a_state_that_cannot_be_read_is_never_made_anew() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::new(root.path(), Arc::new(SystemPrograms));
        assert_eq!(State::read(&machine).unwrap(), State::default());
        let path = machine.path(PATH);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        let whole = state(7).to_bytes();
        fs_err::write(&path, &whole).unwrap();
        assert_eq!(State::read(&machine).unwrap(), state(7));
        let newer = String::from_utf8(whole.clone()).unwrap().replace("\"format\": 1", "\"format\": 2");
        for (bytes, why) in [(&whole[..40], "damaged"), (b"", "damaged"), (newer.as_bytes(), "newer")] {
            fs_err::write(&path, bytes).unwrap();
            let error = State::read(&machine).unwrap_err();
            assert_eq!((error.code(), error.kind().exit_status()), (codes::NODE_STATE, 3));
            assert!(error.message().contains(why) && error.help().unwrap().contains("mv "), "{error}");
        }
        fs_err::write(&path, &whole).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(State::read(&machine).unwrap_err().message().contains("others than root"));
    }
}
