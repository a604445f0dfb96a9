//! Runs the programs that a lab is made with.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::Result;

/// Where the programs of an administrator lie; `PATH` of whoever runs the lab need not have them.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command that reads nothing, speaks English and finds the programs of an administrator.
pub fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).env("PATH", SEARCH_PATH).env("LC_ALL", "C.UTF-8");
    command
}

/// Runs it to its end; gives what it printed.
pub fn run(program: &str, arguments: &[&str]) -> Result<String> {
    finish(&mut command(program, arguments))
}

/// The same for a command that was prepared otherwise.
pub fn finish(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    if !output.status.success() {
        let program = command.get_program().to_string_lossy().into_owned();
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
        return Err(
            format!("`{program} {}`: {}: {}", arguments.join(" "), output.status, said(&output)).into()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether the program is installed.
pub fn is_installed(program: &str) -> bool {
    SEARCH_PATH.split(':').any(|directory| Path::new(directory).join(program).exists())
}

/// Everything a program said.
pub fn said(output: &Output) -> String {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{stdout}{stderr}").trim_end().to_owned()
}
