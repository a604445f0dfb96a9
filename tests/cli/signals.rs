//! Interrupting a command in the middle.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::support::{AIRLOCK, Home};

/// A command that waits for its standard input, so that it is certainly in the middle.
fn waiting(home: &Home) -> Child {
    let arguments = ["key", "generate", "-o", "k", "--passphrase-file", "-"];
    home.command(AIRLOCK).args(arguments).stdin(Stdio::piped()).spawn().unwrap()
}

/// Waits until the process catches SIGTERM (bit 14 of its mask), the last handler that it installs.
fn await_handlers(child: &Child) {
    let status = format!("/proc/{}/status", child.id());
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        let text = fs_err::read_to_string(&status).unwrap();
        let mask = text.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
        if u64::from_str_radix(mask, 16).unwrap() & 1 << 14 != 0 {
            return;
        }
        std::thread::yield_now();
    }
    panic!("the process does not catch SIGTERM");
}

fn kill(child: &Child, signal: &str) {
    let status = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn an_interrupted_command_says_how_to_go_on() {
    let home = Home::new();
    for (signal, exit) in [("INT", 130), ("TERM", 143)] {
        let mut child = waiting(&home);
        let open_input = child.stdin.take();
        await_handlers(&child);
        kill(&child, signal);
        let outcome = home.outcome(&child.wait_with_output().unwrap());
        drop(open_input);
        assert_eq!(outcome.exit, Some(exit), "{outcome}");
        assert!(outcome.stderr.starts_with("error[E0003]: "), "{outcome}");
        assert!(outcome.stderr.contains("run the same command again"), "{outcome}");
        assert!(!home.path("k").exists());
    }
    let mut child = waiting(&home);
    child.stdin.take().unwrap().write_all(b"correct horse").unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0), "the same command works afterwards");
}
