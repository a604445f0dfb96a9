//! Runs programs cut off from the world: without a network interface that is up, with mounts and processes of
//! their own.
//!
//! unshare(1) makes the namespaces. Whatever ends this process, the kernel ends everything in them, and their
//! mounts go with them: `setpriv --pdeathsig` ties unshare to us, `--kill-child` ties the first process of the
//! namespace to unshare, and with the first process end all others.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, PipeReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::debian::apt_get::Invocation;
use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// Where programs are looked for, on this machine and in a root.
pub(super) const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Most bytes of output that are kept, the last ones.
const OUTPUT_LIMIT: usize = 4 << 20;
/// Longest line that is kept whole, in bytes.
const LINE_LIMIT: u64 = 64 << 10;
/// How long one program may take. Building kernel modules on a slow machine is the longest there is.
const TIME_LIMIT: Duration = Duration::from_secs(2 * 60 * 60);

/// How a program ended.
#[derive(Debug)]
pub(super) struct Finished {
    /// Whether its exit status was 0.
    pub(super) succeeded: bool,
    /// What it printed, standard output and error as they came.
    pub(super) output: String,
}

/// Runs a program to its end, below the directory `root` if there is one. When the future is dropped, everything
/// that runs is ended and has ended.
///
/// # Errors
/// `E0873` if it cannot be started or does not end within two hours. Its failure is no error here.
pub(super) async fn run(invocation: &Invocation, root: Option<&Path>) -> Result<Finished> {
    let program = invocation.program;
    let failed = |error| {
        Error::new(codes::PROVE_ROOT, format!("`{program}` cannot be run for the proof")).with_source(error)
    };
    let (mut running, output) = Running::start(&mut command(invocation, root)).map_err(failed)?;
    let Ok(output) = tokio::time::timeout(TIME_LIMIT, output).await else {
        return Err(Error::new(codes::PROVE_ROOT, format!("`{program}` did not end within two hours"))
            .with_help("look what it waits for, for example with `ps axf` while the proof runs"));
    };
    let status = running.child.wait().map_err(failed)?;
    Ok(Finished { succeeded: status.success(), output: output.unwrap_or_default() })
}

fn command(invocation: &Invocation, root: Option<&Path>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(wrapper(root)).arg(invocation.program).args(&invocation.arguments);
    command.env_clear().env("PATH", SEARCH_PATH).env("HOME", "/root");
    command.envs(invocation.environment.iter().copied()).stdin(Stdio::null()).current_dir("/");
    command
}

/// What stands before the program.
fn wrapper(root: Option<&Path>) -> Vec<OsString> {
    let namespaces = ["--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"];
    let mut words: Vec<OsString> = ["--pdeathsig", "KILL", "unshare"].map(OsString::from).to_vec();
    words.extend(namespaces.map(OsString::from));
    if let Some(root) = root {
        let mut option = OsString::from("--root=");
        option.push(root);
        words.push(option);
    }
    words.push("--mount-proc".into());
    words
}

/// A program that runs, and the thread that reads what it prints.
struct Running {
    child: Child,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts it; the receiver gets all output once nobody can write any more.
    fn start(command: &mut Command) -> std::io::Result<(Running, oneshot::Receiver<String>)> {
        let (reader, writer) = std::io::pipe()?;
        let child = command.stdout(writer.try_clone()?).stderr(writer).spawn()?;
        // The command holds the ends that we could write to; without them the output ends with the program.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let (sender, receiver) = oneshot::channel();
        let collect = move || {
            // Nobody listens any more when the proof was given up.
            let _ = sender.send(collect(reader));
        };
        let reader = std::thread::Builder::new().name("proof".to_owned()).spawn(collect)?;
        Ok((Running { child, reader: Some(reader) }, receiver))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone and collected.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The output ends when the last process of the namespace is gone, and only then is its root at rest.
        let _ = self.reader.take().map(JoinHandle::join);
    }
}

/// The last lines that come out of the pipe.
fn collect(pipe: PipeReader) -> String {
    let mut pipe = BufReader::new(pipe);
    let mut lines: VecDeque<String> = VecDeque::new();
    let mut length = 0;
    while let Some(line) = next_line(&mut pipe) {
        length += line.len();
        lines.push_back(line);
        while length > OUTPUT_LIMIT {
            length -= lines.pop_front().map_or(length, |line| line.len());
        }
    }
    lines.into_iter().collect()
}

fn next_line(pipe: &mut impl BufRead) -> Option<String> {
    let mut bytes = Vec::new();
    // A broken pipe ends the output like any other end.
    let count = std::io::Read::take(&mut *pipe, LINE_LIMIT).read_until(b'\n', &mut bytes).unwrap_or(0);
    (count > 0).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// Makes sure that this machine lets us make such namespaces: containers often do not.
///
/// # Errors
/// `E0871` with what unshare says.
pub(super) async fn check() -> Result<()> {
    let nothing = Invocation { program: "true", arguments: Vec::new(), environment: &[] };
    let finished = run(&nothing, None).await?;
    if finished.succeeded {
        return Ok(());
    }
    Err(Error::new(codes::PROVE_RIGHTS, "a proof needs a network and mounts of its own, and this machine refuses them")
        .with_detail(format!("unshare says: {}", quote(finished.output.trim())))
        .with_help("run it outside of a container, or in one that may make namespaces (`--privileged`, or CAP_SYS_ADMIN without seccomp)"))
}

#[cfg(test)]
mod tests {
    use rustix::fs::{FlockOperation, flock};

    use super::*;

    #[test]
    fn nothing_of_the_network_is_left_and_everything_ends_with_us() {
        let words = wrapper(Some(Path::new("/r"))).join(std::ffi::OsStr::new(" "));
        assert_eq!(
            words,
            "--pdeathsig KILL unshare --net --mount --pid --ipc --uts --fork --kill-child --root=/r --mount-proc"
        );
    }

    #[test]
    fn output_is_kept_from_its_end() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let thread = std::thread::spawn(move || collect(reader));
        let line = format!("{}\n", "x".repeat(1 << 20));
        use std::io::Write as _;
        for _ in 0..6 {
            writer.write_all(line.as_bytes()).unwrap();
        }
        writer.write_all(b"the last \xff words").unwrap();
        drop(writer);
        let kept = thread.join().unwrap();
        assert!(kept.ends_with("the last \u{fffd} words") && kept.len() <= OUTPUT_LIMIT);
    }

    #[tokio::test]
    #[expect(clippy::print_stderr, reason = "a skipped test says why")]
    async fn a_program_has_no_network_and_ends_when_nobody_waits_for_it() {
        if !rustix::process::geteuid().is_root() || check().await.is_err() {
            eprintln!("SKIPPED: namespaces need the rights of root");
            return;
        }
        let shell = |script: &str| Invocation {
            program: "sh",
            arguments: vec!["-c".to_owned(), script.to_owned()],
            environment: &[],
        };
        let routes = run(&shell("cat /proc/net/route; echo $$; exit 3"), None).await.unwrap();
        assert!(!routes.succeeded);
        assert_eq!(routes.output, "1\n", "no route, and process 1 of its own");
        let marker = tempfile::NamedTempFile::new().unwrap();
        // The lock is held for as long as any of the processes lives.
        let script = format!("exec 9>>{}; flock 9; echo locked >&9; sleep 1000", marker.path().display());
        let forever = shell(&script);
        tokio::select! {
            _ = run(&forever, None) => panic!("it ended"),
            () = async { while marker.as_file().metadata().unwrap().len() == 0 { tokio::task::yield_now().await } } => {}
        }
        flock(marker.as_file(), FlockOperation::NonBlockingLockExclusive).expect("something still runs");
    }
}
