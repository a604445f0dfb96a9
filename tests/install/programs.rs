//! The programs of the machine besides systemd: its clock, dpkg and apt, and kubectl. They keep what they do in files,
//! so that it outlives a kill of the installation that has called them.

use std::io;

use airlock::node::machine::{Call, Finished};

use super::disk::Disk;
use super::{cluster, gpu};

const STATUS: &str = "/var/lib/dpkg/status";

pub fn well(output: &str) -> Finished {
    Finished { status: Some(0), output: output.to_owned(), errors: String::new() }
}

pub fn failed(errors: &str) -> Finished {
    Finished { status: Some(1), output: String::new(), errors: errors.to_owned() }
}

/// What k3s brings in itself.
pub const UNPACKED: &str = "/var/lib/rancher/k3s/data/current/bin/k3s";

/// What a program does; `NotFound` if the machine has none of that name.
pub fn run(disk: &Disk, call: &Call, k3s_runs: bool) -> io::Result<Finished> {
    let words: Vec<&str> = call.arguments().iter().map(String::as_str).collect();
    match call.program() {
        "journalctl" => Ok(well("")),
        "date" => date(disk, &words),
        "apt-get" => apt_get(disk, &words),
        "apt-mark" => hold(disk, &words),
        "dpkg" => dpkg(disk, &words),
        "haproxy" => test_configuration(disk, words[words.len() - 1]),
        "keepalived" => test_configuration(disk, words[words.len() - 1]),
        "ip" => Ok(cluster::run(disk, call, &words)?.unwrap_or_else(|| well("[]"))),
        "/usr/local/bin/k3s" => {
            // Whatever it is called for, it unpacks itself first.
            if disk.has("/usr/local/bin/k3s") && !disk.has(UNPACKED) {
                disk.write(UNPACKED, "of k3s")?;
            }
            if k3s_runs { kubectl(disk, &words[3..]) } else { Ok(failed("no server")) }
        }
        _ => match gpu::run(disk, call, &words)? {
            Some(finished) => Ok(finished),
            None => cluster::run(disk, call, &words)?.ok_or_else(|| io::ErrorKind::NotFound.into()),
        },
    }
}

/// A clock that stands in 1970 until it is set.
fn date(disk: &Disk, words: &[&str]) -> io::Result<Finished> {
    match words.last().and_then(|word| word.strip_prefix('@')) {
        Some(second) => disk.write("/state/clock", second).map(|()| well("")),
        None => Ok(well(
            Some(disk.read("/state/clock")?).filter(|text| !text.is_empty()).as_deref().unwrap_or("60"),
        )),
    }
}

/// Unpacks what is named, and then configures it: between both it may be killed.
fn apt_get(disk: &Disk, words: &[&str]) -> io::Result<Finished> {
    let is_option = |word: &str| word.contains("::") || word.starts_with('-');
    let packages: Vec<(&str, &str)> =
        words.iter().filter(|word| !is_option(word)).filter_map(|word| word.split_once('=')).collect();
    if words.contains(&"purge") {
        let names = words.iter().skip_while(|word| **word != "purge").skip(1);
        return Ok(well(&names.map(|name| format!("Purg {name} [1.0]\n")).collect::<String>()));
    }
    if words.contains(&"--simulate") {
        let line =
            |(name, version): &(&str, &str)| format!("Inst {name} ({version} Airlock:airlock [amd64])\n");
        return Ok(well(&packages.iter().map(line).collect::<String>()));
    }
    if packages.is_empty() {
        return Ok(well(""));
    }
    let mut status = disk.read(STATUS)?;
    if words.contains(&"--reinstall") {
        packages.iter().try_for_each(|(name, _)| disk.remove(&damage(name)))?;
        return Ok(well(""));
    }
    for (name, version) in packages {
        unpack(disk, name)?;
        status += &format!(
            "Package: {name}\nStatus: install ok unpacked\nArchitecture: amd64\nVersion: {version}\n\n"
        );
    }
    disk.write(STATUS, &status)?;
    configure(disk)
}

/// The files that a package brings.
fn files(package: &str) -> &'static [&'static str] {
    match package {
        "nvidia-fabricmanager" => &["/usr/lib/systemd/system/nvidia-fabricmanager.service"],
        "nvidia-container-toolkit" => &["/usr/bin/nvidia-ctk"],
        "haproxy" => &["/usr/sbin/haproxy", "/usr/lib/systemd/system/haproxy.service"],
        "keepalived" => &["/usr/sbin/keepalived", "/usr/lib/systemd/system/keepalived.service"],
        _ => &[],
    }
}

fn unpack(disk: &Disk, package: &str) -> io::Result<()> {
    files(package).iter().try_for_each(|file| disk.write(file, ""))
}

/// Where it stands that a file of a package was changed.
pub fn damage(package: &str) -> String {
    format!("/state/damaged/{}", without_architecture(package))
}

fn without_architecture(package: &str) -> &str {
    package.split(':').next().unwrap_or(package)
}

fn dpkg(disk: &Disk, words: &[&str]) -> io::Result<Finished> {
    match words {
        ["--verify", names @ ..] => {
            let is_damaged = |name: &&&str| disk.has(&damage(name));
            let line = |name: &&str| format!("??5??????   /usr/bin/{name}\n");
            let damaged = names.iter().filter(is_damaged).map(line).collect::<String>();
            Ok(if damaged.is_empty() { verify(disk) } else { well(&damaged) })
        }
        ["--purge", names @ ..] => purge(disk, names),
        _ => configure(disk),
    }
}

fn purge(disk: &Disk, names: &[&str]) -> io::Result<Finished> {
    let names: Vec<&str> = names.iter().map(|name| without_architecture(name)).collect();
    let is_gone = |entry: &&str| {
        entry.lines().any(|line| line.strip_prefix("Package: ").is_some_and(|name| names.contains(&name)))
    };
    names.iter().flat_map(|name| files(name)).try_for_each(|file| disk.remove(file))?;
    let status = disk.read(STATUS)?;
    disk.write(STATUS, &status.split_inclusive("\n\n").filter(|entry| !is_gone(entry)).collect::<String>())?;
    Ok(well(""))
}

fn configure(disk: &Disk) -> io::Result<Finished> {
    let status = disk.read(STATUS)?;
    disk.write(STATUS, &status.replace("install ok unpacked", "install ok installed"))?;
    Ok(well(""))
}

/// A configuration of a package that is not the one it came with stands in `/state/modified`.
fn verify(disk: &Disk) -> Finished {
    match disk.read("/state/modified") {
        Ok(path) if !path.is_empty() => {
            Finished { status: Some(1), output: format!("??5?????? c {path}\n"), errors: String::new() }
        }
        _ => well(""),
    }
}

/// A service that refuses what a test says it does.
fn test_configuration(disk: &Disk, path: &str) -> io::Result<Finished> {
    match disk.has("/state/refuses") || disk.read(path)?.is_empty() {
        true => Ok(failed("(Line 7) Unknown keyword 'nopreempt'")),
        false => Ok(well("")),
    }
}

fn hold(disk: &Disk, words: &[&str]) -> io::Result<Finished> {
    let (before, after) = match words[0] {
        "hold" => ("install ok", "hold ok"),
        _ => ("hold ok", "install ok"),
    };
    let mut status = disk.read(STATUS)?;
    for name in &words[1..] {
        let line = |want: &str| format!("Package: {name}\nStatus: {want}");
        status = status.replace(&line(before), &line(after));
    }
    disk.write(STATUS, &status)?;
    Ok(well(""))
}

/// A cluster of one node, which runs every pod. What it stores outlives its processes.
fn kubectl(disk: &Disk, words: &[&str]) -> io::Result<Finished> {
    let wants_json = words.contains(&"json");
    Ok(match words {
        ["get", "node", ..] if wants_json => {
            well(r#"{"status": {"conditions": [{"type": "Ready", "status": "True"}]}}"#)
        }
        ["get", "node", ..] => well(&disk.read("/state/annotation")?),
        ["get", "serviceaccounts", ..] => well("serviceaccount/default\n"),
        ["get", "pod", ..] if disk.has("/state/pod") => well(r#"{"status": {"phase": "Running"}}"#),
        ["get", "pod", ..] => failed("Error from server (NotFound): pods not found"),
        ["create", ..] => disk.write("/state/pod", "").map(|()| well(""))?,
        ["delete", ..] => disk.remove("/state/pod").map(|()| well(""))?,
        ["annotate", .., annotation] => {
            let value = annotation.split_once('=').map_or("", |(_, value)| value);
            disk.write("/state/annotation", value).map(|()| well(""))?
        }
        other => panic!("kubectl {other:?}"),
    })
}
