//! The commands on this very machine: as root, and as somebody who is not.

use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use airlock::node::facts::Facts;
use serde_json::Value;

/// The user and group `nobody` of most systems.
const NOBODY: u32 = 65_534;

fn airlock() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_airlock"));
    command.env_clear().env("HOME", "/nonexistent").current_dir("/").stdin(Stdio::null());
    command
}

fn output(arguments: &[&str]) -> Output {
    airlock().args(arguments).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "{error}: {} {}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// The program as `nobody`, from a place where everybody may start it.
fn as_nobody(arguments: &[&str]) -> Option<Output> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("airlock");
    fs_err::copy(env!("CARGO_BIN_EXE_airlock"), &program).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(directory.path(), mode).unwrap();
    let mut command = Command::new(program);
    command.env_clear().current_dir("/").stdin(Stdio::null()).uid(NOBODY).gid(NOBODY);
    Some(command.args(arguments).output().unwrap())
}

#[test]
fn this_machine_has_valid_facts_for_root_and_for_nobody() {
    let schema = jsonschema::validator_for(&Facts::schema()).unwrap();
    let own = output(&["node", "facts", "--json", "--packages"]);
    let Some(others) = as_nobody(&["node", "facts", "--json"]) else {
        eprintln!("SKIPPED: only root can become nobody");
        return;
    };
    for output in [&own, &others] {
        assert!(output.status.success());
        let facts = json(output);
        assert!(schema.is_valid(&facts));
        let facts: Facts = serde_json::from_value(facts).unwrap();
        assert!(facts.cpu.count.is_some_and(|count| count > 0) && facts.memory.total.is_some());
        assert!(facts.storage.directory("/").unwrap().total.is_some());
    }
    assert_eq!(json(&own)["machine"]["user"], 0);
    assert_eq!(json(&others)["machine"]["user"], NOBODY);
    assert!(!json(&others)["notes"].as_array().unwrap().is_empty(), "what only root may read is noted");
}

#[test]
fn facts_are_a_table_for_people_and_a_file_for_programs() {
    let table = output(&["node", "facts"]);
    assert!(table.status.success());
    let table = String::from_utf8(table.stdout).unwrap();
    for fact in ["FACT", "kernel", "processors", "memory", "default route", "GPUs", "leftovers"] {
        assert!(table.lines().any(|line| line.starts_with(fact)), "{fact}: {table}");
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("facts.json");
    let written = output(&["node", "facts", "--packages", "--output", file.to_str().unwrap()]);
    assert!(written.status.success() && written.stdout.is_empty());
    let facts: Facts = serde_json::from_str(&fs_err::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(facts.packages.installed.is_some(), facts.packages.count.is_some());
}

#[test]
fn preflight_reports_and_ends_with_7_if_something_blocks() {
    let run = output(&["node", "preflight", "--json"]);
    let report = json(&run);
    let blocking = report["blocking"].as_u64().unwrap();
    assert_eq!(run.status.code(), Some(if blocking > 0 { 7 } else { 0 }));
    assert!(report["findings"].as_array().unwrap().len() > 60);
    assert_eq!(report["circumstances"]["role"], "server");
    let table = String::from_utf8(output(&["node", "preflight", "--all"]).stdout).unwrap();
    assert!(table.contains("Passed\n\nID") && table.contains("could not be checked\n"), "{table}");
}

#[test]
fn a_bundle_is_compared_with_the_machine_once_it_is_verified() {
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("bundle-spec/golden");
    let path = |name: &str| golden.join(name).to_str().unwrap().to_owned();
    let (bundle, signers) = (path("single"), path("allowed_signers"));
    let preflight = ["node", "preflight", "--json", "--bundle", &bundle];
    assert_eq!(output(&preflight).status.code(), Some(5), "nobody vouches for it yet");
    let report = json(&output(&[&preflight[..], &["--allowed-signers", &signers]].concat()));
    assert_eq!(report["circumstances"]["bundle"]["name"], "golden-1.0");
    let findings = report["findings"].as_array().unwrap();
    let room = findings.iter().find(|finding| finding["id"] == "D4").unwrap();
    assert_eq!(room["verdict"], "passed", "{room}");
}

#[test]
fn nobody_is_told_to_become_root() {
    let Some(run) = as_nobody(&["node", "preflight"]) else {
        eprintln!("SKIPPED: only root can become nobody");
        return;
    };
    assert_eq!(run.status.code(), Some(7));
    let text = String::from_utf8(run.stdout).unwrap();
    assert!(text.contains("P1: run the command with `sudo`"), "{text}");
}

#[test]
fn what_cannot_be_used_is_refused_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let policy = directory.path().join("policy.yaml");
    fs_err::write(
        &policy,
        "apiVersion: airlock/v1\nkind: PreflightPolicy\nchecks:\n  Q1: {severity: warn, reason: x}\n",
    )
    .unwrap();
    let run = output(&["node", "preflight", "--policy", policy.to_str().unwrap()]);
    assert_eq!(run.status.code(), Some(3));
    let text = String::from_utf8(run.stderr).unwrap();
    assert!(
        text.starts_with("error[E1002]: there is no check `Q1`") && text.contains("policy.yaml:4:3"),
        "{text}"
    );
    for arguments in [["--data-dir", "relative"], ["--pod-network", "10.42.0.0"], ["--role", "master"]] {
        let run = output(&["node", "preflight", arguments[0], arguments[1]]);
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn status_and_the_plan_of_a_reset_change_nothing_and_can_be_read() {
    let status = output(&["node", "status", "--json"]);
    assert!(matches!(status.status.code(), Some(0 | 7)), "{}", String::from_utf8_lossy(&status.stderr));
    assert!(json(&status)["isNode"].is_boolean());
    let Some(others) = as_nobody(&["node", "status", "--json"]) else {
        eprintln!("SKIPPED: only root can become nobody");
        return;
    };
    assert_eq!(json(&others)["isNode"], json(&status)["isNode"]);
    assert!(json(&output(&["node", "reset", "--plan", "--json"]))["kept"].is_array());
    let refused = as_nobody(&["node", "reset", "--plan"]).unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(7), "{said}");
    assert!(said.contains("a reset needs root") && said.contains("node reset --plan"), "{said}");
}
