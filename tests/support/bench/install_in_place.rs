//! `install --in-place` on a node of the lab, with a real systemd: how long after its start the registry answers.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use airlock::node::journal::{Entry, PATH};
use airlock::node::step::names::K3S_SERVICE;
use airlock::oci::digest::Digest;

use super::Result;
use super::airlock_program::{Airlock, remove};
use super::lab::node::Node;
use super::lab::release::Release;
use super::lab::{Lab, obstacle};
use super::large_stick::{self, IMAGE, Stick};
use super::measure::{Table, machine_load, make_cold, tell};

/// Where the stick is on the node.
const MEDIUM: &str = "/media/stick";
/// The promise, in seconds.
const PROMISE: f64 = 2.0;
/// What is taken for a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes a bundle of so many GiB and installs it on two nodes: one that has never read it, and one that just has.
pub fn run(airlock: &Airlock, gibibytes: u64, table: &mut Table) -> Result<()> {
    if let Some(obstacle) = obstacle() {
        return Err(obstacle.into());
    }
    let directory = airlock.output.join("install-in-place");
    if directory.exists() {
        remove(&directory)?;
    }
    fs_err::create_dir_all(&directory)?;
    tell("making the bundle, of which most is a hole");
    let stick = large_stick::make(&directory, airlock.program(), gibibytes << 30)?;
    table.fact("bundle", format!("{} MiB", fs_err::metadata(&stick.volume)?.len() >> 20));
    let lab = Lab::new("in-place").map_err(|error| error.to_string())?;
    for (name, is_cold) in [("cold", true), ("warm", false)] {
        tell(&format!("installing on the node `{name}`"));
        let node = lab.node(name, Release::Bookworm).map_err(|error| error.to_string())?;
        node.copy_in(&directory, MEDIUM).map_err(|error| error.to_string())?;
        measure(&node, &stick, is_cold, table)?;
        node.kill_hard().map_err(|error| error.to_string())?;
    }
    drop(lab);
    remove(&directory)
}

fn measure(node: &Node, stick: &Stick, is_cold: bool, table: &mut Table) -> Result<()> {
    let cache = if is_cold { "cold" } else { "warm" };
    if is_cold {
        let medium = node.root().join(MEDIUM.trim_start_matches('/'));
        for file in fs_err::read_dir(medium)? {
            make_cold(&file?.path())?;
        }
    }
    table.fact(&format!("load of the machine before it, {cache}"), machine_load()?);
    let mut command = node
        .command(&[&format!("{MEDIUM}/install"), "--in-place", "--yes", "--trust", &stick.signer])
        .map_err(|error| error.to_string())?;
    let begun = Instant::now();
    let log = tempfile::NamedTempFile::new()?;
    let mut installation =
        command.stdin(Stdio::null()).stderr(log.reopen()?).stdout(Stdio::null()).spawn()?;
    let served = until(&mut installation, begun, || {
        Ok(has(node, &format!("manifests/{}", stick.manifest), stick.manifest)?
            && has(node, &format!("blobs/{}", stick.layer), stick.layer)?)
    });
    let images = served.and_then(|served| {
        let k3s = until(&mut installation, begun, || has_begun(node, K3S_SERVICE))?;
        Ok((served, k3s))
    });
    let _ = installation.kill();
    installation.wait()?;
    let (served, k3s) = images
        .map_err(|error| format!("{error}\n{}", fs_err::read_to_string(log.path()).unwrap_or_default()))?;
    table.fact(
        &format!("from there until k3s is started, {cache}"),
        format!("{:.3} s", (k3s - served).as_secs_f64()),
    );
    let name = format!("install to first manifest and blob in s, {cache}");
    table.at_most(&name, served.as_secs_f64(), PROMISE);
    Ok(())
}

/// How long it takes until something is so, while the installation goes on.
fn until(
    installation: &mut Child,
    begun: Instant,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<Duration> {
    loop {
        if condition()? {
            return Ok(begun.elapsed());
        }
        if installation.try_wait()?.is_some() || begun.elapsed() > PATIENCE {
            return Err("the installation has not come so far".into());
        }
    }
}

/// Whether the registry gives this part of the image, asked as a container runtime does.
fn has(node: &Node, what: &str, digest: Digest) -> Result<bool> {
    let authority = node.root().join("var/lib/airlock/registry/ca.crt");
    if !authority.exists() {
        return Ok(false);
    }
    let address = format!("https://127.0.0.1:5443/v2/{IMAGE}/{what}?ns=docker.io");
    let authority = authority.display().to_string();
    let words = ["--silent", "--fail", "--max-time", "5", "--cacert", &authority, &address];
    let output = node.command_beside("curl", &words).output()?;
    Ok(output.status.success() && Digest::of(&output.stdout) == digest)
}

/// Whether a step is written down as begun.
fn has_begun(node: &Node, name: &str) -> Result<bool> {
    let path = node.root().join(Path::new(PATH.trim_start_matches('/')));
    let text = fs_err::read_to_string(path).unwrap_or_default();
    let begin = serde_json::to_string(&Entry::Begin { step: name.to_owned() })?;
    Ok(text.lines().any(|line| line == begin))
}
