//! The one place where words of an inventory become arguments of OpenSSH.
//!
//! OpenSSH takes a host, a user and a jump host apart again: a leading `-` makes an option of them, `%` is expanded, and
//! what a `ProxyCommand` of the user repeats goes through a shell. So they have few characters, whatever the inventory
//! has checked before (CVE-2017-1000117 and its many relatives).

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::cluster::inventory::Ssh;
use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// Longest name of a host or user: DNS names have at most 253 characters (RFC 1035, section 2.3.4).
const LONGEST: usize = 255;

/// The arguments that say where to connect to and as whom. The last is the destination, behind `--`.
///
/// # Errors
/// [`codes::CONNECTION_WORD`].
pub fn destination(ssh: &Ssh) -> Result<Vec<OsString>> {
    let mut arguments: Vec<OsString> = Vec::new();
    if let Some(user) = &ssh.user {
        check("user", user, is_user(user))?;
        arguments.extend(["-l".into(), user.into()]);
    }
    if let Some(port) = ssh.port {
        arguments.extend(["-p".into(), port.to_string().into()]);
    }
    if let Some(file) = &ssh.identity_file {
        arguments.extend(["-o".into(), "IdentitiesOnly=yes".into(), "-i".into(), identity(file)?]);
    }
    if let Some(jump) = &ssh.jump {
        check("jump host", jump, jump.split(',').all(is_jump))?;
        arguments.extend(["-o".into(), format!("ProxyJump={jump}").into()]);
    }
    check("host", &ssh.host, is_host(&ssh.host))?;
    arguments.extend(["--".into(), ssh.host.as_str().into()]);
    Ok(arguments)
}

/// How a host is named in messages: `ada@node1:2222`.
pub fn shown(ssh: &Ssh) -> String {
    let user = ssh.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let port = ssh.port.map(|port| format!(":{port}")).unwrap_or_default();
    let host = if ssh.host.contains(':') { format!("[{}]", ssh.host) } else { ssh.host.clone() };
    quote(&format!("{user}{host}{port}"))
}

/// `%` begins a token and `${` a variable in the name of a key file (ssh_config(5), "TOKENS").
fn identity(file: &Path) -> Result<OsString> {
    let bytes = file.as_os_str().as_bytes();
    let is_plain = !bytes.is_empty()
        && !bytes.starts_with(b"-")
        && bytes.iter().all(|byte| !byte.is_ascii_control() && !matches!(byte, b'%' | b'$' | b'"'));
    check("private key", &file.to_string_lossy(), is_plain)?;
    Ok(file.into())
}

/// A name, an IPv4 or IPv6 address, the latter perhaps with a zone (RFC 6874 allows what we do).
fn is_host(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "eth0"));
    let is_address = address.parse::<std::net::Ipv6Addr>().is_ok();
    let is_zone = is_name(zone, |byte| matches!(byte, b'.' | b'_' | b'-'));
    let is_host_name = is_name(text, |byte| matches!(byte, b'.' | b'_' | b'-'));
    is_host_name || (is_address && is_zone)
}

/// `DOMAIN+user` and `user@domain` are how directories name users.
fn is_user(text: &str) -> bool {
    is_name(text, |byte| matches!(byte, b'.' | b'_' | b'-' | b'+' | b'@'))
}

/// `[USER@]HOST[:PORT]`, with brackets around an IPv6 address.
fn is_jump(text: &str) -> bool {
    let (user, host) = text.rsplit_once('@').unwrap_or(("user", text));
    let (host, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((host, port)) => {
            (host, port.strip_prefix(':').or_else(|| port.is_empty().then_some("22")).unwrap_or("-"))
        }
        None => host.split_once(':').unwrap_or((host, "22")),
    };
    let is_port =
        !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    is_user(user) && is_host(host) && is_port
}

fn is_name(text: &str, is_mark: impl Fn(u8) -> bool) -> bool {
    let begins_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    begins_well
        && text.len() <= LONGEST
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_mark(byte))
}

fn check(what: &str, word: &str, is_good: bool) -> Result<()> {
    if is_good {
        return Ok(());
    }
    let message = format!("`{}` cannot be the {what} of a connection", quote(word));
    Err(Error::new(codes::CONNECTION_WORD, message).with_help(
        "letters, digits, `.`, `_` and `-` are allowed, not at its beginning; give anything else its name in `~/.ssh/config`",
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ssh(host: &str) -> Ssh {
        Ssh {
            host: host.to_owned(),
            user: None,
            port: None,
            identity_file: None,
            jump: None,
            host_keys: Vec::new(),
            sudo_password: None,
        }
    }

    #[test]
    fn usual_words_become_arguments() {
        let all = Ssh {
            user: Some("svc+ada@site.lan".to_owned()),
            port: Some(2222),
            identity_file: Some("~/.ssh/id key".into()),
            jump: Some("ada@bastion:22,[fe80::1%eth0]:2222,gate".to_owned()),
            ..ssh("fe80::1%eth0")
        };
        let arguments = destination(&all).unwrap();
        let words: Vec<&str> = arguments.iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(
            words,
            [
                "-l",
                "svc+ada@site.lan",
                "-p",
                "2222",
                "-o",
                "IdentitiesOnly=yes",
                "-i",
                "~/.ssh/id key",
                "-o",
                "ProxyJump=ada@bastion:22,[fe80::1%eth0]:2222,gate",
                "--",
                "fe80::1%eth0",
            ]
        );
        for host in ["node1", "10.0.0.1", "::1", "node_1.lab.example", "_x"] {
            assert_eq!(destination(&ssh(host)).unwrap().last().unwrap(), host);
        }
    }

    #[test]
    fn a_port_is_told_from_an_address() {
        let all = Ssh { user: Some("ada".to_owned()), port: Some(2222), ..ssh("fd00::1") };
        assert_eq!(shown(&all), "ada@[fd00::1]:2222");
        assert_eq!(shown(&ssh("node1")), "node1");
    }

    #[test]
    fn hostile_words_are_refused_in_every_field() {
        for word in [
            "",
            "-oProxyCommand=touch x",
            "-",
            "a;b",
            "a`id`",
            "$(id)",
            "a b",
            "a\nb",
            "a'b",
            "a\"b",
            "%h",
            "a%b",
            "a|b",
            "a&b",
            "a>b",
            "a\\b",
            "../x",
            "a/b",
            "ä",
            "a\0b",
            "a\u{1b}[2J",
            "${HOME}",
            "#a",
            "~",
            "[::1]",
            "::1;x",
            "*",
            "?",
        ] {
            let in_host = ssh(word);
            let in_user = Ssh { user: Some(word.to_owned()), ..ssh("node1") };
            let in_jump = Ssh { jump: Some(word.to_owned()), ..ssh("node1") };
            let in_jumps = Ssh { jump: Some(format!("gate,{word}@x:1")), ..ssh("node1") };
            for bad in [in_host, in_user, in_jumps] {
                let error = destination(&bad).unwrap_err();
                assert_eq!(error.code(), codes::CONNECTION_WORD, "{word:?}");
                assert!(!error.message().contains(['\u{1b}', '\n']));
            }
            assert!(destination(&in_jump).is_err() || word == "[::1]", "{word:?}");
        }
        for path in ["", "-x", "a\nb", "%d/x", "${HOME}/x", "a\"b"] {
            let bad = Ssh { identity_file: Some(path.into()), ..ssh("node1") };
            assert!(destination(&bad).is_err(), "{path:?}");
        }
        for jump in ["a:", "a:x", "a:99999", "a:1:2", "[::1", "[::1]x", "a,,b", "a,", "a:+1"] {
            let bad = Ssh { jump: Some(jump.to_owned()), ..ssh("node1") };
            assert!(destination(&bad).is_err(), "{jump:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_passes_is_harmless(word in "\\PC{0,12}") {
            let is_harmless = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+@:%[],".contains(&byte)) && !text.starts_with('-');
            for ssh in [ssh(&word), Ssh { user: Some(word.clone()), ..ssh("a") }, Ssh { jump: Some(word.clone()), ..ssh("a") }] {
                prop_assert!(destination(&ssh).is_err() || is_harmless(&word), "{}", word);
            }
        }
    }
}
