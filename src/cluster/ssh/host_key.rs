//! Host keys: those that the inventory names by fingerprint, and what is said about those that nobody knows.
//!
//! A fingerprint says nothing to OpenSSH, which wants the key itself. So the host is asked for its keys first, over the
//! same way (jump hosts included) and without a login. Only a key whose SHA-256 is in the inventory becomes the one
//! line of a `known_hosts` of our own; then OpenSSH is strict about that, and has the host prove that it holds the key.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::cluster::inventory::Host;
use crate::cluster::remote::process::LastWords;
use crate::error::{Error, codes};
use crate::oci::digest::Digest;
use crate::quote::{quote, shorten};

/// Kinds of keys that a host may have, as groups of algorithms (ssh_config(5), `HostKeyAlgorithms`).
pub(super) const KINDS: [&str; 3] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521",
    "rsa-sha2-512,rsa-sha2-256",
];

/// Longest `known_hosts` that is looked into, in bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// A key that a host has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offered {
    /// The line for `known_hosts` (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").
    pub(super) line: String,
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub(super) fingerprint: String,
}

/// The key in a line of `known_hosts`.
pub(super) fn parse(line: &str) -> Option<Offered> {
    let key = line.split_whitespace().nth(if line.starts_with('@') { 3 } else { 2 })?;
    let digest = Digest::of(&STANDARD.decode(key).ok()?);
    let fingerprint = format!("SHA256:{}", STANDARD_NO_PAD.encode(digest.bytes()));
    Some(Offered { line: shorten(line.trim(), 4096), fingerprint })
}

/// Whether OpenSSH says that it does not know the key.
pub(super) fn is_unknown(last: &LastWords) -> bool {
    last.errors.iter().any(|line| line.contains("host key is known for"))
}

/// Whether OpenSSH says that it knows another key.
pub(super) fn is_changed(last: &LastWords) -> bool {
    last.errors.iter().any(|line| line.contains("REMOTE HOST IDENTIFICATION HAS CHANGED"))
}

/// Nobody has said that the key is the right one.
pub(super) fn unknown(host: &Host, offered: &[Offered]) -> Error {
    let error =
        Error::new(codes::HOST_KEY_UNKNOWN, format!("the host key of {} is not known here", host.name));
    let error = offered.iter().fold(error.with_location(host.location.clone()), |error, key| {
        error
            .with_detail(format!("it shows the key {}", key.fingerprint))
            .with_detail(format!("line for `~/.ssh/known_hosts`: {}", key.line))
            .with_detail(format!("or for the host in the inventory: `hostKeys: [\"{}\"]`", key.fingerprint))
    });
    error.with_help(
        "compare the fingerprint at the host itself: `cat /etc/ssh/ssh_host_*_key.pub | ssh-keygen -lf -`; if they are \
         equal, add one of the two lines and run the command again",
    )
}

/// None of the keys that the host shows is in the inventory.
pub(super) fn not_in_inventory(host: &Host, expected: &[String], offered: &[Offered]) -> Error {
    let message =
        format!("{} shows another host key than the inventory says: it may be somebody else", host.name);
    let error = Error::new(codes::HOST_KEY_CHANGED, message).with_location(host.location.clone());
    let expected = expected.iter().map(|key| format!("expected {}", quote(key)));
    let shown = offered.iter().map(|key| format!("shown    {}", key.fingerprint));
    expected.chain(shown).fold(error, Error::with_detail).with_help(format!(
        "if the host was installed anew: compare at the host itself (`cat /etc/ssh/ssh_host_*_key.pub | ssh-keygen -lf -`), \
         then correct `hostKeys` of {} in the inventory",
        host.name
    ))
}

/// OpenSSH knows another key. It says which file and line has it; the fingerprint of that is read there.
pub(super) fn changed(host: &Host, last: &LastWords) -> Error {
    let message = format!("the host key of {} has changed: it may be somebody else", host.name);
    let mut error = Error::new(codes::HOST_KEY_CHANGED, message).with_location(host.location.clone());
    let known = last.errors.iter().find_map(|line| offending(line));
    if let Some(old) = known.as_ref().and_then(|(file, line)| key_at(file, *line)) {
        error = error.with_detail(format!("known {}", old.fingerprint));
    }
    let shown = last.errors.iter().find_map(|line| line.trim().trim_end_matches('.').strip_prefix("SHA256:"));
    if let Some(shown) = shown {
        error = error.with_detail(format!("shown SHA256:{}", quote(shown)));
    }
    let first = "if the host was installed anew: compare at the host itself (`cat /etc/ssh/ssh_host_*_key.pub | ssh-keygen -lf -`), then";
    match known {
        Some((file, line)) => {
            let file = quote(&file.to_string_lossy());
            error.with_detail(format!("the known key stands in {file}, line {line}"))
                .with_help(format!("{first} delete the old one: `sed -i {line}d {file}`, and run the command again; it shows the line to add"))
        }
        None => error.with_help(format!("{first} correct `~/.ssh/known_hosts`")),
    }
}

/// File and line in `Offending ED25519 key in /home/ada/.ssh/known_hosts:3`.
fn offending(line: &str) -> Option<(PathBuf, usize)> {
    let (file, line) = line.trim().strip_prefix("Offending ")?.split_once(" key in ")?.1.rsplit_once(':')?;
    Some((file.into(), line.parse().ok()?))
}

fn key_at(file: &Path, line: usize) -> Option<Offered> {
    let lines = BufReader::new(fs_err::File::open(file).ok()?.take(MAX_FILE)).lines();
    parse(&lines.map_while(Result::ok).nth(line.checked_sub(1)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::inventory::tests::hosts;

    const LINE: &str =
        "[127.0.0.1]:2222 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8ZMsc9XjHrjyaA+PXzVHFg+OiQ+MgZrvxNHoWLQzHE x";

    #[test]
    fn fingerprints_are_those_of_openssh() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("known_hosts");
        fs_err::write(&file, format!("# a comment\n{LINE}\n")).unwrap();
        let output = std::process::Command::new("ssh-keygen").arg("-lf").arg(&file).output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let key = key_at(&file, 2).unwrap();
        assert!(output.contains(&key.fingerprint), "{output} {key:?}");
        assert_eq!(key_at(&file, 1), None);
        assert_eq!(key_at(&file, 0), None);
        for line in ["", "host ssh-ed25519", "host ssh-ed25519 !!", "@revoked host ssh-ed25519"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_changed_key_is_shown_with_both_fingerprints_and_its_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("known_hosts");
        fs_err::write(&file, LINE).unwrap();
        let errors = [
            "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @".to_owned(),
            "SHA256:newnewnewnewnewnewnewnewnewnewnewnewnewnewn.".to_owned(),
            format!("Offending ED25519 key in {}:1", file.display()),
        ];
        let last = LastWords { status: Some(255), errors: errors.into(), noise: Vec::new() };
        assert!(is_changed(&last));
        let error = changed(&hosts(&["node1"])[0], &last);
        assert_eq!(error.kind(), crate::error::Kind::Untrusted);
        let details = error.details().join("\n");
        assert!(
            details.contains(&parse(LINE).unwrap().fingerprint) && details.contains("SHA256:newnew"),
            "{details}"
        );
        assert!(error.help().unwrap().contains(&format!("sed -i 1d {}", file.display())));
    }
}
