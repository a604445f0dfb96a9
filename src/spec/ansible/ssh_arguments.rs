//! Arguments for `ssh` in variables: hosts to go through are understood, everything else belongs into the user's own
//! configuration of OpenSSH, which airlock leaves in force.

use std::ops::Range;

use super::notes::Notes;
use super::words;
use crate::error::{Result, codes};
use crate::quote::quote;
use crate::spec::raw::Text;
use crate::spec::source::Source;
use crate::spec::yaml::Located;

/// Options that change how a connection feels, not where it leads (ssh_config(5)), in small letters.
const COMFORT: [&str; 17] = [
    "addkeystoagent",
    "batchmode",
    "compression",
    "connectionattempts",
    "connecttimeout",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "forwardagent",
    "gssapiauthentication",
    "identitiesonly",
    "loglevel",
    "passwordauthentication",
    "preferredauthentications",
    "serveralivecountmax",
    "serveraliveinterval",
    "tcpkeepalive",
];

/// Options that switch off what protects against a machine in the middle.
const TRUST: [&str; 4] =
    ["stricthostkeychecking", "userknownhostsfile", "globalknownhostsfile", "checkhostip"];

/// The hosts to go through, if the arguments name any.
pub(super) fn jump(source: &Source<'_>, arguments: &Text, notes: &mut Notes<'_>) -> Result<Option<Text>> {
    let span = &arguments.span;
    let wrong = |what: &str| {
        let message = format!("the argument `{}` for ssh is not understood", quote(what));
        let help = "write it into `~/.ssh/config` under `Host NAME`, which airlock obeys, and delete it here";
        source.error(codes::INVENTORY_NOT_UNDERSTOOD, message, span, "").with_help(help)
    };
    let words = words::split(&arguments.value, 0).map_err(|_| wrong(&arguments.value))?;
    let mut words = words.into_iter().map(|word| word.value);
    let mut jump = None;
    while let Some(word) = words.next() {
        let (letter, attached) =
            word.strip_prefix('-').and_then(|word| word.split_at_checked(1)).unwrap_or_default();
        match letter {
            "J" | "o" => {
                let value = if attached.is_empty() { words.next() } else { Some(attached.to_owned()) };
                let value = value.ok_or_else(|| wrong(&word))?;
                let found = if letter == "J" {
                    Some(value)
                } else {
                    option(&value, span, notes).map_err(|()| wrong(&value))?
                };
                jump = found.or(jump);
            }
            "q" | "C" | "A" | "4" | "6" | "v" if attached.is_empty() => comfort(&word, span, notes),
            _ => return Err(wrong(&word)),
        }
    }
    Ok(jump.map(|value| Located { value, span: span.clone() }))
}

/// The hosts to go through, if `NAME=VALUE` or `NAME VALUE` names them.
fn option(text: &str, span: &Range<usize>, notes: &mut Notes<'_>) -> Result<Option<String>, ()> {
    let (name, value) = text.split_once(['=', ' ']).ok_or(())?;
    let name = name.trim().to_ascii_lowercase();
    let value = value.trim().trim_matches('"');
    match name.as_str() {
        "proxyjump" => return Ok(Some(value.to_owned())),
        "proxycommand" => return proxy_command(value).map(Some).ok_or(()),
        name if TRUST.contains(&name) => notes.add(
            "host keys",
            span,
            "keys of hosts are always checked, whatever the arguments for ssh say",
            "connect to each host once with `ssh`, which asks and remembers, or write its fingerprint as `hostKeys` into a \
             `cluster.yaml`",
        ),
        name if COMFORT.contains(&name) => comfort(text, span, notes),
        _ => return Err(()),
    }
    Ok(None)
}

fn comfort(argument: &str, span: &Range<usize>, notes: &mut Notes<'_>) {
    notes.add(
        &format!("argument {argument}"),
        span,
        format!("the argument `{}` for ssh is left out", quote(argument)),
        "nothing has to be done; if the connection needs it, write it into `~/.ssh/config`",
    );
}

/// `ssh -W %h:%p [-q] [-p PORT] [USER@]HOST`, the way of old to go through a host.
fn proxy_command(command: &str) -> Option<String> {
    let words = words::split(command, 0).ok()?;
    let mut words = words.iter().map(|word| word.value.as_str());
    if words.next() != Some("ssh") {
        return None;
    }
    let (mut host, mut port, mut forwards) = (None, None, false);
    while let Some(word) = words.next() {
        match word {
            "-W" => forwards = words.next() == Some("%h:%p"),
            "-p" => port = words.next(),
            "-q" | "-A" => {}
            word if word.starts_with('-') || host.is_some() => return None,
            word => host = Some(word),
        }
    }
    let host = host.filter(|_| forwards)?;
    Some(port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jump_of(arguments: &str) -> Result<Option<String>> {
        let source = Source::ini("hosts", "x");
        let text = Located { value: arguments.to_owned(), span: 0..1 };
        let mut notes = Notes::new(&source);
        Ok(jump(&source, &text, &mut notes)?.map(|jump| jump.value))
    }

    #[test]
    fn hosts_to_go_through_are_understood_in_every_spelling() {
        for arguments in [
            "-J me@bastion",
            "-Jme@bastion",
            "-o ProxyJump=me@bastion",
            "-oProxyJump=me@bastion -o ControlMaster=auto -C",
            "-o 'proxyjump me@bastion'",
            "-o ProxyCommand='ssh -W %h:%p -q me@bastion'",
            r#"-o ProxyCommand="ssh -W %h:%p -q me@bastion" -o StrictHostKeyChecking=no"#,
        ] {
            assert_eq!(jump_of(arguments).unwrap().as_deref(), Some("me@bastion"), "{arguments}");
        }
        let with_port = "-o ProxyCommand='ssh -p 2222 -W %h:%p me@bastion'";
        assert_eq!(jump_of(with_port).unwrap().as_deref(), Some("me@bastion:2222"));
        assert_eq!(jump_of("-o ConnectTimeout=5").unwrap(), None);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for arguments in [
            "-o ProxyCommand='nc %h %p'",
            "-L 1:a:1",
            "-o LocalCommand=x",
            "bastion",
            "-J",
            "-o x",
            "-o ProxyCommand='ssh a'",
            "'",
        ] {
            let error = jump_of(arguments).expect_err(arguments);
            assert_eq!(error.code(), codes::INVENTORY_NOT_UNDERSTOOD);
        }
    }
}
