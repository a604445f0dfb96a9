//! Inventories in both formats: bad ones and what is said about them, good ones and what becomes of them.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

#[path = "cluster_inventory/ansible.rs"]
mod ansible;
#[path = "cluster_inventory/convert.rs"]
mod convert;
#[path = "cluster_inventory/generated.rs"]
mod generated;
#[path = "cluster_inventory/injection.rs"]
mod injection;
#[path = "cluster_inventory/rejected.rs"]
mod rejected;
#[path = "cluster_inventory/rejected_ini.rs"]
mod rejected_ini;
#[path = "cluster_inventory/yaml.rs"]
mod yaml;

#[path = "support/examples.rs"]
mod examples;
#[path = "support/inventory_fields.rs"]
mod inventory_fields;
#[path = "support/rendered.rs"]
mod rendered;

use std::path::Path;

use airlock::cluster::inventory::{Connection, Host, Inventory, Ssh};
use airlock::error::{Error, Location};
use airlock::secret::Secret;
use airlock::spec::cluster::Read;
use airlock::spec::{ansible as ini, cluster};
use rendered::rendered;

/// The lines that every `cluster.yaml` begins with.
const HEAD: &str = "apiVersion: airlock/v1\nkind: Cluster\n";

/// Reads a `cluster.yaml` without its head. Every file with a secret holds `canary`.
fn yaml(body: &str) -> Result<Read, Error> {
    let text = format!("{HEAD}{body}");
    let mut canary = |_: &Path| Ok(Secret::new("canary".to_owned()));
    cluster::parse(text.as_bytes(), "cluster.yaml", Path::new("/site"), &mut canary)
}

/// Reads an inventory of Ansible.
fn ansible(text: &str) -> Result<Read, Error> {
    ini::parse(text.as_bytes(), "hosts.ini", Path::new("/site"))
}

/// The host of this name.
fn host<'a>(inventory: &'a Inventory, name: &str) -> &'a Host {
    inventory.host(name).expect(name)
}

/// How SSH reaches a host.
fn ssh<'a>(inventory: &'a Inventory, name: &str) -> &'a Ssh {
    match &host(inventory, name).connection {
        Connection::Ssh(ssh) => ssh,
        Connection::Local { .. } => panic!("{name} is the machine itself"),
    }
}

/// The same without the places where hosts were named.
fn without_places(mut inventory: Inventory) -> Inventory {
    for host in &mut inventory.hosts {
        host.location = Location { file: String::new(), line: 0, column: 0, snippet: None };
    }
    inventory
}
