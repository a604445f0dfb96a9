//! Why nobody on a host works for us, and what helps: what sudo, the shell and the agent itself have said.

use super::Told;
use super::process::{LastWords, shown};
use super::talk::Failure;
use crate::error::{Code, Error, codes};
use crate::quote::shorten;

/// Exit status of our scripts where the program is not on the host any more.
pub(in crate::cluster) const PROGRAM_GONE: i32 = 96;

/// A text of sudo, what it means, and what helps. The first that fits counts; all are in lower case.
const OF_SUDO: &[(&str, Code, &str, &str)] = &[
    (
        "is not in the sudoers file",
        codes::SUDO_REFUSED,
        "the user may not use `sudo`",
        "let the user use it: as root on the host `usermod -aG sudo USER` (Debian, Ubuntu) or `usermod -aG wheel USER`; or log in as root",
    ),
    (
        "is not allowed to",
        codes::SUDO_REFUSED,
        "`sudo` does not allow the user to run airlock as root",
        "add the line `USER ALL=(root) ALL` on the host with `visudo`, or log in as root",
    ),
    (
        "may not run sudo",
        codes::SUDO_REFUSED,
        "the user may not use `sudo`",
        "add the line `USER ALL=(root) ALL` on the host with `visudo`, or log in as root",
    ),
    (
        "you must have a tty to run sudo",
        codes::SUDO_REFUSED,
        "`sudo` wants a terminal (`requiretty`)",
        "add the line `Defaults:USER !requiretty` on the host with `visudo`, or log in as root",
    ),
    (
        "a terminal is required",
        codes::SUDO_REFUSED,
        "`sudo` wants a terminal",
        "add the line `Defaults:USER !requiretty` on the host with `visudo`, or log in as root",
    ),
    (
        "effective uid is not 0",
        codes::SUDO_REFUSED,
        "`sudo` on the host is broken: it does not run as root",
        "on the host: `chown root:root /usr/bin/sudo && chmod 4755 /usr/bin/sudo`, and mount its file system without `nosuid`",
    ),
    (
        "no new privileges",
        codes::SUDO_REFUSED,
        "`sudo` cannot work: the login may not gain privileges",
        "the SSH server of the host runs with NoNewPrivileges; log in as root, or change its service",
    ),
    (
        "account or password is expired",
        codes::SUDO_REFUSED,
        "the password of the user has expired",
        "log in by hand and set a new one with `passwd`",
    ),
    (
        "incorrect password attempt",
        codes::SUDO_PASSWORD,
        "`sudo` wants another password",
        "give the right one with `--ask-sudo-password`, `--sudo-password-file FILE` or `sudoPasswordFile` in the inventory",
    ),
    (
        "a password is required",
        codes::SUDO_PASSWORD,
        "`sudo` wants a password",
        "give it with `--ask-sudo-password`, `--sudo-password-file FILE` or `sudoPasswordFile` in the inventory",
    ),
    (
        "sudo: command not found",
        codes::SUDO_REFUSED,
        "there is no `sudo`",
        "install it on the host, or log in as root",
    ),
    (
        "sudo: not found",
        codes::SUDO_REFUSED,
        "there is no `sudo`",
        "install it on the host, or log in as root",
    ),
];

impl Failure {
    /// The same as an error about the host `name`.
    pub(in crate::cluster) fn into_error(self, name: &str) -> Error {
        let again = "run the same command again; it continues where this one stopped";
        match self {
            Failure::Ended(last) => ended(name, &last),
            Failure::Silent(last) => {
                let message = format!("{name} went away: nothing was heard of it any more");
                let help = "see whether the host still runs and its network works; then run the same command again";
                with_words(Error::new(codes::HOST_LOST, message).with_help(help), &last)
            }
            Failure::PasswordMissing => Error::new(codes::SUDO_PASSWORD, format!("`sudo` on {name} wants a password"))
                .with_help("give it with `--ask-sudo-password`, `--sudo-password-file FILE` or `sudoPasswordFile` in the inventory"),
            Failure::PasswordWrong => Error::new(codes::SUDO_PASSWORD, format!("`sudo` on {name} does not accept the password"))
                .with_help("give the right one; it was tried once only, so that the account is not locked"),
            Failure::Version(version) => {
                let message = format!("{name} speaks version {version} of the protocol, this program another one");
                Error::new(codes::REMOTE_ANSWER, message)
                    .with_help("somebody has replaced the program on the host: run the same command again")
            }
            Failure::Garbage(line) => {
                Error::new(codes::REMOTE_ANSWER, format!("what {name} says cannot be understood"))
                    .with_detail(shorten(&String::from_utf8_lossy(&line), 200))
                    .with_help(again)
            }
            Failure::Deadline(deadline) => {
                let message = format!("a command on {name} did not end within {} s", deadline.as_secs());
                Error::new(codes::REMOTE_DEADLINE, message)
                    .with_help("it was ended; see on the host what it waited for, then run the same command again")
            }
            Failure::Stopped => Error::new(codes::INTERRUPTED, "interrupted").with_help(again),
            Failure::Input(error) => Error::new(codes::FILE_READ, format!("what {name} was to get cannot be read"))
                .with_help("see what keeps it, then run the same command again")
                .with_source(error),
            Failure::TooMuch => Error::new(codes::REMOTE_ANSWER, format!("{name} says more than 64 MiB"))
                .with_help("the command is not meant for that; ask for less"),
        }
    }
}

fn ended(name: &str, last: &LastWords) -> Error {
    let told = last.errors.iter().rev().find_map(|line| serde_json::from_str::<Told>(line).ok());
    if let Some(told) = told {
        return told.into_error();
    }
    if let Some((_, code, what, help)) = find(OF_SUDO, &last.errors) {
        return with_words(Error::new(*code, format!("{name}: {what}")).with_help(*help), last);
    }
    if last.status == Some(PROGRAM_GONE) {
        return Error::new(codes::HOST_PROGRAM, format!("{name} has lost the program that was copied there"))
            .with_help("run the same command again; it is copied again");
    }
    let error = Error::new(codes::REMOTE_SHELL, format!("{name} lets us in, but airlock does not run there"));
    with_words(error, last).with_help("what it said stands above; log in by hand with `ssh` and see why")
}

/// The first of the causes whose text is in the lines.
pub(in crate::cluster) fn find<'a, T>(
    causes: &'a [(&'a str, Code, T, T)],
    lines: &[String],
) -> Option<&'a (&'a str, Code, T, T)> {
    let lines: Vec<String> = lines.iter().map(|line| line.to_lowercase()).collect();
    causes.iter().find(|(text, ..)| lines.iter().any(|line| line.contains(text)))
}

/// An error with what was said.
pub(in crate::cluster) fn with_words(error: Error, last: &LastWords) -> Error {
    shown(&last.noise).chain(shown(&last.errors)).fold(error, Error::with_detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: &str) -> Error {
        let last = LastWords { status: Some(1), errors: vec![line.to_owned()], noise: Vec::new() };
        Failure::Ended(last).into_error("node1")
    }

    #[test]
    fn what_sudo_says_is_understood() {
        for (line, code) in [
            ("ada is not in the sudoers file.  This incident will be reported.", codes::SUDO_REFUSED),
            (
                "Sorry, user ada is not allowed to execute '/x node agent' as root on node1.",
                codes::SUDO_REFUSED,
            ),
            ("sudo: sorry, you must have a tty to run sudo", codes::SUDO_REFUSED),
            ("sudo: 1 incorrect password attempt", codes::SUDO_PASSWORD),
            ("sh: 1: exec: sudo: not found", codes::SUDO_REFUSED),
            ("This account is currently not available.", codes::REMOTE_SHELL),
        ] {
            let error = error(line);
            assert_eq!(error.code(), code, "{line}");
            assert!(error.message().contains("node1") && error.details().contains(&line.to_owned()));
        }
    }

    #[test]
    fn an_error_of_the_agent_itself_is_repeated() {
        let told = r#"{"code":"E1137","message":"m","details":[],"causes":[],"help":null}"#;
        assert_eq!(error(told).code(), codes::AGENT_REQUEST);
    }
}
