//! Single values of an inventory. Whatever passes can go into an argument, a file or a terminal as it is.

use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::Result;
use crate::quote::quote;
use crate::secret::Secret;
use crate::spec::check::refused;
use crate::spec::check::text::{plain, text};
use crate::spec::raw::Text;
use crate::spec::source::Source;

use super::Secrets;

/// Longest user name, and longest host name (RFC 1035, 2.3.4).
const MAX_LENGTH: usize = 253;

/// A text for which `fault` knows nothing against it. `what` is how a message calls it.
pub(super) fn fitting<W: Display>(
    source: &Source<'_>,
    value: &Text,
    what: &str,
    fault: impl FnOnce(&str) -> Result<(), W>,
) -> Result<String> {
    let typed = text(source, value)?;
    match fault(typed) {
        Ok(()) => Ok(typed.to_owned()),
        Err(why) => {
            let message = format!("`{}` cannot be used as {what}", quote(typed));
            Err(refused(source, &value.span, message, format!("allowed is: {why}")))
        }
    }
}

/// A value with a grammar of its own, whose error says what is wrong.
pub(super) fn parsed<T: FromStr<Err = String>>(source: &Source<'_>, value: &Text, help: &str) -> Result<T> {
    text(source, value)?.parse().map_err(|why: String| refused(source, &value.span, why, help))
}

/// A whole number in decimal, without sign, spaces or leading zeros.
pub(super) fn number<T: TryFrom<u64>>(
    source: &Source<'_>,
    value: &Text,
    what: &str,
    range: RangeInclusive<u64>,
) -> Result<T> {
    let typed = plain(source, value)?;
    let is_plain =
        typed.bytes().all(|byte| byte.is_ascii_digit()) && (typed == "0" || !typed.starts_with('0'));
    let number = typed.parse().ok().filter(|number| is_plain && range.contains(number));
    number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
        let message = format!("`{}` is not {what}", quote(typed));
        let help = format!("write a whole number from {} to {}", range.start(), range.end());
        refused(source, &value.span, message, help)
    })
}

/// A port.
pub(super) fn port(source: &Source<'_>, value: &Text) -> Result<u16> {
    number(source, value, "a port", 1..=u64::from(u16::MAX))
}

/// An address that another machine can reach, without zone; brackets are taken off.
pub(super) fn address(source: &Source<'_>, value: &Text) -> Result<IpAddr> {
    let typed = text(source, value)?;
    let wrong =
        |why: &str, help: &str| Err(refused(source, &value.span, format!("`{}` {why}", quote(typed)), help));
    if typed.contains('%') {
        return wrong(
            "has a zone, which means something on one machine only",
            "write an address that is valid on every machine, without `%`: not one that begins with fe80",
        );
    }
    match unbracketed(typed).parse::<IpAddr>() {
        Ok(address) if address.is_loopback() || address.is_unspecified() || address.is_multicast() => wrong(
            "is no address by which another machine reaches this one",
            "write the address of the interface that faces the other nodes; `ip address` shows it",
        ),
        Ok(address) => Ok(address),
        Err(_) if typed.contains('/') => {
            wrong("is a network, not an address", "write the address alone, without `/` and what follows")
        }
        Err(_) => wrong("is not an IP address", "write it out, such as `10.0.0.11` or `fd00::11`"),
    }
}

/// Without the brackets that an IPv6 address may have.
pub(super) fn unbracketed(text: &str) -> &str {
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text)
}

/// What OpenSSH connects to: an address, a name, or a name in its configuration. `name` is part of `value`.
pub(super) fn ssh_host(source: &Source<'_>, value: &Text, name: &str) -> Result<String> {
    plain(source, value)?;
    let name = unbracketed(name);
    if is_ssh_host(name) {
        return Ok(name.to_owned());
    }
    let help = match name {
        name if name.starts_with('-') => "a host cannot begin with `-`; ssh would take it for an option",
        name if name.contains('%') => "write an address without zone, or a name from `~/.ssh/config`",
        name if name.contains('@') => "write who logs in on its own, as the user, and the host without `@`",
        _ => {
            "allowed are letters, digits, `.`, `_` and `-`, or an IP address; a range is written `node[01:16]`"
        }
    };
    Err(refused(source, &value.span, format!("`{}` cannot be used as a host", quote(name)), help))
}

fn is_ssh_host(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_name =
        (1..=MAX_LENGTH).contains(&name.len()) && name.bytes().all(fits) && !name.starts_with(['-', '.']);
    is_name || name.parse::<IpAddr>().is_ok()
}

/// A name to log in with.
pub(super) fn user(source: &Source<'_>, value: &Text) -> Result<String> {
    fitting(source, value, "a user", |user| match is_user(user) {
        true => Ok(()),
        false => Err("letters, digits, `.`, `_`, `-`, `+` and `@`, beginning with a letter, digit or `_`"),
    })
}

fn is_user(user: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+@".contains(&byte);
    let begins = user.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
    begins && user.len() <= MAX_LENGTH && user.bytes().all(fits)
}

/// `[USER@]HOST[:PORT]`, several with commas (ssh_config(5), ProxyJump).
pub(super) fn jump(source: &Source<'_>, value: &Text) -> Result<String> {
    fitting(source, value, "hosts to go through", |jump| match jump.split(',').all(is_hop) {
        true => Ok(()),
        false => Err("`USER@HOST:PORT`, of which only the host is needed; several are joined by commas"),
    })
}

fn is_hop(hop: &str) -> bool {
    let (user, rest) = match hop.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, hop),
    };
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':').unwrap_or("x"))),
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let port_fits =
        port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0) && !port.starts_with('+'));
    user.is_none_or(is_user) && is_ssh_host(host) && port_fits
}

/// The fingerprint of a host key: `SHA256:` and 43 characters of base64, as `ssh-keygen -l` prints it.
pub(super) fn fingerprint(source: &Source<'_>, value: &Text) -> Result<String> {
    fitting(source, value, "the fingerprint of a key", |text| {
        let hash = text.strip_prefix("SHA256:").unwrap_or_default();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+/".contains(&byte);
        match hash.len() == 43 && hash.bytes().all(fits) {
            true => Ok(()),
            false => {
                Err("`SHA256:` and 43 characters, as `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` \
                          prints it on the host")
            }
        }
    })
}

/// The path of a file on this machine, relative to the file that names it. `~/` is left to whoever opens it.
pub(super) fn local_path(source: &Source<'_>, directory: &Path, value: &Text) -> Result<PathBuf> {
    let typed = fitting(source, value, "the path of a file", |path| {
        let is_strange =
            |character: char| character.is_whitespace() || "\"'`$%;|&<>(){}*?!\\".contains(character);
        match path.is_empty() || path.starts_with('-') || path.contains(is_strange) {
            true => Err("a path without spaces, quotes and characters with a meaning to a shell"),
            false => Ok(()),
        }
    })?;
    Ok(if typed.starts_with("~/") { PathBuf::from(typed) } else { directory.join(typed) })
}

/// What is in a file with a secret.
pub(super) fn secret(
    source: &Source<'_>,
    directory: &Path,
    value: &Text,
    secrets: &mut Secrets<'_>,
) -> Result<Secret<String>> {
    let path = local_path(source, directory, value)?;
    secrets.read(&path).map_err(|error| error.with_location(source.location(&value.span, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_users_and_jumps_hold_nothing_that_steers_a_program() {
        for host in ["node1", "Node_1.lab", "10.0.0.1", "fd00::1", "localhost"] {
            assert!(is_ssh_host(host), "{host}");
        }
        for host in
            ["", "-oProxyCommand=x", "a b", "a;b", "`a`", "$(a)", "a\nb", "fe80::1%eth0", "a/b", ".a", "ü"]
        {
            assert!(!is_ssh_host(host) && !is_hop(host), "{host}");
        }
        for user in ["root", "_apt", "a.b-c", "me@lab.example", "x+y"] {
            assert!(is_user(user), "{user}");
        }
        for user in ["", "-l", "a;b", "$(a)", "a b", "a\n", "a'b", "a\"", "@a"] {
            assert!(!is_user(user), "{user}");
        }
        for jump in ["bastion", "me@bastion:2222", "[fd00::1]:22", "me@[fd00::1]"] {
            assert!(is_hop(jump), "{jump}");
        }
        for jump in ["a:0", "a:x", "a:+1", "@a", "-a", "me@", "[a]b", "ssh://a"] {
            assert!(!is_hop(jump), "{jump}");
        }
    }
}
