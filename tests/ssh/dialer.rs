//! Connections that break in the middle of a command, seen from both ends.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use airlock::cluster::inventory::{Connection, Host, Role, Ssh};
use airlock::cluster::remote::{Command, Connect as _, Patience, Remote};
use airlock::cluster::ssh::program::Programs;
use airlock::cluster::ssh::{Dialer, Settings};
use airlock::error::{Error, Location, codes};
use airlock::node::settings::Gpu;
use airlock::progress::Silent;

use crate::server::{Server, Site, is_possible};

fn dialer(site: &Site, stop: &Arc<AtomicBool>) -> Dialer {
    let program = env!("CARGO_BIN_EXE_airlock").into();
    Dialer::new(Settings {
        configuration: Some(site.path("ssh_config")),
        runtime: site.directory.path().to_owned(),
        programs: Programs::read(&[program]).unwrap(),
        sudo_password: None,
        patience: Patience { connect: Duration::from_secs(5), silence: Duration::from_secs(20) },
        stop: stop.clone(),
        progress: Arc::new(Silent),
    })
    .unwrap()
}

fn host(site: &Site, server: &Server) -> Host {
    Host {
        name: "node1".to_owned(),
        location: Location { file: "cluster.yaml".to_owned(), line: 1, column: 1, snippet: None },
        role: Role::Server,
        has_registry: true,
        connection: Connection::Ssh(Ssh {
            host: "127.0.0.1".to_owned(),
            user: Some("root".to_owned()),
            port: Some(server.port),
            identity_file: Some(site.path("key")),
            jump: None,
            host_keys: vec![server.fingerprint.clone()],
            sudo_password: None,
        }),
        address: None,
        interface: None,
        labels: Default::default(),
        taints: Vec::new(),
        gpu: Gpu::Auto,
        nfs: Vec::new(),
    }
}

/// A command that runs until it is ended, and whose socket says that it runs.
fn endless<'a>(socket: &Path, store: &Path) -> Command<'a> {
    let words = ["registry", "serve", "--unix"].map(str::to_owned).into_iter();
    let words = words.chain([
        socket.to_str().unwrap().to_owned(),
        "--store".to_owned(),
        store.to_str().unwrap().to_owned(),
    ]);
    Command::airlock(words).within(Duration::from_secs(60))
}

/// Waits for what others do; fails when they do not.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Whether any process has this word among its arguments.
fn runs(word: &str) -> bool {
    let entries = fs_err::read_dir("/proc").unwrap().flatten();
    let mut lines = entries.map(|entry| fs_err::read(entry.path().join("cmdline")).unwrap_or_default());
    lines.any(|line| line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes()))
}

/// How an endless command fails when something happens to it, once it runs.
fn endless_until(remote: &dyn Remote, socket: &Path, store: &Path, happens: impl FnOnce()) -> Error {
    let failed = thread::scope(|scope| {
        let work = scope.spawn(|| remote.run(endless(socket, store), &mut |_| {}));
        until("it runs", || socket.exists());
        happens();
        work.join().unwrap().unwrap_err()
    });
    until("it ends", || !runs(socket.to_str().unwrap()));
    failed
}

#[test]
fn a_stopped_command_ends_on_the_host_too_and_the_connection_is_used_again() {
    if !is_possible() {
        return;
    }
    let (site, stop) = (Site::new(), Arc::new(AtomicBool::new(false)));
    let server = site.server();
    let (dialer, host) = (dialer(&site, &stop), host(&site, &server));
    let remote = dialer.connect(&host).unwrap();
    let failed = endless_until(&*remote, &site.path("socket"), &site.path("store"), || {
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(failed.code(), codes::INTERRUPTED);
    stop.store(false, Ordering::Relaxed);
    let answer = remote.run(Command::airlock(["--version"]), &mut |_| {}).unwrap();
    assert!(answer.output.starts_with("airlock "), "{answer:?}");
    drop((remote, dialer));
    assert!(site.has_no_connection_left());
}

#[test]
fn a_stopped_command_ends_on_this_machine_too() {
    if !is_possible() {
        return;
    }
    let (site, stop) = (Site::new(), Arc::new(AtomicBool::new(false)));
    let mut host = host(&site, &site.server());
    host.connection = Connection::Local { sudo_password: None };
    let remote = dialer(&site, &stop).connect(&host).unwrap();
    let failed = endless_until(&*remote, &site.path("socket"), &site.path("store"), || {
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(failed.code(), codes::INTERRUPTED);
}

/// Turns away the first two who connect, as a busy SSH server does, and lets all others through to `port`.
fn doorkeeper(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let front = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().skip(2) {
            let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", port)).unwrap());
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        }
    });
    front
}

#[test]
fn a_server_that_turns_us_away_is_asked_again() {
    if !is_possible() {
        return;
    }
    let site = Site::new();
    let server = site.server();
    let stop = Arc::new(AtomicBool::new(false));
    let mut host = host(&site, &server);
    let Connection::Ssh(ssh) = &mut host.connection else { unreachable!() };
    ssh.port = Some(doorkeeper(server.port));
    let dialer = dialer(&site, &stop);
    let remote = dialer.connect(&host).unwrap();
    let answer = remote.run(Command::airlock(["node", "reach"]), &mut |_| {}).unwrap();
    assert_eq!(answer.status, 0);
}

#[test]
fn a_host_that_is_cut_off_is_lost_and_found_again() {
    if !is_possible() {
        return;
    }
    let (site, stop) = (Site::new(), Arc::new(AtomicBool::new(false)));
    let server = site.server();
    let (dialer, host) = (dialer(&site, &stop), host(&site, &server));
    let remote = dialer.connect(&host).unwrap();
    let failed = endless_until(&*remote, &site.path("socket"), &site.path("store"), || {
        for session in children(server.child.id()) {
            let pid = rustix::process::Pid::from_raw(session as i32).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
    });
    assert_eq!(failed.code(), codes::HOST_LOST, "{failed:?}");
    let answer = remote.run(Command::airlock(["--version"]), &mut |_| {}).unwrap();
    assert_eq!(answer.status, 0);
}

/// Processes whose parent is `parent`.
fn children(parent: u32) -> Vec<u32> {
    let entries = fs_err::read_dir("/proc").unwrap().flatten();
    let stats = entries.filter_map(|entry| fs_err::read_to_string(entry.path().join("stat")).ok());
    let of_parent = stats.filter_map(|stat| {
        let (head, rest) = stat.rsplit_once(')')?;
        let found: u32 = rest.split_whitespace().nth(1)?.parse().ok()?;
        (found == parent).then(|| head.split(' ').next()?.parse().ok()).flatten()
    });
    of_parent.collect()
}
