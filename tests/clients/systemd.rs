//! The units of `manifests/systemd` under a real systemd: socket activation, restarts that nobody notices, hardening,
//! the journal, and an end in time.

use std::path::Path;
use std::time::Instant;

use crate::machine::Machine;

/// What `systemd-analyze security` may say at most; it calls this "OK".
const MOST_EXPOSURE: f64 = 2.5;
/// What the unit allows for stopping.
const STOP_TIMEOUT: u64 = 75;

fn boot() -> Option<Machine> {
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/systemd");
    let names = ["airlock-registry.service", "airlock-registry.socket", "airlock-registry-unix.socket"];
    let files = names.map(|name| (units.join(name), format!("/etc/systemd/system/{name}")));
    let program = (Path::new(env!("CARGO_BIN_EXE_airlock")).to_owned(), "/usr/local/bin/airlock".to_owned());
    let files: Vec<_> =
        files.iter().chain([&program]).map(|(from, to)| (from.as_path(), to.as_str())).collect();
    let machine = Machine::boot(&files)?;
    if !machine.shell("airlock --version").output().unwrap().status.success() {
        eprintln!("SKIPPED: this airlock does not run on Debian 12; build it there, or statically");
        return None;
    }
    Some(machine)
}

#[test]
#[ignore = "takes a root of Debian 12 and systemd-nspawn; scripts/test runs it"]
fn clients_systemd_of_debian_12() {
    let Some(machine) = boot() else { return };
    the_units_are_well_formed_and_tight(&machine);
    the_first_client_starts_it(&machine);
    let url = push_a_blob(&machine);
    restarts_drop_nobody(&machine, &url);
    the_journal_has_its_lines(&machine);
    a_slow_client_does_not_hold_up_the_end(&machine, &url);
}

fn the_units_are_well_formed_and_tight(machine: &Machine) {
    let complaints =
        machine.run("systemd-analyze verify --man=no /etc/systemd/system/airlock-registry* 2>&1");
    assert_eq!(complaints, "");
    let analysed = machine.run("systemd-analyze security --no-pager airlock-registry.service");
    let verdict = analysed.lines().last().unwrap();
    eprintln!("{verdict}");
    let score = verdict.split_whitespace().find_map(|word| word.parse::<f64>().ok()).unwrap();
    assert!(score <= MOST_EXPOSURE, "{analysed}");
}

fn the_first_client_starts_it(machine: &Machine) {
    machine.run("systemctl enable --now airlock-registry.socket airlock-registry-unix.socket 2>&1");
    let state = "systemctl show --property ActiveState --value airlock-registry.service";
    assert_eq!(machine.run(state), "inactive", "nobody has asked for anything");
    assert_eq!(
        machine.run("curl -sSf --unix-socket /run/airlock/registry.sock http://localhost/healthz"),
        "ok"
    );
    // It is active only since it said that it is ready.
    assert_eq!(machine.run(state), "active");
    let healthy = "curl -sSf --cacert /var/lib/airlock/registry/ca.crt https://localhost:5000/healthz";
    assert_eq!(machine.run(healthy), "ok");
    let modes = machine.run("stat -c %a /var/lib/airlock/registry/token /var/lib/airlock/registry/ca.key /run/airlock/registry.sock");
    assert_eq!(modes, "600\n600\n600");
}

/// A blob of 32 MiB, by way of the unix socket; returns where it is.
fn push_a_blob(machine: &Machine) -> String {
    let digest = machine.run(
        "head -c 33554432 /dev/urandom > /root/blob
         digest=sha256:$(sha256sum < /root/blob | cut -d ' ' -f 1)
         curl -sSf --unix-socket /run/airlock/registry.sock --data-binary @/root/blob \
             -H 'Content-Type: application/octet-stream' \"http://localhost/v2/a/blobs/uploads/?digest=$digest\"
         echo $digest",
    );
    format!("https://localhost:5000/v2/a/blobs/{digest}")
}

/// A hundred pulls, four at a time and slow enough to be under way at every one of five restarts.
fn restarts_drop_nobody(machine: &Machine, url: &str) {
    let pull = format!(
        "curl -sSf --limit-rate 40M --cacert /var/lib/airlock/registry/ca.crt {url} | cmp - /root/blob && echo right"
    );
    let pulls = format!("seq 100 | xargs -P 4 -I {{}} sh -c '{pull}'");
    let mut command = machine.shell(&pulls);
    let clients = std::thread::spawn(move || command.output().unwrap());
    let started = "systemctl show --property MainPID --value airlock-registry.service";
    let mut processes = vec![machine.run(started)];
    for _ in 0..5 {
        // A restart counts when somebody is being served.
        machine.run(
            "until curl -sSf --unix-socket /run/airlock/registry.sock http://localhost/metrics \
                 | grep -E '^airlock_registry_connections ([2-9]|1[0-9])$'; do :; done
             systemctl restart airlock-registry.service",
        );
        assert!(!clients.is_finished(), "the restarts were too late to prove anything");
        processes.push(machine.run(started));
    }
    let output = clients.join().unwrap();
    let (right, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(right.matches("right").count(), 100, "{wrong}");
    processes.sort();
    processes.dedup();
    assert_eq!(processes.len(), 6, "every restart was one");
}

fn the_journal_has_its_lines(machine: &Machine) {
    let journal = machine.run("journalctl --no-pager --output cat --unit airlock-registry.service");
    assert!(journal.contains("Listening at https://[::]:5000"), "{journal}");
    assert!(
        journal
            .lines()
            .any(|line| line.contains(" GET /v2/a/blobs/sha256:") && line.contains(" 200 33554432 B "))
    );
    let token = machine.run("cat /var/lib/airlock/registry/token");
    assert!(!journal.contains(&token), "no secret gets there");
}

fn a_slow_client_does_not_hold_up_the_end(machine: &Machine, url: &str) {
    let slow =
        format!("curl -sS --limit-rate 2k --cacert /var/lib/airlock/registry/ca.crt -o /root/slow {url}");
    let mut client = machine.shell(&slow).stderr(std::process::Stdio::null()).spawn().unwrap();
    machine.run("until test -s /root/slow; do :; done");
    let start = Instant::now();
    machine
        .run("systemctl stop airlock-registry.socket airlock-registry-unix.socket airlock-registry.service");
    let seconds = start.elapsed().as_secs();
    let _ = client.kill();
    let _ = client.wait();
    eprintln!("stopping with a slow client took {seconds} s");
    assert!(seconds < STOP_TIMEOUT, "{seconds} s");
    let result = "systemctl show --property Result --value airlock-registry.service";
    assert_eq!(machine.run(result), "success", "it ended by itself and was not killed");
}
