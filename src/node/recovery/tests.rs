//! Recovery on a machine whose systemd and k3s are played.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use fs_err as fs;

use super::*;
use crate::node::journal::Journal;
use crate::node::machine::{Call, Finished, Programs};
use crate::node::{driver, run};
use crate::oci::digest::Digest;
use crate::progress::Silent;

const SERVER: &str = "/var/lib/rancher/k3s/server";

/// A unit, and what was called.
#[derive(Default)]
struct Played {
    root: std::path::PathBuf,
    state: Mutex<(bool, bool)>,
    calls: Mutex<Vec<String>>,
    /// What `k3s server --cluster-reset` does.
    reset_fails: bool,
    is_starting: Mutex<bool>,
    expired: Mutex<bool>,
    /// The run is killed at this call, before or after it has had its effect.
    killed: Mutex<Option<(usize, Moment)>>,
}

/// When a run is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Before,
    After,
}

fn said(status: i32, output: &str) -> Finished {
    Finished { status: Some(status), output: output.to_owned(), errors: String::new() }
}

impl Programs for Played {
    fn run(&self, call: &Call) -> io::Result<Finished> {
        let is_look =
            matches!(call.arguments(), [first, ..] if first == "show") || call.program() == "journalctl";
        let moment = if is_look { None } else { self.moment() };
        let killed = || io::Error::other("killed");
        match moment {
            Some(Moment::Before) => Err(killed()),
            Some(Moment::After) => self.play(call).and(Err(killed())),
            None => self.play(call),
        }
    }
}

impl Played {
    /// Whether the run dies now.
    fn moment(&self) -> Option<Moment> {
        let mut killed = self.killed.lock().unwrap();
        match &mut *killed {
            Some((0, moment)) => Some(*moment),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        }
    }

    fn play(&self, call: &Call) -> io::Result<Finished> {
        let line = call.to_string();
        let words: Vec<&str> = call.arguments().iter().map(String::as_str).collect();
        let mut state = self.state.lock().unwrap();
        if !matches!(words[..], ["show", ..]) && call.program() != "journalctl" {
            self.calls.lock().unwrap().push(line);
        }
        match words[..] {
            ["show", ..] => {
                let active = match (state.0, *self.is_starting.lock().unwrap()) {
                    (true, true) => "activating",
                    (true, false) => "active",
                    (false, _) => "inactive",
                };
                let file = if state.1 { "enabled" } else { "disabled" };
                return Ok(said(
                    0,
                    &format!(
                        "ActiveState={active}\nSubState=x\nUnitFileState={file}\nMainPID=1\nNRestarts=0\n"
                    ),
                ));
            }
            ["stop", ..] => state.0 = false,
            ["start", ..] => {
                // So does k3s when it starts as usual.
                let flag = self.root.join(SERVER.trim_start_matches('/')).join("db/reset-flag");
                fs::remove_file(flag).or_else(|error| match error.kind() {
                    io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                })?;
                state.0 = true;
            }
            ["enable", ..] => state.1 = true,
            ["disable", ..] => state.1 = false,
            ["server", "--cluster-reset", ..] if self.reset_fails => {
                return Ok(said(1, "snapshot: checksum mismatch"));
            }
            ["server", "--cluster-reset", ..] => {
                let config = fs::read_to_string(self.root.join("run/airlock-recovery.yaml"))?;
                assert!(!config.contains("server:") && config.contains("cluster-cidr"), "{config}");
                fs::write(self.root.join(SERVER.trim_start_matches('/')).join("db/reset-flag"), "")?;
                return Ok(said(
                    0,
                    "Managed etcd cluster membership has been reset, restart without --cluster-reset",
                ));
            }
            ["certificate", "check", ..] => {
                let until = if *self.expired.lock().unwrap() { "2020-01-01" } else { "2999-01-01" };
                return Ok(said(
                    0,
                    &format!(
                        r#"{{"Certificates": [{{"Filename": "client-admin.crt", "Subject": "admin", "ExpiryTime": "{until}T00:00:00Z", "ResidualTime": 1, "Status": "OK"}}]}}"#
                    ),
                ));
            }
            ["certificate", "rotate", ..] => {
                assert!(!state.0, "k3s has to be stopped");
                *self.expired.lock().unwrap() = false;
            }
            _ => {}
        }
        Ok(said(0, ""))
    }
}

/// A server that runs.
fn server(root: &Path, settings: &str) -> (Machine, Arc<Played>) {
    let played = Arc::new(Played {
        root: root.to_owned(),
        state: Mutex::new((true, true)),
        expired: Mutex::new(true),
        ..Played::default()
    });
    let machine = Machine::new(root, played.clone());
    write(&machine, super::settings::PATH, settings);
    (machine, played)
}

fn write(machine: &Machine, path: &str, text: &str) {
    let path = machine.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn recover(machine: &Machine, recovery: &Recovery) -> Result<driver::Done> {
    run::run(recovery.command(), &recovery.steps(machine)?, machine, &Silent)
}

/// What was called since the last time.
fn calls(played: &Played) -> Vec<String> {
    std::mem::take(&mut played.calls.lock().unwrap())
}

#[test]
fn a_node_that_leaves_does_not_start_again_and_leaves_nothing_behind() {
    let root = tempfile::tempdir().unwrap();
    let (machine, played) = server(root.path(), "{}");
    let exception = machine.path(&disarm::exception("k3s.service"));
    recover(&machine, &Recovery::Disarm).unwrap();
    assert!(fs::read_to_string(&exception).unwrap().contains("Restart=no"));
    assert_eq!(*played.state.lock().unwrap(), (true, false), "it runs on");
    assert!(recover(&machine, &Recovery::Disarm).unwrap().changed.is_empty());
    recover(&machine, &Recovery::Stop).unwrap();
    assert!(!exception.exists());
    calls(&played);
    assert!(recover(&machine, &Recovery::Stop).unwrap().changed.is_empty());
    assert_eq!(calls(&played), [] as [String; 0]);
    recover(&machine, &Recovery::Start).unwrap();
    assert_eq!(*played.state.lock().unwrap(), (true, true));
}

#[test]
fn a_node_that_was_to_leave_and_stays_starts_again_whenever_it_ends() {
    let root = tempfile::tempdir().unwrap();
    let (machine, played) = server(root.path(), "{}");
    recover(&machine, &Recovery::Disarm).unwrap();
    recover(&machine, &Recovery::Start).unwrap();
    assert!(!machine.path(&disarm::exception("k3s.service")).exists());
    assert_eq!(*played.state.lock().unwrap(), (true, true));
    assert!(recover(&machine, &Recovery::Start).unwrap().changed.is_empty());
}

#[test]
fn a_node_that_does_not_come_up_is_not_started_while_it_leaves() {
    let root = tempfile::tempdir().unwrap();
    let (machine, played) = server(root.path(), "{}");
    *played.is_starting.lock().unwrap() = true;
    recover(&machine, &Recovery::Disarm).unwrap();
    assert_eq!(*played.state.lock().unwrap(), (false, false));
    assert!(recover(&machine, &Recovery::Disarm).unwrap().changed.is_empty());
}

#[test]
fn a_datastore_is_moved_and_only_the_one_that_is_meant() {
    let root = tempfile::tempdir().unwrap();
    let (machine, _) = server(root.path(), "{}");
    write(&machine, &format!("{SERVER}/db/etcd/name"), "s1-0123abcd\n");
    write(&machine, &format!("{SERVER}/db/snapshots/x"), "snapshot");
    let aside = |member: &str| Recovery::Aside { member: Some(member.to_owned()) };
    recover(&machine, &aside("s1-ffffffff")).unwrap();
    assert!(machine.path(&format!("{SERVER}/db")).exists(), "that is another member");
    recover(&machine, &aside("s1-0123abcd")).unwrap();
    assert!(!machine.path(&format!("{SERVER}/db/etcd")).exists());
    let [moved] = &moved(&machine)[..] else { panic!("it was not moved once") };
    assert_eq!(fs::read_to_string(moved.join("etcd/name")).unwrap(), "s1-0123abcd\n");
    assert_eq!(machine.read_text(&format!("{SERVER}/db/snapshots/x")).unwrap().unwrap(), "snapshot");
    assert!(recover(&machine, &aside("s1-0123abcd")).unwrap().changed.is_empty());
}

/// Where data were moved.
fn moved(machine: &Machine) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(machine.path(SERVER)).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains("/db.")).collect()
}

#[test]
fn a_move_that_was_interrupted_is_finished() {
    let root = tempfile::tempdir().unwrap();
    let (machine, _) = server(root.path(), "{}");
    // The member of etcd goes last: what is left says what is meant.
    write(&machine, &format!("{SERVER}/db.20260101T000000Z/airlock-restored"), "/snapshots/a");
    write(&machine, &format!("{SERVER}/db/etcd/name"), "s1-0123abcd");
    write(&machine, &format!("{SERVER}/db/reset-flag"), "");
    recover(&machine, &Recovery::Aside { member: Some("s1-0123abcd".to_owned()) }).unwrap();
    assert_eq!(fs::read_dir(machine.path(&format!("{SERVER}/db"))).unwrap().count(), 0);
    assert_eq!(moved(&machine).len(), 2);
}

/// Kills these recoveries at every call that changes something, before and after its effect; does them again, and lets
/// `check` look at what has become of it.
fn killed_anywhere(recoveries: &[Recovery], check: impl Fn(&Machine, &Played)) {
    for moment in [Moment::Before, Moment::After] {
        for call in 0.. {
            let root = tempfile::tempdir().unwrap();
            let (machine, played) = server(root.path(), r#"{"join": "https://10.0.0.1:6443"}"#);
            let config = "server: \"https://10.0.0.1:6443\"\ncluster-cidr: \"10.42.0.0/16\"\n";
            write(&machine, crate::node::k3s::paths::CONFIG, config);
            write(&machine, &format!("{SERVER}/db/etcd/name"), "s2-01");
            write(&machine, "/snapshots/a", "a");
            *played.killed.lock().unwrap() = Some((call, moment));
            let is_killed = recoveries.iter().try_for_each(|one| recover(&machine, one).map(drop)).is_err();
            *played.killed.lock().unwrap() = None;
            for one in recoveries {
                recover(&machine, one).unwrap();
            }
            check(&machine, &played);
            if !is_killed {
                assert!(call > 0, "nothing was called");
                break;
            }
        }
    }
}

#[test]
fn a_restore_that_is_killed_anywhere_is_finished_by_doing_it_again() {
    let reset = Recovery::Reset { snapshot: Some("/snapshots/a".to_owned()) };
    // Once it runs with the data, another reset is not for the node to refuse: the cluster is asked first.
    killed_anywhere(&[Recovery::Stop, reset], |machine, played| {
        assert!(!machine.path("/run/airlock-recovery.yaml").exists());
        let resets = calls(played).iter().filter(|call| call.contains("--cluster-reset")).count();
        assert!((1..=2).contains(&resets), "{resets}");
        assert!(machine.path(&format!("{SERVER}/db/reset-flag")).exists());
        recover(machine, &Recovery::Start).unwrap();
        let look = Look::at(machine).unwrap();
        assert_eq!(look.restored.as_deref(), Some("/snapshots/a"));
        assert!(look.runs() && look.is_enabled && look.restored_at.is_some());
    });
}

#[test]
fn a_server_that_joins_anew_may_be_killed_anywhere() {
    let aside = Recovery::Aside { member: Some("s2-01".to_owned()) };
    killed_anywhere(&[Recovery::Disarm, Recovery::Stop, aside], |machine, played| {
        assert_eq!(*played.state.lock().unwrap(), (false, false));
        assert!(!machine.path(&disarm::exception("k3s.service")).exists());
        assert_eq!(moved(machine).len(), 1);
        assert!(!Look::at(machine).unwrap().has_etcd);
    });
}

#[test]
fn certificates_are_renewed_wherever_it_was_killed() {
    killed_anywhere(&[Recovery::Certificates, Recovery::Start], |_, played| {
        assert_eq!(*played.state.lock().unwrap(), (true, true));
        assert!(!*played.expired.lock().unwrap());
    });
}

#[test]
fn etcd_is_reset_once_for_each_source() {
    let root = tempfile::tempdir().unwrap();
    let (machine, played) = server(root.path(), r#"{"join": "https://10.0.0.1:6443"}"#);
    write(
        &machine,
        crate::node::k3s::paths::CONFIG,
        "server: \"https://10.0.0.1:6443\"\ncluster-cidr: \"10.42.0.0/16\"\n",
    );
    write(&machine, &format!("{SERVER}/db/etcd/name"), "s2-01");
    write(&machine, "/snapshots/a", "a");
    recover(&machine, &Recovery::Reset { snapshot: None }).unwrap();
    assert!(
        calls(&played)
            .iter()
            .any(|call| call.ends_with("--cluster-reset --config /run/airlock-recovery.yaml"))
    );
    assert!(!machine.path("/run/airlock-recovery.yaml").exists());
    assert!(recover(&machine, &Recovery::Reset { snapshot: None }).unwrap().changed.is_empty());
    let snapshot = |path: &str| Recovery::Reset { snapshot: Some(path.to_owned()) };
    recover(&machine, &snapshot("/snapshots/a")).unwrap();
    let seen = Look::at(&machine).unwrap();
    assert_eq!((seen.restored.as_deref(), seen.member.as_deref()), (Some("/snapshots/a"), Some("s2-01")));
    assert_eq!(recover(&machine, &snapshot("/snapshots/b")).unwrap_err().code(), codes::SNAPSHOT_UNKNOWN);
}

#[test]
fn a_reset_that_fails_says_what_k3s_says() {
    let root = tempfile::tempdir().unwrap();
    let played = Arc::new(Played { root: root.path().to_owned(), reset_fails: true, ..Played::default() });
    let machine = Machine::new(root.path(), played);
    write(&machine, super::settings::PATH, "{}");
    let error = recover(&machine, &Recovery::Reset { snapshot: None }).unwrap_err();
    assert_eq!(
        (error.code(), error.details()[0].as_str()),
        (codes::DATASTORE_RESET, "snapshot: checksum mismatch")
    );
    assert!(!machine.path("/run/airlock-recovery.yaml").exists());
}

#[test]
fn expired_certificates_are_renewed_while_k3s_stands_still() {
    let root = tempfile::tempdir().unwrap();
    let (machine, _) = server(root.path(), "{}");
    assert_eq!(recover(&machine, &Recovery::Certificates).unwrap().changed.len(), 1);
    assert!(recover(&machine, &Recovery::Certificates).unwrap().changed.is_empty());
}

#[test]
fn an_agent_has_no_datastore_and_a_stranger_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (machine, _) = server(root.path(), r#"{"role": "agent", "join": "https://a:6443"}"#);
    let error = recover(&machine, &Recovery::Aside { member: None }).unwrap_err();
    assert_eq!(error.code(), codes::NO_ETCD);
    let empty = tempfile::tempdir().unwrap();
    let machine = Machine::new(empty.path(), Arc::new(Played::default()));
    assert_eq!(recover(&machine, &Recovery::Stop).unwrap_err().code(), codes::NO_BUNDLE);
    assert!(!Look::at(&machine).unwrap().is_node);
}

#[test]
fn a_snapshot_is_kept_only_if_it_is_what_was_sent() {
    let root = tempfile::tempdir().unwrap();
    let (machine, _) = server(root.path(), "{}");
    let mut journal = Journal::open(&machine).unwrap();
    let mut keep = |name: &str, size: u64, bytes: &[u8]| {
        let deadline = std::time::Duration::from_secs(60);
        let mut work = crate::node::work::Work::new(&machine, &mut journal, &Silent, deadline);
        keep_snapshot(&mut work, name, size, &Digest::of(b"data"), &mut &*bytes)
    };
    for (size, bytes) in [(4, &b"dat"[..]), (4, b"else"), (3, b"dat"), (u64::MAX, b"data")] {
        assert_eq!(keep("x", size, bytes).unwrap_err().code(), codes::DATASTORE_RESET, "{size}");
    }
    for name in ["", "../x", "-x", "a b", ".x"] {
        assert_eq!(keep(name, 4, b"data").unwrap_err().code(), codes::SNAPSHOT_UNKNOWN, "{name}");
    }
    let path = keep("x", 4, b"data and what follows").unwrap();
    assert_eq!(keep("x", 4, b"").unwrap(), path, "it is there already");
    let [seen] = Look::at(&machine).unwrap().snapshots.try_into().unwrap();
    assert_eq!((seen.path, seen.size), (path, 4));
}
