//! Credential helpers: programs `docker-credential-NAME` that keep passwords in a key ring.
//!
//! Protocol (docker-credential-helpers, "Development"): called with `get`, the server on standard input,
//! JSON with `Username` and `Secret` on standard output. No shell is involved, and no secret is in argv.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde::Deserialize;

use super::credentials::Credentials;
use super::shown::printable;
use crate::error::{Error, Result, codes};
use crate::secret::Secret;

/// Most bytes a helper may answer with; identity tokens have a few kilobytes.
const LONGEST_ANSWER: u64 = 256 << 10;
/// What the helpers of the Docker project say when they know no password.
const NOT_FOUND: &str = "credentials not found";
/// The user name by which a helper says that the secret is an identity token.
const TOKEN_USER: &str = "<token>";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks the helper `name` for the credentials of `server`.
pub(super) fn ask(name: &str, server: &str, timeout: Duration) -> Result<Option<Credentials>> {
    let harmless =
        name.chars().all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character));
    if name.is_empty() || !harmless {
        return Err(failed(&printable(name), "is not a name of a credential helper"));
    }
    run(&format!("docker-credential-{name}"), server, timeout)
}

/// Runs `program`; what it prints is shown only when it says that it failed, never its answer.
pub(super) fn run(program: &str, server: &str, timeout: Duration) -> Result<Option<Credentials>> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(program, "cannot be started").with_source(error))?;
    let (output, complaint) = (collect(child.stdout.take()), collect(child.stderr.take()));
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its input will say what is wrong by its status.
        let _ = stdin.write_all(format!("{server}\n").as_bytes());
    }
    let output = output.recv_timeout(timeout).map(Secret::new);
    let too_long = output.as_ref().is_ok_and(|output| output.reveal().len() as u64 > LONGEST_ANSWER);
    let (Ok(output), false) = (output, too_long) else {
        stop(&mut child);
        let reason = if too_long { "answers with more than 256 KiB" } else { "did not answer in time" };
        return Err(failed(program, reason));
    };
    // The child has closed its output, so it is about to end; one that lingers is ended.
    let complaint = complaint.recv_timeout(timeout).unwrap_or_else(|_| {
        stop(&mut child);
        Vec::new()
    });
    let status = child.wait().map_err(|error| failed(program, "cannot be waited for").with_source(error))?;
    if status.success() { answer(program, &output) } else { refusal(program, output.reveal(), &complaint) }
}

fn answer(program: &str, output: &Secret<Vec<u8>>) -> Result<Option<Credentials>> {
    let answer: Answer = serde_json::from_slice(output.reveal())
        // The parser's message may quote the secret.
        .map_err(|_| failed(program, "answers with no valid JSON of `Username` and `Secret`"))?;
    let secret = Secret::new(answer.secret);
    Ok(match answer.username.as_str() {
        "" => None,
        TOKEN_USER => Some(Credentials::IdentityToken(secret)),
        _ => Some(Credentials::Password { username: answer.username, password: secret }),
    })
}

fn refusal(program: &str, output: &[u8], complaint: &[u8]) -> Result<Option<Credentials>> {
    let said = format!("{} {}", String::from_utf8_lossy(output), String::from_utf8_lossy(complaint));
    if said.contains(NOT_FOUND) {
        return Ok(None);
    }
    Err(failed(program, "failed").with_detail(format!("it says: {}", printable(&said))))
}

/// Reads everything on a thread of its own, so that a helper that never ends can be given up on.
fn collect(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // A broken pipe ends the output like any other end.
            let _ = pipe.take(LONGEST_ANSWER + 1).read_to_end(&mut bytes);
        }
        // Nobody listens any more after a timeout.
        let _ = sender.send(bytes);
    });
    receiver
}

fn stop(child: &mut Child) {
    // It may have ended by itself in the meantime; either way it is gone and collected.
    let _ = child.kill();
    let _ = child.wait();
}

fn failed(program: &str, reason: &str) -> Error {
    Error::new(codes::CREDENTIAL_HELPER, format!("credential helper `{program}` {reason}")).with_help(
        "install or repair the helper, or remove it from `credsStore`/`credHelpers` in Docker's config.json and log in again",
    )
}
