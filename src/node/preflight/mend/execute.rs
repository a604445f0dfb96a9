//! Does the steps of a plan.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use fs_err::os::unix::fs::OpenOptionsExt;

use super::Step;
use crate::error::{Error, Result, codes};
use crate::node::MARKER;
use crate::quote::shorten;

/// Does one step on the machine whose files are below `root`.
///
/// # Errors
/// `E1003`: a file of that name is somebody else's, a file cannot be written, a program fails.
pub fn execute(root: &Path, step: &Step) -> Result<()> {
    match step {
        Step::Lines { path, lines } => {
            let old = own_text(root, path)?;
            replace(root, path, &merged(&old, lines))
        }
        Step::File { path, text } => own_text(root, path).and_then(|_| replace(root, path, text)),
        Step::Set { path, value } => {
            fs_err::write(place(root, path), value).map_err(|error| failed(step, error))
        }
        Step::Run { program, arguments } => run(step, program, arguments),
    }
}

fn place(root: &Path, path: &str) -> std::path::PathBuf {
    root.join(path.trim_start_matches('/'))
}

fn failed(step: &Step, cause: io::Error) -> Error {
    Error::new(codes::PREFLIGHT_FIX, format!("cannot {}", step.describe()))
        .with_help("run the command as root, or do what the remedy of the check says by hand")
        .with_source(cause)
}

/// The text of a file of ours, empty if there is none.
fn own_text(root: &Path, path: &str) -> Result<String> {
    let unreadable = |error: io::Error| {
        Error::new(codes::PREFLIGHT_FIX, format!("{path} cannot be read"))
            .with_help(format!("look at it with `cat {path}`"))
            .with_source(error)
    };
    match fs_err::read_to_string(place(root, path)) {
        Ok(text) if text.lines().take(3).any(|line| line.contains(MARKER)) => Ok(text),
        Ok(_) => {
            Err(Error::new(codes::PREFLIGHT_FIX, format!("{path} is there, and airlock has not written it"))
                .with_help(format!("move it away: `mv {path} {path}.old`, then run the command again")))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(unreadable(error)),
    }
}

/// What a line is about: the name before `=`, or all of it.
fn subject(line: &str) -> &str {
    line.split('=').next().unwrap_or_default().trim()
}

fn merged(old: &str, lines: &[String]) -> String {
    let is_renewed = |line: &&str| lines.iter().any(|new| subject(new) == subject(line));
    let kept = old.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut all: Vec<&str> = kept.filter(|line| !is_renewed(line)).collect();
    all.extend(lines.iter().map(String::as_str));
    all.sort_unstable();
    format!("# {MARKER} (node preflight --fix); `airlock node reset` deletes it.\n{}\n", all.join("\n"))
}

/// The file is there completely or not at all.
fn replace(root: &Path, path: &str, text: &str) -> Result<()> {
    let target = place(root, path);
    let write = || {
        let directory = target.parent().ok_or(io::ErrorKind::InvalidFilename)?;
        let name = target.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy().into_owned();
        fs_err::create_dir_all(directory)?;
        let partial = target.with_file_name(format!(".{name}.{}.partial", std::process::id()));
        let mut file =
            fs_err::OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&partial)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs_err::rename(&partial, &target)
    };
    write().map_err(|error| {
        Error::new(codes::PREFLIGHT_FIX, format!("{path} cannot be written"))
            .with_help("run the command as root")
            .with_source(error)
    })
}

fn run(step: &Step, program: &str, arguments: &[String]) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let output = command.output().map_err(|error| failed(step, error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(failed(step, io::Error::other(format!("{}: {}", output.status, shorten(&said, 300)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Step {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        Step::Lines { path: super::super::SYSCTL_FILE.to_owned(), lines }
    }

    #[test]
    fn lines_are_added_and_renewed_and_a_second_time_changes_nothing() {
        let root = tempfile::tempdir().unwrap();
        execute(root.path(), &lines(&["b = 1", "a = 1"])).unwrap();
        execute(root.path(), &lines(&["b = 2", "c = 3"])).unwrap();
        execute(root.path(), &lines(&["c = 3"])).unwrap();
        let text = fs_err::read_to_string(place(root.path(), super::super::SYSCTL_FILE)).unwrap();
        insta::assert_snapshot!(text, @r"
        # Written by airlock (node preflight --fix); `airlock node reset` deletes it.
        a = 1
        b = 2
        c = 3
        ");
    }

    #[test]
    fn a_file_of_somebody_else_stays() {
        let root = tempfile::tempdir().unwrap();
        let path = place(root.path(), super::super::SYSCTL_FILE);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, "mine = 1\n").unwrap();
        let error = execute(root.path(), &lines(&["a = 1"])).expect_err("it is not ours");
        assert_eq!(error.code(), codes::PREFLIGHT_FIX);
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "mine = 1\n");
    }

    #[test]
    fn a_program_that_fails_is_told_with_what_it_said() {
        let arguments = ["-c", "echo no such module >&2; exit 3"].map(str::to_owned).to_vec();
        let step = Step::Run { program: "sh".to_owned(), arguments };
        let error = execute(Path::new("/"), &step).expect_err("it fails");
        assert!(error.causes()[0].contains("no such module"), "{:?}", error.causes());
    }
}
