//! Which program installs: that of the node, where it has one, and never the one on a medium.
//!
//! The first installation pins the program of a bundle that was verified. From then on that one decides about trust:
//! an `install` on a medium that somebody starts hands over to it before it reads anything. And when a newer bundle
//! brings another program, that one goes on as soon as it is in place, since the steps after it are those of its
//! version. Either way the pinned program runs afterwards, so that it cannot happen again and again.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use super::options::INPUT;
use super::{InstallArgs, secret_file, source};
use crate::cli::session::Session;
use crate::cli::usage::is_install;
use crate::error::{Error, Result, codes};
use crate::node::install::PROGRAM;
use crate::node::journal;
use crate::node::machine::Machine;
use crate::secret::Secret;

/// The program that runs, whatever became of its file.
const RUNNING: &str = "/proc/self/exe";

/// Whether the machine has a program of ours, and it is not the one that runs. The journal is not read: one that runs
/// may be too old to understand it.
pub(super) fn is_due(machine: &Machine) -> Result<bool> {
    if machine.metadata(journal::PATH)?.is_none() || machine.metadata(PROGRAM)?.is_none() {
        return Ok(false);
    }
    let identity = |path: &str| fs_err::metadata(machine.path(path)).map(|found| (found.dev(), found.ino()));
    match (identity(RUNNING), identity(PROGRAM)) {
        (Ok(running), Ok(pinned)) if running == pinned => Ok(false),
        (Ok(_), Ok(_)) => Ok(machine.digest(RUNNING)? != machine.digest(PROGRAM)?),
        _ => Ok(false),
    }
}

/// Becomes the program of the node, with the same words; comes back only with an error. `token` is what was read from
/// standard input, if it was.
pub(super) fn to_pinned(
    arguments: &InstallArgs,
    session: &Session,
    further: &[&str],
    token: Option<&Secret<String>>,
) -> Result<()> {
    session.note(&format!("{PROGRAM} goes on"));
    let medium = source::beside(arguments, session);
    let mut words = words(&session.environment().arguments, medium);
    words.extend(further.iter().map(OsString::from));
    session.close();
    let is_from_input = arguments.node.token_file.as_deref() == Some(Path::new(INPUT));
    let given = token.filter(|_| is_from_input).map_or(Ok(()), secret_file::to_input);
    let error = given.map_or_else(|error| error, |()| Command::new(PROGRAM).args(words).exec());
    Err(Error::new(codes::HANDOVER, format!("{PROGRAM}, the program of this node, cannot be started"))
        .with_help(format!(
            "if it is damaged, remove it, `rm {PROGRAM}`, and run the same command again: it puts the one of the bundle \
             in place, once that is verified"
        ))
        .with_source(error))
}

/// The words behind the name of the program. Its place says no more where the bundle is, and standard input was read.
fn words(arguments: &[OsString], medium: Option<&Path>) -> Vec<OsString> {
    let (name, rest) = arguments.split_first().map_or((None, &[][..]), |(name, rest)| (Some(name), rest));
    let mut words = Vec::new();
    if name.is_some_and(|name| is_install(Path::new(name))) {
        words.push("install".into());
        words.extend(medium.map(OsString::from));
    }
    let mut rest = rest.iter().peekable();
    while let Some(word) = rest.next() {
        match word.to_str() {
            Some("--settings=-") => {}
            Some("--settings") if rest.peek().is_some_and(|next| *next == "-") => drop(rest.next()),
            _ => words.push(word.clone()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::node::machine::SystemPrograms;

    fn words_of(arguments: &[&str], medium: Option<&str>) -> Vec<OsString> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        words(&arguments, medium.map(Path::new))
    }

    #[test]
    fn the_words_stay_and_the_place_of_the_program_becomes_one() {
        assert_eq!(
            words_of(&["/media/stick/install", "--plan"], Some("/media/stick")),
            ["install", "/media/stick", "--plan"]
        );
        assert_eq!(
            words_of(&["./install", "--from", "https://a:5443"], None),
            ["install", "--from", "https://a:5443"]
        );
        let own = ["airlock", "--json", "install", "/media/stick"];
        assert_eq!(words_of(&own, Some("/elsewhere")), own[1..]);
    }

    #[test]
    fn standard_input_is_not_read_twice() {
        for settings in [&["--settings", "-"][..], &["--settings=-"]] {
            let words = [&["airlock", "install"], settings, &["--yes"]].concat();
            assert_eq!(words_of(&words, None), ["install", "--yes"]);
        }
        assert_eq!(
            words_of(&["airlock", "install", "--settings", "a"], None),
            ["install", "--settings", "a"]
        );
    }

    #[test]
    fn it_is_due_where_a_node_has_another_program() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::new(root.path(), Arc::new(SystemPrograms));
        let write = |path: &str, text: &str| {
            fs_err::create_dir_all(machine.path(path).parent().unwrap()).unwrap();
            fs_err::write(machine.path(path), text).unwrap();
        };
        write(RUNNING, "one");
        write(PROGRAM, "other");
        assert!(!is_due(&machine).unwrap(), "nothing was installed here");
        write(journal::PATH, "");
        assert!(is_due(&machine).unwrap());
        write(PROGRAM, "one");
        assert!(!is_due(&machine).unwrap(), "it is the same in another file");
        fs_err::remove_file(machine.path(PROGRAM)).unwrap();
        assert!(!is_due(&machine).unwrap());
    }
}
