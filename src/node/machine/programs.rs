//! Running programs: bounded in time and memory, and never with a terminal.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::call::{Call, Finished};

/// How much of the end of each output is kept.
const KEPT: usize = 1024 * 1024;

/// How long the rest of an output may take when its program has ended.
const LINGER: Duration = Duration::from_secs(2);

/// Where programs are looked for, as by systemd.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The environment of every program that is called. What kubectl remembers of the API would lie in the home of root
/// otherwise, where nobody would take it away again; below `/run/k3s` it goes with k3s.
pub const ENVIRONMENT: [(&str, &str); 4] =
    [("PATH", PATH), ("HOME", "/root"), ("LC_ALL", "C.UTF-8"), ("KUBECACHEDIR", "/run/k3s/kubectl-cache")];

/// Runs programs on a machine.
pub trait Programs: Send + Sync {
    /// Runs one to its end.
    ///
    /// # Errors
    /// `NotFound` if there is no such program, `TimedOut` if it had to be ended at its deadline.
    fn run(&self, call: &Call) -> io::Result<Finished>;
}

/// The programs of the machine that we run on.
pub struct SystemPrograms;

impl Programs for SystemPrograms {
    fn run(&self, call: &Call) -> io::Result<Finished> {
        let mut child = command(call).spawn()?;
        let output = child.stdout.take().map(Tail::of);
        let errors = child.stderr.take().map(Tail::of);
        feed(&mut child, call.standard_input());
        let in_time = wait(&child, call.deadline());
        if !matches!(in_time, Ok(true)) {
            end(&child);
        }
        let status = child.wait()?;
        let [output, errors] = [output, errors].map(|tail| tail.map(Tail::text).unwrap_or_default());
        match in_time? {
            true => Ok(Finished { status: status.code(), output, errors }),
            false => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

fn command(call: &Call) -> Command {
    let mut command = Command::new(call.program());
    command.args(call.arguments());
    command.env_clear().envs(ENVIRONMENT).current_dir("/");
    command.envs(call.variables().iter().map(|(name, value)| (name, value)));
    let input = if call.standard_input().is_some() { Stdio::piped() } else { Stdio::null() };
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Ctrl-C of a terminal is for us; and what a program started ends together with it at a deadline.
    command.process_group(0);
    command
}

/// A program that does not read what it is given shows in its status.
fn feed(child: &mut Child, input: Option<&[u8]>) {
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
        let input = input.to_vec();
        thread::spawn(move || pipe.write_all(&input));
    }
}

/// Whether the program ends within `deadline`.
fn wait(child: &Child, deadline: Duration) -> io::Result<bool> {
    let Some(pid) = pid(child) else { return Err(io::Error::other("the program has no process id")) };
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    let end = Instant::now() + deadline;
    loop {
        let rest = end.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: rest.as_secs() as i64, tv_nsec: i64::from(rest.subsec_nanos()) };
        match poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => {}
            found => return Ok(found? > 0),
        }
    }
}

fn end(child: &Child) {
    if let Some(pid) = pid(child) {
        // It may have ended by itself just now.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

fn pid(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}

/// The last [`KEPT`] bytes of an output, read on a thread of its own.
struct Tail {
    kept: Arc<Mutex<VecDeque<u8>>>,
    ended: Receiver<()>,
}

impl Tail {
    fn of(mut pipe: impl Read + Send + 'static) -> Tail {
        let kept: Arc<Mutex<VecDeque<u8>>> = Arc::default();
        let (tell, ended) = mpsc::channel();
        let filled = kept.clone();
        thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                let mut kept = filled.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend(&buffer[..count]);
                let excess = kept.len().saturating_sub(KEPT);
                kept.drain(..excess);
            }
            let _ = tell.send(());
        });
        Tail { kept, ended }
    }

    /// A daemon that the program has left behind may hold the pipe open for ever: it is not waited for.
    fn text(self) -> String {
        let _ = self.ended.recv_timeout(LINGER);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(kept.make_contiguous()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::kill_process;

    use super::*;

    fn shell(script: &str) -> Call {
        Call::new("sh").with(["-c", script])
    }

    #[test]
    fn a_program_is_given_input_and_a_clean_environment() {
        let call = shell("cat; echo $LC_ALL $ONE; echo bad >&2; exit 3").input("in\n").variable("ONE", "1");
        let finished = SystemPrograms.run(&call).unwrap();
        assert_eq!(finished.output, "in\nC.UTF-8 1\n");
        assert_eq!((finished.status, finished.errors.as_str()), (Some(3), "bad\n"));
        let text = format!("{:#?}", finished.into_error(&call));
        assert!(text.contains("failed with status 3") && text.contains("bad"), "{text}");
    }

    #[test]
    fn only_the_end_of_much_output_is_kept() {
        let finished = SystemPrograms.run(&shell("yes 0123456789 | head -c 3000000; echo end")).unwrap();
        assert_eq!(finished.output.len(), KEPT);
        assert!(finished.output.ends_with("end\n"));
    }

    #[test]
    fn what_takes_too_long_is_ended_with_all_it_started() {
        let call = shell("sleep 1000 & echo $!; sleep 1000").within(Duration::from_millis(200));
        let start = Instant::now();
        assert_eq!(SystemPrograms.run(&call).unwrap_err().kind(), io::ErrorKind::TimedOut);
        // A grandchild that still lived would hold the pipe open, and we would wait for it.
        assert!(start.elapsed() < LINGER);
    }

    #[test]
    fn what_does_not_read_or_leaves_a_daemon_behind_holds_nobody_up() {
        let call = shell("sleep 1000 & echo $!").input(vec![0; 1024 * 1024]);
        let finished = SystemPrograms.run(&call).unwrap();
        let daemon: i32 = finished.output.trim().parse().unwrap();
        kill_process(Pid::from_raw(daemon).unwrap(), Signal::KILL).unwrap();
        assert!(finished.is_well());
    }

    #[test]
    fn a_missing_program_is_told_apart() {
        let error = SystemPrograms.run(&Call::new("no-such-program-here")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
