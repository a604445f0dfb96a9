//! The agent at the end of a socket, with `echo` and a shell in the place of its programs.

use std::io::BufRead as _;
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

use rustix::process::{Pid, kill_process};
use tempfile::TempDir;

use super::*;

/// An agent at work, and our end of the connection to it.
struct Served {
    directory: TempDir,
    stopper: Stopper,
    work: JoinHandle<Result<()>>,
    ours: BufReader<UnixStream>,
}

impl Served {
    /// An agent whose `airlock` is `echo`, and whose `k3s` is this program.
    fn new(k3s: &str) -> Served {
        let directory = tempfile::tempdir().unwrap();
        let runtime = directory.path().join("run");
        fs_err::create_dir(&runtime).unwrap();
        let agent = Agent::new(Surroundings { airlock: "/bin/echo".into(), k3s: k3s.into(), runtime });
        let (ours, theirs) = UnixStream::pair().unwrap();
        let stopper = agent.stopper();
        let input = theirs.try_clone().unwrap();
        let work = thread::spawn(move || agent.serve(input, theirs));
        let mut served = Served { directory, stopper, work, ours: BufReader::new(ours) };
        assert_eq!(served.line().unwrap(), "{\"airlockAgent\":1}\n");
        served
    }

    /// An agent that runs this shell script with these words, and a file `f`.
    fn with(script: &str, words: &[&str]) -> Served {
        let mut served = Served::new("/bin/sh");
        let arguments = [&["-c", script], words].concat().into_iter().map(str::to_owned).collect();
        let files = [("f".to_owned(), "text\n".to_owned())].into();
        let request = Request { program: Program::K3s, arguments, files };
        served.send(&(serde_json::to_string(&request).unwrap() + "\n"));
        served
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        (self.ours.read_line(&mut line).unwrap() > 0).then_some(line)
    }

    fn send(&mut self, text: &str) {
        self.ours.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn frame(&mut self) -> Frame {
        serde_json::from_str(&self.line().unwrap()).unwrap()
    }

    /// What came of it, when it has said nothing more.
    fn ended(mut self) -> (Result<()>, TempDir) {
        let result = self.work.join().unwrap();
        self.ours.get_ref().set_nonblocking(true).unwrap();
        let mut more = String::new();
        let nothing = self.ours.read_line(&mut more);
        assert!(nothing.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock), "{more}");
        (result, self.directory)
    }

    /// What it says until the end, in the order of each output.
    fn rest(&mut self) -> (String, Vec<String>, Option<u8>) {
        let (mut output, mut errors) = (String::new(), Vec::new());
        while let Some(line) = self.line() {
            match serde_json::from_str(&line).unwrap() {
                Frame::Output(text) => output += &text,
                Frame::Error(line) => errors.push(line),
                Frame::Alive => {}
                Frame::Exit(status) => return (output, errors, Some(status)),
            }
        }
        (output, errors, None)
    }
}

fn has_no_files(directory: &TempDir) -> bool {
    fs_err::read_dir(directory.path().join("run")).unwrap().next().is_none()
}

#[test]
fn words_input_and_output_pass_as_they_are() {
    let words = ["sh", "a b", "$(id)", "';x\n", "{x}"];
    let mut served = Served::with("printf '%s|' \"$@\"; cat; echo '$bad' >&2; exit 7", &words);
    served.send("the secret");
    served.ours.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    let (output, errors, status) = served.rest();
    assert_eq!(output, "a b|$(id)|';x\n|{x}|the secret");
    assert_eq!((errors, status), (vec!["$bad".to_owned()], Some(7)));
    served.ended().0.unwrap();
}

#[test]
fn our_own_commands_speak_json() {
    for words in ["\"node\",\"facts\"", "\"--json\",\"node\",\"facts\""] {
        let mut served = Served::new("/bin/sh");
        served.send(&format!("{{\"program\":\"airlock\",\"arguments\":[{words}]}}\n"));
        assert_eq!(served.rest().0, "--json node facts\n");
    }
}

#[test]
fn a_command_sees_nothing_of_the_login() {
    let (environment, ..) = Served::with("env; pwd", &[]).rest();
    let names: Vec<&str> = environment.lines().map(|line| line.split('=').next().unwrap()).collect();
    const OURS: [&str; 4] = ["PATH", "HOME", "LC_ALL", "KUBECACHEDIR"];
    // The shell sets these; the last is what `pwd` prints.
    const OF_THE_SHELL: [&str; 5] = ["PWD", "OLDPWD", "SHLVL", "_", "/"];
    assert!(names.iter().all(|name| OURS.contains(name) || OF_THE_SHELL.contains(name)), "{names:?}");
}

#[test]
fn files_are_there_for_the_command_only() {
    let mut served = Served::with("stat -c %a \"$1\" \"$(dirname \"$1\")\"; cat \"$1\"", &["sh", "{f}"]);
    assert_eq!(served.rest(), ("600\n700\ntext\n".to_owned(), Vec::new(), Some(0)));
    let (result, directory) = served.ended();
    assert!(result.is_ok() && has_no_files(&directory));
}

#[test]
fn files_have_plain_names() {
    for name in ["", "..", "a/b", ".x", "a b", "ä"] {
        let mut served = Served::new("/bin/true");
        served.send(&format!("{{\"program\":\"k3s\",\"arguments\":[],\"files\":{{\"{name}\":\"\"}}}}\n"));
        let (result, directory) = served.ended();
        assert_eq!(result.unwrap_err().code(), codes::AGENT_REQUEST);
        assert!(has_no_files(&directory));
    }
}

#[test]
fn what_is_no_request_starts_nothing() {
    for garbage in ["hello\n", "{}\n", "{\"program\":\"airlock\",\"arguments\":[]}"] {
        let mut served = Served::new("/bin/true");
        served.send(garbage);
        served.ours.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(served.ended().0.unwrap_err().code(), codes::AGENT_REQUEST, "{garbage}");
    }
    let served = Served::new("/bin/true");
    served.ours.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    served.ended().0.unwrap();
}

#[test]
fn a_program_that_is_missing_is_named() {
    let mut served = Served::new("/missing/k3s");
    served.send("{\"program\":\"k3s\",\"arguments\":[]}\n");
    assert_eq!(served.ended().0.unwrap_err().code(), codes::NODE_PROGRAM_MISSING);
}

/// An agent whose command says so in a file when it is asked to end; its child ends with it.
fn started() -> Served {
    let script = "trap 'echo ended > \"${1%/*/*}/ended\"; exit 3' TERM; echo started; sleep 1000 & wait";
    let mut served = Served::with(script, &["sh", "{f}"]);
    assert_eq!(served.frame(), Frame::Output("started\n".to_owned()));
    served
}

#[test]
fn a_command_ends_in_order_when_the_connection_is_gone() {
    let Served { ours, work, directory, .. } = started();
    drop(ours);
    assert_eq!(work.join().unwrap().unwrap_err().code(), codes::HOST_LOST);
    assert_eq!(fs_err::read_to_string(directory.path().join("run/ended")).unwrap(), "ended\n");
}

#[test]
fn a_command_ends_in_order_when_the_agent_is_stopped() {
    let served = started();
    served.stopper.stop();
    let (result, directory) = served.ended();
    assert_eq!(result.unwrap_err().code(), codes::INTERRUPTED);
    assert_eq!(fs_err::read_to_string(directory.path().join("run/ended")).unwrap(), "ended\n");
    assert_eq!(fs_err::read_dir(directory.path().join("run")).unwrap().count(), 1, "its files are gone");
}

#[test]
fn a_signal_that_ends_the_command_is_its_status() {
    let mut served = Served::with("kill -KILL $$", &[]);
    assert_eq!(served.rest().2, Some(137));
}

#[test]
fn a_daemon_that_keeps_the_output_open_is_not_waited_for() {
    let mut served = Served::with("sleep 1000 & echo $!", &[]);
    let (output, _, status) = served.rest();
    assert_eq!(status, Some(0));
    let daemon = output.trim().parse().ok().and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(daemon, Signal::KILL).unwrap();
}

/// Writes for ever to the output of a command that has ended.
const DAEMON: &str = "(while echo x; do sleep 0.05; done) & echo $!";

#[test]
fn a_daemon_that_goes_on_writing_does_not_keep_the_command() {
    let begun = Instant::now();
    let (output, _, status) = Served::with(DAEMON, &[]).rest();
    let daemon = Pid::from_raw(output.lines().find(|line| *line != "x").unwrap().parse().unwrap()).unwrap();
    kill_process(daemon, Signal::KILL).unwrap();
    assert_eq!(status, Some(0));
    assert!(begun.elapsed() < GRACE / 4, "{:?}", begun.elapsed());
}

#[test]
fn a_command_that_has_ended_is_not_waited_for_when_nobody_listens() {
    let begun = Instant::now();
    let mut served = Served::with("sleep 1000 & echo $!", &[]);
    let Frame::Output(pid) = served.frame() else { panic!() };
    // The shell has ended, and what it has left keeps its output open: nothing tells of that.
    thread::sleep(LINGER / 2);
    drop(served.ours);
    assert_eq!(served.work.join().unwrap().unwrap_err().code(), codes::HOST_LOST);
    let _ = kill_process(Pid::from_raw(pid.trim().parse().unwrap()).unwrap(), Signal::KILL);
    assert!(begun.elapsed() < GRACE / 4, "{:?}", begun.elapsed());
}
