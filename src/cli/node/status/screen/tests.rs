//! The screen for a node that works, one that does not, one that is seen by others than root, and for no node.

use super::*;
use crate::node::status::{ClusterState, Gpus, Storage, VirtualAddress};

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn service(name: &str) -> ServiceState {
    ServiceState {
        name: name.to_owned(),
        state: "active".to_owned(),
        sub: "running".to_owned(),
        is_enabled: true,
        since: Some(time("2026-05-04T12:30:10Z")),
        restarts: 0,
    }
}

fn healthy() -> Status {
    Status {
        is_node: true,
        name: "gpu1".to_owned(),
        identity: Some(Identity {
            role: Role::Server,
            joined: None,
            address: Some([10, 0, 0, 1].into()),
            data_directory: "/var/lib/rancher/k3s".to_owned(),
        }),
        bundles: vec![Installed {
            name: Some("lab-1.4".to_owned()),
            channel: "stable".to_owned(),
            serial: 7,
            manifest: Digest::of(b"manifest"),
            at: time("2026-05-04T12:31:00Z"),
            signers: vec!["SHA256:n7kWfX5m4rL0ZQv9aVh8s2dYpTgUcE1bJxRtKiHwDqM".to_owned()],
        }],
        last_run: Some(LastRun {
            command: "install".to_owned(),
            version: "0.1.0".to_owned(),
            at: "2026-05-04T12:29:00Z".to_owned(),
            ending: Ending::Finished,
        }),
        running: None,
        services: ["airlock-registry.service", "k3s.service"].map(service).to_vec(),
        registry: Some(RegistryHealth {
            endpoints: vec!["https://127.0.0.1:5443".to_owned()],
            answers: Some(true),
            why: None,
            bundles: Some(1),
            images: Some(23),
        }),
        virtual_address: Some(VirtualAddress { address: [10, 0, 0, 100].into(), is_here: true }),
        cluster: Some(ClusterState { ready: true, why: None }),
        storage: Some(Storage { store: 40 << 30, free: 200 << 30, total: 500 << 30 }),
        gpu: Gpus { count: 8, driver: Some("570.86.15".to_owned()), wanted: true },
        problems: Vec::new(),
        warnings: Vec::new(),
        unreadable: Vec::new(),
    }
}

fn finding(text: &str, help: &str) -> Finding {
    Finding { text: text.to_owned(), help: help.to_owned() }
}

#[test]
fn a_node_that_works_fits_on_a_screen() {
    insta::assert_snapshot!(render(&healthy()), @r"
    NODE       gpu1
    state      works
    role       server, has founded its cluster, at 10.0.0.1
    bundle     lab-1.4, channel stable, serial 7, sha256:05b3abf2579a, installed 2026-05-04 12:31 UTC
    signed by  SHA256:n7kWfX5m4rL0ZQv9aVh8s2dYpTgUcE1bJxRtKiHwDqM
    last run   install at 2026-05-04 12:29 UTC: finished
    service    airlock-registry.service: active since 2026-05-04 12:30 UTC
    service    k3s.service: active since 2026-05-04 12:30 UTC
    address    10.0.0.100 in front of the servers: here
    registry   https://127.0.0.1:5443 answers; 1 bundle, 23 images
    cluster    the node is ready
    disk       store 40.0 GiB; 200 GiB of 500 GiB free
    GPUs       8 of NVIDIA, driver 570.86.15
    ");
}

#[test]
fn what_was_interrupted_and_what_is_down_is_below_with_the_way_out() {
    let mut status = healthy();
    let step = Some("k3s-service".to_owned());
    status.last_run.as_mut().unwrap().ending = Ending::Interrupted { step };
    let down =
        ServiceState { state: "failed".to_owned(), restarts: 4, is_enabled: false, ..service("k3s.service") };
    status.services[1] = down;
    status.cluster = Some(ClusterState { ready: false, why: Some("no server".to_owned()) });
    let help = "run `sudo airlock install` again; it continues";
    status.problems = vec![finding("the last install was interrupted in step k3s-service", help)];
    status.warnings = vec![finding("the disk of the store is almost full", "`airlock store gc`")];
    insta::assert_snapshot!(render(&status), @r"
    NODE       gpu1
    state      1 problem
    role       server, has founded its cluster, at 10.0.0.1
    bundle     lab-1.4, channel stable, serial 7, sha256:05b3abf2579a, installed 2026-05-04 12:31 UTC
    signed by  SHA256:n7kWfX5m4rL0ZQv9aVh8s2dYpTgUcE1bJxRtKiHwDqM
    last run   install at 2026-05-04 12:29 UTC: interrupted in step k3s-service
    service    airlock-registry.service: active since 2026-05-04 12:30 UTC
    service    k3s.service: failed, 4 restarts, not at the next boot
    address    10.0.0.100 in front of the servers: here
    registry   https://127.0.0.1:5443 answers; 1 bundle, 23 images
    cluster    the node is not ready
    disk       store 40.0 GiB; 200 GiB of 500 GiB free
    GPUs       8 of NVIDIA, driver 570.86.15
    problem: the last install was interrupted in step k3s-service
      run `sudo airlock install` again; it continues
    warning: the disk of the store is almost full
      `airlock store gc`
    ");
}

#[test]
fn without_root_it_is_told_what_was_not_read() {
    let status = Status {
        identity: None,
        last_run: None,
        registry: None,
        virtual_address: None,
        cluster: None,
        gpu: Gpus::default(),
        unreadable: vec!["`/var/lib/airlock/journal` cannot be read: Permission denied\u{1b}[2J".to_owned()],
        ..healthy()
    };
    insta::assert_snapshot!(render(&status), @r"
    NODE       gpu1
    state      works, as far as could be seen
    bundle     lab-1.4, channel stable, serial 7, sha256:05b3abf2579a, installed 2026-05-04 12:31 UTC
    signed by  SHA256:n7kWfX5m4rL0ZQv9aVh8s2dYpTgUcE1bJxRtKiHwDqM
    service    airlock-registry.service: active since 2026-05-04 12:30 UTC
    service    k3s.service: active since 2026-05-04 12:30 UTC
    disk       store 40.0 GiB; 200 GiB of 500 GiB free
    not read: `/var/lib/airlock/journal` cannot be read: Permission denied\u{1b}[2J
    ");
}

#[test]
fn a_machine_that_is_no_node_is_told_how_to_become_one() {
    let status = Status { is_node: false, last_run: None, ..healthy() };
    insta::assert_snapshot!(render(&status), @r"
    this machine is not a node of airlock
    to make it one: `sudo airlock install MEDIUM`, or `install` on the medium itself
    ");
    let status = Status { is_node: false, ..healthy() };
    insta::assert_snapshot!(render(&status), @r"
    this machine is not a node of airlock
    what a reset has kept is still there: `sudo airlock node reset`
    to make it one: `sudo airlock install MEDIUM`, or `install` on the medium itself
    ");
}
