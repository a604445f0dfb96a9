//! The gate of an installation, and which program does the work: the real program in a root of its own.

use std::net::TcpListener;
use std::process::Output;

use airlock::bundle::manifest::Artifact;
use airlock::node::facts::{Facts, Host as Place, RunningSystem};
use airlock::node::install;
use airlock::node::preflight::{Circumstances, Policy, Role, Severity, examine};
use airlock::node::run;
use airlock::oci::platform::Platform;
use airlock::progress::Silent;

use super::bundles::{self, Contents};
use super::machine::{Host, contents};
use super::stage::Stage;

/// The bundle with a program that says how it was started.
fn talkative() -> Contents {
    let mut contents = contents();
    let program = b"#!/bin/sh\necho \"started: $*\"\n".to_vec();
    contents.manifest.artifacts.iter_mut().for_each(|artifact| {
        if let Artifact::Installer(installer) = artifact {
            installer.blob = bundles::blob(&program);
        }
    });
    contents.blobs[0] = program;
    contents.manifest = bundles::manifest(contents.manifest.artifacts, &contents.blobs);
    contents
}

fn signed(contents: &Contents) -> Stage {
    Stage::new(contents, Some(&contents.sign()))
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Plans in a private root that `setup` has changed; these checks matter.
fn plan(contents: &Contents, checks: &[&str], setup: &str, options: &str) -> Option<(Stage, Output)> {
    let stage = signed(contents);
    stage.write_policy(checks);
    let line = format!(
        "{setup} airlock install $PWD/medium --plan --allowed-signers signers --policy policy.yaml {options}"
    );
    let output = stage.private(&line)?;
    Some((stage, output))
}

#[test]
fn what_is_in_the_way_is_told_with_the_way_out() {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("SKIPPED: the bundle of this test is for x86-64");
        return;
    }
    let mut told = String::new();
    let trixie = {
        let mut contents = contents();
        contents.manifest.hosts = vec!["debian-99".to_owned()];
        contents
    };
    let arm = {
        let mut manifest = bundles::manifest(vec![bundles::file("/srv/file", b"x")], &[b"x".to_vec()]);
        manifest.platforms = vec![Platform::LinuxArm64];
        Contents { manifest, blobs: vec![b"x".to_vec()] }
    };
    let usual = contents();
    let large = {
        let mut contents = contents();
        contents.blobs.push(vec![1; 200_000]);
        contents.manifest.artifacts.push(bundles::file("/srv/large", &[1; 200_000]));
        contents.manifest = bundles::manifest(contents.manifest.artifacts, &contents.blobs);
        contents
    };
    for (what, contents, checks, setup, options) in [
        (
            "another release",
            &trixie,
            &["B4"][..],
            "printf 'ID=debian\nVERSION_ID=98\n' > /etc/os-release;",
            "",
        ),
        ("another architecture", &arm, &["B3"], "", ""),
        ("k3s of somebody else", &usual, &[], "touch /usr/local/bin/k3s;", ""),
        (
            "what kubeadm left",
            &usual,
            &["P10"],
            "mkdir -p /etc/kubernetes; touch /etc/kubernetes/admin.conf;",
            "",
        ),
        (
            "a disk that is too small",
            &large,
            &["D4"],
            "mkdir -p /var/lib/airlock; mount -t tmpfs -o size=64k t /var/lib/airlock;",
            "",
        ),
        (
            "no default route, and no program to make one",
            &usual,
            &["W1"],
            "rm -f /usr/sbin/ip /usr/bin/ip /sbin/ip /bin/ip;",
            "--fix=false",
        ),
        ("a name with an underscore", &usual, &["N1"], "echo gpu_1 > /proc/sys/kernel/hostname;", ""),
        ("no name", &usual, &[], "hostname localhost;", ""),
        ("read-only /var", &usual, &["D14"], "mount --bind /var /var; mount -o remount,ro,bind /var;", ""),
        (
            "a state that is cut off",
            &usual,
            &[],
            "mkdir -p /var/lib/airlock; printf '{\"format\":' > /var/lib/airlock/state.json;",
            "",
        ),
        (
            "a state of a newer version",
            &usual,
            &[],
            "mkdir -p /var/lib/airlock; echo '{\"format\": 9}' > /var/lib/airlock/state.json;",
            "",
        ),
        (
            "a state that others may write",
            &usual,
            &[],
            "mkdir -p /var/lib/airlock; echo '{\"format\": 1}' > /var/lib/airlock/state.json; chmod 666 /var/lib/airlock/state.json;",
            "",
        ),
        (
            "a journal of a newer version",
            &usual,
            &[],
            "mkdir -p /var/lib/airlock; echo '{\"event\":\"teleport\"}' > /var/lib/airlock/journal;",
            "",
        ),
        (
            "settings of the last run that are cut off",
            &usual,
            &[],
            "mkdir -p /var/lib/airlock; printf '{\"role\":' > /var/lib/airlock/settings.json;",
            "",
        ),
        ("an older bundle", &usual, &[], SEEN_9, ""),
        ("an older bundle, and another one allowed", &usual, &[], SEEN_9, "--allow-downgrade 6"),
        ("another bundle with the serial", &usual, &[], SEEN_7, ""),
        (
            "a token that others can read",
            &usual,
            &[],
            "echo secret > token; chmod 644 token;",
            "--token-file token",
        ),
        (
            "a token of two lines",
            &usual,
            &[],
            "printf 'secret\nsecret\n' > token; chmod 600 token;",
            "--token-file token",
        ),
        ("no token file", &usual, &[], "", "--token-file none"),
    ] {
        let Some((stage, output)) = plan(contents, checks, setup, options) else { return };
        assert!(!words(&output).contains("secret"), "{what}: {}", words(&output));
        told += &format!("== {what}\n{}\n", stage.told(&output));
    }
    insta::assert_snapshot!("what-is-in-the-way", told);
}

/// A state in which a bundle with a higher serial was installed.
const SEEN_9: &str = "mkdir -p /var/lib/airlock; echo '{\"format\":1,\"channels\":{\"stable\":{\"serial\":9,\
                      \"bundle\":\"sha256:0000000000000000000000000000000000000000000000000000000000000000\",\
                      \"at\":\"2026-01-02T00:00:00Z\",\"signers\":[]}}}' > /var/lib/airlock/state.json;";
/// … and one in which another bundle with the same serial was.
const SEEN_7: &str = "mkdir -p /var/lib/airlock; echo '{\"format\":1,\"channels\":{\"stable\":{\"serial\":7,\
                      \"bundle\":\"sha256:0000000000000000000000000000000000000000000000000000000000000000\",\
                      \"at\":\"2026-01-02T00:00:00Z\",\"signers\":[]}}}' > /var/lib/airlock/state.json;";

#[test]
fn what_is_no_obstacle_is_none() {
    for (what, checks, setup, part) in [
        (
            "a medium that cannot be written",
            &[][..],
            "mount --bind medium medium; mount -o remount,ro,bind medium;",
            "install",
        ),
        (
            "a medium from which nothing may be started",
            &["D11"],
            "cp -r medium copy; mount -t tmpfs -o noexec t medium; cp copy/* medium;",
            "k3s-service",
        ),
        (
            "docker beside it",
            &["P9"],
            "touch /usr/bin/dockerd; chmod +x /usr/bin/dockerd; touch /run/docker.sock;",
            "P9 other container runtimes: docker",
        ),
        ("settings that can be put right", &["S1"], "", "net.ipv4.ip_forward (0 becomes 1)"),
        ("settings that can be put right", &["S1"], "", "kernel-parameters"),
    ] {
        let Some((_, output)) = plan(&contents(), checks, setup, "") else { return };
        assert!(output.status.success() && words(&output).contains(part), "{what}: {}", words(&output));
    }
}

#[test]
fn a_serial_that_nobody_reaches_by_building_is_worth_a_warning() {
    let mut contents = contents();
    contents.manifest.serial = (1 << 53) - 1;
    let Some((_, output)) = plan(&contents, &[], SEEN_7, "") else { return };
    let told = words(&output);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("warning: serial 9007199254740991 is much higher than the last one"), "{told}");
}

/// Not a test of its own: a program that has a port.
#[test]
#[ignore = "started by the test below"]
fn listener() {
    let _listener = TcpListener::bind("0.0.0.0:6443").unwrap();
    #[expect(clippy::print_stdout, reason = "the test that started it waits for this")]
    {
        println!("listening");
    }
    loop {
        std::thread::park();
    }
}

#[test]
fn a_port_that_is_taken_is_told_with_who_has_it() {
    let own = std::env::current_exe().unwrap();
    let setup = format!(
        "mkfifo /run/said; {} --exact preflight::listener --ignored --nocapture > /run/said & \
         while read -r line < /run/said; do case \"$line\" in *listening*) break;; esac; done;",
        own.display()
    );
    let setup =
        setup.replace("while read -r line < /run/said; do", "exec 8< /run/said; while read -r line <&8; do");
    let Some((_, output)) = plan(&contents(), &["W6"], &setup, "") else { return };
    let told = words(&output);
    assert_eq!(output.status.code(), Some(7), "{told}");
    assert!(told.contains("W6 ports: 6443 by install-"), "{told}");
    assert!(told.contains("ss -tlnp 'sport = :6443'"), "{told}");
}

#[test]
fn two_at_once_are_one_too_many() {
    let stage = signed(&contents());
    stage.write_policy(&[]);
    let script = "mkdir -p /var/lib/airlock; exec 9> /var/lib/airlock/lock; flock 9; \
                  echo '{\"pid\":4711,\"command\":\"reset\",\"since\":\"2026-01-01T00:00:00Z\"}' >&9; \
                  airlock install $PWD/medium --yes --allowed-signers signers --policy policy.yaml --fix=false";
    let Some(output) = stage.private(script) else { return };
    assert_eq!(output.status.code(), Some(10), "{}", words(&output));
    assert!(
        words(&output).contains("`airlock reset` (process 4711, since 2026-01-01T00:00:00Z)"),
        "{}",
        words(&output)
    );
}

#[test]
fn the_program_of_the_bundle_goes_on_and_the_one_of_the_medium_never_again() {
    let stage = signed(&talkative());
    stage.write_policy(&[]);
    let script = "cp $(command -v airlock) medium/install; ./medium/install --yes --allowed-signers signers \
                  --policy policy.yaml --fix=false; echo; cat /var/lib/airlock/journal; echo; \
                  ./medium/install --label a=b; airlock install --settings - --plan < /dev/null";
    let Some(output) = stage.private(script) else { return };
    let told = words(&output).replace(stage.path("").to_str().unwrap().trim_end_matches('/'), "STAGE");
    let options = "--allowed-signers signers --policy policy.yaml --fix=false";
    assert!(told.contains(&format!("started: install STAGE/medium --yes {options}\n")), "{told}");
    assert!(
        told.contains("{\"event\":\"end\",\"step\":\"airlock-program\"}\n{\"event\":\"handover\"}\n"),
        "{told}"
    );
    assert!(told.contains("started: install STAGE/medium --label a=b\n"), "{told}");
    assert!(told.contains("started: install --plan\n"), "{told}");
    assert!(told.contains("\n/usr/local/bin/airlock goes on\n"), "{told}");
}

#[test]
fn an_unsigned_bundle_is_accepted_once_and_no_other_by_that() {
    let (stage, mut other) = (Stage::new(&talkative(), None), talkative());
    stage.write_policy(&[]);
    other.manifest.serial += 1;
    fs_err::create_dir(stage.path("other")).unwrap();
    other.volumes(None, None).write_to(&stage.path("other"));
    let script = "airlock install $PWD/medium --yes --allow-unsigned --policy policy.yaml --fix=false; \
                  rm /usr/local/bin/airlock; airlock install --plan --policy policy.yaml > /dev/null && echo again: well; \
                  airlock install $PWD/other --plan; echo other: $?";
    let Some(output) = stage.private(script) else { return };
    let told = words(&output);
    assert!(told.contains("again: well\n") && told.contains("other: 5\n"), "{told}");
    assert!(told.contains("this node accepts one bundle without signature, sha256:"), "{told}");
    assert!(told.contains("nobody vouches for what is in it"), "{told}");
}

/// What blocks the machine below the directory of a test.
fn blocking(host: &Host) -> Vec<&'static str> {
    let place = Place { root: host.machine.path("/"), system: Box::new(RunningSystem) };
    let circumstances = Circumstances::usual(Role::Server);
    let facts = Facts::gather(&place, &circumstances.request());
    let report = examine(&facts, &circumstances, &Policy::default());
    report.failed(Severity::Block).map(|finding| finding.id).collect()
}

/// What k3s makes as soon as it has started.
fn k3s_has_started(host: &Host) {
    for path in ["/var/lib/rancher/k3s/server/db/etcd/member", "/run/flannel/subnet.env"] {
        let path = host.machine.path(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, "").unwrap();
    }
}

#[test]
fn what_an_interrupted_run_left_never_counts_against_the_machine() {
    let bare = Host::new();
    let before = blocking(&bare);
    k3s_has_started(&bare);
    let foreign = blocking(&bare);
    assert!(foreign.contains(&"P10") && foreign.contains(&"E2"), "somebody else's does: {foreign:?}");
    let host = Host::new();
    let steps = install::steps(&host.context(false)).unwrap().len();
    for done in 1..=steps {
        let mut steps = host.steps(false);
        steps.truncate(done);
        let last = steps.last().unwrap().name();
        run::run("install", &steps, &host.machine, &Silent).unwrap();
        if host.machine.metadata("/etc/systemd/system/k3s.service").unwrap().is_some() {
            k3s_has_started(&host);
        }
        let after = blocking(&host);
        assert!(after.iter().all(|id| before.contains(id)), "{last}: {before:?} becomes {after:?}");
    }
}
