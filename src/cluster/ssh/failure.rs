//! Connections that fail, as errors with their cause and what helps: from what OpenSSH has said ([`super::causes`]).

use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::causes::CAUSES;
use super::words;
use crate::cluster::inventory::Ssh;
use crate::cluster::remote::failure::{find, with_words};
use crate::cluster::remote::process::LastWords;
use crate::error::{Code, Error, codes};
use crate::quote::quote;

/// Why there is no connection to `name`; nothing of it is about host keys.
pub(super) fn explain(name: &str, ssh: &Ssh, last: &LastWords) -> Error {
    let host = format!("{name} ({})", words::shown(ssh));
    if is_of_jump(&last.errors) {
        let message = format!("the way to {host} leads through another host, which does not let us through");
        let help = "try that host by itself, as `ssh` says above: its key must be known here, and its login must need no password";
        return with_words(Error::new(codes::JUMP_FAILED, message).with_help(help), last);
    }
    let Some((text, code, what, help)) = find(CAUSES, &last.errors) else { return unknown(&host, last) };
    let error = with_words(Error::new(*code, what.replace("HOST", &host)), last);
    match *text {
        "permission denied (" => refused(error, ssh, &last.errors),
        _ => error.with_help(help.replace("HOST", &ssh.host)),
    }
}

fn unknown(host: &str, last: &LastWords) -> Error {
    if last.status == Some(255) || last.status.is_none() {
        let error = Error::new(codes::SSH_FAILED, format!("OpenSSH cannot connect to {host}"));
        return with_words(error, last).with_help("try `ssh` by hand; what it says stands above");
    }
    let error = Error::new(codes::REMOTE_SHELL, format!("{host} lets us in, but runs no commands for us"));
    with_words(error, last).with_help(
        "the user needs a usual shell on the host, such as `/bin/bash`: `sudo usermod -s /bin/bash USER`",
    )
}

/// OpenSSH says so when the process that is its connection, another `ssh`, has ended.
pub(super) fn is_of_jump(errors: &[String]) -> bool {
    errors.iter().any(|line| line.contains("UNKNOWN port 65535") || line.contains("stdio forwarding failed"))
}

/// The login was refused: with which methods, and is it the key?
fn refused(error: Error, ssh: &Ssh, errors: &[String]) -> Error {
    let methods = errors.iter().rev().find_map(|line| Some(line.rsplit_once('(')?.1.split_once(')')?.0));
    let inaccessible = errors.iter().any(|line| line.contains("not accessible"));
    match &ssh.identity_file {
        Some(file) if inaccessible => replaced(&error, codes::IDENTITY_UNUSABLE, format!("there is no private key `{}`", shown(file)))
            .with_help("name the right file as `identityFile` in the inventory"),
        Some(file) if is_encrypted(file) => replaced(&error, codes::IDENTITY_UNUSABLE, format!("the private key `{}` has a passphrase", shown(file)))
            .with_help(format!("load it into the ssh-agent first: `ssh-add {}`", shown(file))),
        _ => error.with_help(match methods {
            Some(methods) if !methods.contains("publickey") => format!(
                "it takes no keys, only `{}`: allow `PubkeyAuthentication` on the host",
                quote(methods)
            ),
            _ => "put your public key there: `ssh-copy-id` with the same user, host and port; a key with a passphrase \
                  must be in the ssh-agent (`ssh-add`); and see that user and key of the inventory are right"
                .to_owned(),
        }),
    }
}

fn replaced(error: &Error, code: Code, message: String) -> Error {
    error.details().iter().fold(Error::new(code, message), |error, detail| error.with_detail(detail))
}

fn shown(file: &Path) -> String {
    quote(&file.to_string_lossy())
}

/// Whether a private key has a passphrase, as far as its file tells: in the formats PEM (RFC 1421), PKCS #8 (RFC 5958)
/// and that of OpenSSH (PROTOCOL.key), where the name of the cipher follows the magic bytes.
fn is_encrypted(file: &Path) -> bool {
    let mut head = [0; 512];
    let count = fs_err::File::open(file).and_then(|mut file| file.read(&mut head)).unwrap_or(0);
    let head = String::from_utf8_lossy(&head[..count]).into_owned();
    if head.contains("ENCRYPTED") {
        return true;
    }
    let mut lines = head.lines();
    let is_openssh = lines.next() == Some("-----BEGIN OPENSSH PRIVATE KEY-----");
    let first = lines.next().and_then(|line| STANDARD.decode(line.get(..40)?).ok());
    is_openssh && first.is_some_and(|bytes| !bytes.starts_with(b"openssh-key-v1\0\0\0\0\x04none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssh() -> Ssh {
        Ssh {
            host: "10.0.0.7".to_owned(),
            user: Some("ada".to_owned()),
            port: None,
            identity_file: None,
            jump: None,
            host_keys: Vec::new(),
            sudo_password: None,
        }
    }

    fn explained(ssh: &Ssh, status: i32, errors: &[&str]) -> Error {
        let errors = errors.iter().map(|line| (*line).to_owned()).collect();
        explain("node1", ssh, &LastWords { status: Some(status), errors, noise: Vec::new() })
    }

    #[test]
    fn what_openssh_says_is_understood() {
        for (line, code) in [
            ("ssh: Could not resolve hostname nodex: Name or service not known", codes::HOST_NAME_UNKNOWN),
            ("ssh: connect to host 10.0.0.7 port 22: Connection refused", codes::HOST_UNREACHABLE),
            ("ssh: connect to host 10.0.0.7 port 22: No route to host", codes::HOST_UNREACHABLE),
            ("ssh: connect to host 10.0.0.7 port 22: Connection timed out", codes::HOST_UNREACHABLE),
            ("Connection timed out during banner exchange", codes::HOST_UNREACHABLE),
            ("kex_exchange_identification: Connection closed by remote host", codes::HOST_UNREACHABLE),
            ("ada@10.0.0.7: Permission denied (publickey,password).", codes::LOGIN_REFUSED),
            (
                "Received disconnect from 10.0.0.7 port 22:2: Too many authentication failures",
                codes::LOGIN_REFUSED,
            ),
            ("/root/.ssh/config: line 3: Bad configuration option: foo", codes::SSH_FAILED),
            ("Bad owner or permissions on /root/.ssh/config", codes::SSH_FAILED),
            (
                "Unable to negotiate with 10.0.0.7 port 22: no matching host key type found.",
                codes::SSH_FAILED,
            ),
            ("Timeout, server 10.0.0.7 not responding.", codes::HOST_LOST),
            ("client_loop: send disconnect: Broken pipe", codes::HOST_LOST),
            ("Connection closed by UNKNOWN port 65535", codes::JUMP_FAILED),
            ("something new", codes::SSH_FAILED),
        ] {
            let error = explained(&ssh(), 255, &["a line before", line]);
            assert_eq!(error.code(), code, "{line}");
            assert!(error.help().is_some_and(|help| !help.is_empty()), "{line}");
            assert!(error.details().contains(&line.to_owned()), "{line}");
        }
        assert_eq!(explained(&ssh(), 1, &["nologin"]).code(), codes::REMOTE_SHELL);
        let missing = "setsid: failed to execute ssh: No such file or directory";
        assert_eq!(explained(&ssh(), 127, &[missing]).code(), codes::SSH_MISSING);
    }

    #[test]
    fn the_banner_of_a_site_is_not_what_went_wrong() {
        let banner = "Idle sessions are timed out, and the connection closed.";
        let error = explained(&ssh(), 255, &[banner, "ada@10.0.0.7: Permission denied (publickey)."]);
        assert_eq!(error.code(), codes::LOGIN_REFUSED);
    }

    #[test]
    fn a_refused_login_names_what_is_wrong_with_the_key() {
        let denied = "ada@10.0.0.7: Permission denied (publickey).";
        let unprotected = explained(&ssh(), 255, &["@  WARNING: UNPROTECTED PRIVATE KEY FILE!  @", denied]);
        assert_eq!(unprotected.code(), codes::IDENTITY_UNUSABLE);
        let directory = tempfile::tempdir().unwrap();
        let with_key = |text: &str| {
            let file = directory.path().join("key");
            fs_err::write(&file, text).unwrap();
            Ssh { identity_file: Some(file), ..ssh() }
        };
        let begin = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
        let encrypted = with_key(&format!(
            "{begin}{}\n",
            STANDARD.encode(b"openssh-key-v1\0\0\0\0\x0aaes256-ctr\0\0\0\x06bcrypt\0")
        ));
        assert_eq!(explained(&encrypted, 255, &[denied]).code(), codes::IDENTITY_UNUSABLE);
        let plain = with_key(&format!(
            "{begin}{}\n",
            STANDARD.encode(b"openssh-key-v1\0\0\0\0\x04none\0\0\0\x04none\0\0\0\0")
        ));
        assert_eq!(explained(&plain, 255, &[denied]).code(), codes::LOGIN_REFUSED);
        let missing = "Warning: Identity file /x not accessible: No such file or directory.";
        assert_eq!(explained(&plain, 255, &[missing, denied]).code(), codes::IDENTITY_UNUSABLE);
        let keyboard = explained(&ssh(), 255, &["ada@10.0.0.7: Permission denied (password)."]);
        assert!(keyboard.help().unwrap().contains("`password`"));
    }
}
