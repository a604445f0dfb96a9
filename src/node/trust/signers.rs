//! The pinned signers of a node: `/etc/airlock/allowed_signers`, in the format of OpenSSH.
//!
//! A key comes into the list by its fingerprint, which the operator was told by somebody and not by the
//! medium. The key itself may come from the medium then: no other one has that fingerprint.

use crate::error::{Error, Result, codes};
use crate::node::machine::Machine;
use crate::node::resource::{File, Resources};
use crate::node::step::names;
use crate::trust::allowed_signers::AllowedSigners;
use crate::trust::key::PublicKey;

/// Where the list lies.
pub const PATH: &str = "/etc/airlock/allowed_signers";

/// Where the list of keys lies that are not believed any more, if there is one.
pub const REVOKED: &str = "/etc/airlock/revoked_keys";

/// How many characters of a fingerprint are typed to accept it.
pub const TYPED: usize = 8;

/// What speaks for keys that are not pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent<'a> {
    /// Nothing.
    None,
    /// The operator has given a whole fingerprint, `SHA256:…`.
    Fingerprint(&'a str),
    /// The operator has typed the end of one.
    Ending(&'a str),
}

/// The text of the pinned list; nothing if there is none.
///
/// # Errors
/// [`codes::NODE_FILE`].
pub fn read(machine: &Machine) -> Result<Option<String>> {
    machine.read_text(PATH)
}

/// Whether one of these keys is pinned.
///
/// # Errors
/// [`codes::ALLOWED_SIGNERS`] if the list is malformed.
pub fn knows_one_of(list: &str, keys: &[PublicKey]) -> Result<bool> {
    let allowed = AllowedSigners::parse(PATH, list)?;
    Ok(keys.iter().any(|key| allowed.of_key(key).next().is_some()))
}

/// The list to believe and to pin: that of the node, with the key that the operator consents to. `keys` are
/// those that have signed the bundle, `date` is the day for the record.
///
/// # Errors
/// [`codes::SIGNERS_NOT_PINNED`] if there is no list and no consent; [`codes::SIGNER_NOT_THERE`] if nobody has
/// signed whom the consent means.
pub fn decide(pinned: Option<&str>, keys: &[PublicKey], consent: Consent<'_>, date: &str) -> Result<String> {
    let means = |key: &PublicKey| match consent {
        Consent::None => false,
        Consent::Fingerprint(wanted) => key.fingerprint() == wanted,
        Consent::Ending(typed) => typed.len() == TYPED && key.fingerprint().ends_with(typed),
    };
    let list = pinned.unwrap_or_default();
    match (consent, keys.iter().find(|key| means(key))) {
        (Consent::None, _) => pinned.map(str::to_owned).ok_or_else(|| not_pinned(keys)),
        (Consent::Ending(typed), None) if typed.len() != TYPED => {
            let detail =
                format!("{} characters were typed; its last {TYPED} are wanted", typed.chars().count());
            Err(not_there(keys).with_detail(detail))
        }
        (_, None) => Err(not_there(keys)),
        (_, Some(key)) if knows_one_of(list, std::slice::from_ref(key))? => Ok(list.to_owned()),
        (_, Some(key)) => Ok(with_key(list, key, date)),
    }
}

/// The list with a key that was accepted on a day.
fn with_key(list: &str, key: &PublicKey, date: &str) -> String {
    let gap = if list.is_empty() || list.ends_with('\n') { "" } else { "\n" };
    let line = key.allowed_line("release");
    format!("{list}{gap}# accepted on {date} by its fingerprint {}\n{line}\n", key.fingerprint())
}

fn not_pinned(keys: &[PublicKey]) -> Error {
    let [key, ..] = keys else {
        return Error::new(codes::SIGNERS_NOT_PINNED, "nobody has signed the bundle in a way that holds")
            .with_help("have it signed with `airlock bundle sign`, or get it again from its source");
    };
    let message = "this node does not know yet whom to believe";
    let help = format!(
        "compare the fingerprint with what the person told you who made the bundle; if it is the same, run the \
         same command with\n`--trust {}`",
        key.fingerprint()
    );
    signed_by(Error::new(codes::SIGNERS_NOT_PINNED, message).with_help(help), keys)
}

fn not_there(keys: &[PublicKey]) -> Error {
    let message = "the bundle is not signed by the key that you have named";
    let help = "compare every character; if it is right, this is not the bundle that you were told about";
    signed_by(Error::new(codes::SIGNER_NOT_THERE, message).with_help(help), keys)
}

fn signed_by(error: Error, keys: &[PublicKey]) -> Error {
    keys.iter().fold(error, |error, key| error.with_detail(format!("it is signed by {}", key.fingerprint())))
}

/// The step that pins a list.
pub fn step(list: &str) -> Resources {
    Resources::new(names::SIGNERS, "Pin the trusted signers").with(File::new(PATH, list))
}

/// The step that keeps a list of keys that do not count any more.
pub fn revocation(list: &[u8]) -> Resources {
    Resources::new(names::REVOKED_KEYS, "Keep the list of revoked keys").with(File::new(REVOKED, list))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::key;

    fn keys() -> [PublicKey; 2] {
        [key::generate("one", None).unwrap().public, key::generate("two", None).unwrap().public]
    }

    #[test]
    fn without_a_list_and_without_consent_it_ends() {
        let [one, _] = keys();
        let error = decide(None, std::slice::from_ref(&one), Consent::None, "2026-01-01").unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::SIGNERS_NOT_PINNED, 5));
        assert!(error.help().unwrap().contains(&format!("--trust {}", one.fingerprint())));
        let error = decide(None, &[], Consent::None, "").unwrap_err();
        assert!(error.message().contains("nobody has signed"));
        assert_eq!(decide(Some("# empty\n"), &[one], Consent::None, "").unwrap(), "# empty\n");
    }

    #[test]
    fn exactly_the_named_key_is_accepted_and_recorded_once() {
        let [one, two] = keys();
        let fingerprint = one.fingerprint();
        let both = [two.clone(), one.clone()];
        let list = decide(None, &both, Consent::Fingerprint(&fingerprint), "2026-01-01").unwrap();
        assert!(list.starts_with("# accepted on 2026-01-01 by its fingerprint SHA256:"), "{list}");
        assert!(knows_one_of(&list, std::slice::from_ref(&one)).unwrap());
        assert!(!knows_one_of(&list, std::slice::from_ref(&two)).unwrap());
        let again = decide(Some(&list), &both, Consent::Fingerprint(&fingerprint), "2027-01-01").unwrap();
        assert_eq!(again, list);
        let ending = &fingerprint[fingerprint.len() - TYPED..];
        assert_eq!(decide(None, &both, Consent::Ending(ending), "2026-01-01").unwrap(), list);
        for wrong in ["", &ending[1..], "SHA256:x", &fingerprint.to_lowercase()] {
            for consent in [Consent::Ending(wrong), Consent::Fingerprint(wrong)] {
                let error = decide(None, &both, consent, "").unwrap_err();
                assert_eq!((error.code(), error.kind().exit_status()), (codes::SIGNER_NOT_THERE, 5));
            }
        }
        let more = decide(Some("# mine"), &both, Consent::Fingerprint(&two.fingerprint()), "").unwrap();
        assert!(more.starts_with("# mine\n# accepted"));
    }
}
