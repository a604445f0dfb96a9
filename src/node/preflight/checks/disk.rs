//! Room on disks.

use std::collections::BTreeMap;

use super::super::outcome::{GIB, block, gibibytes, passed, unknown, warn};
use super::super::{Check, Circumstances, Concern, Outcome, Role, Severity};
use crate::node::facts::{Facts, FileSystem};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "D1",
        title: "size of the disk for data",
        severity: Severity::Warn,
        threshold: "40 GiB on a server, 30 GiB on an agent",
        concern: Concern::All,
        examine: size,
        mend: None,
    },
    Check {
        id: "D2",
        title: "use of the disk for data",
        severity: Severity::Block,
        threshold: "at most 80 %; better 60 %",
        concern: Concern::All,
        examine: used,
        mend: None,
    },
    Check {
        id: "D3",
        title: "free on the disk for data",
        severity: Severity::Warn,
        threshold: "10 GiB",
        concern: Concern::All,
        examine: free,
        mend: None,
    },
    Check {
        id: "D4",
        title: "room for the bundle",
        severity: Severity::Block,
        threshold: "store of a server: the bundle; data directory: three times its images, kept and unpacked",
        concern: Concern::All,
        examine: room_for_bundle,
        mend: None,
    },
    Check {
        id: "D5",
        title: "room for short-lived files",
        severity: Severity::Block,
        threshold: "twice the largest blob of the bundle",
        concern: Concern::All,
        examine: staging,
        mend: None,
    },
    Check {
        id: "D6",
        title: "free inodes on the disk for data",
        severity: Severity::Warn,
        threshold: "10 %",
        concern: Concern::All,
        examine: inodes,
        mend: None,
    },
    Check {
        id: "D7",
        title: "free part of the disk for data",
        severity: Severity::Warn,
        threshold: "15 %",
        concern: Concern::All,
        examine: free_part,
        mend: None,
    },
    Check {
        id: "D8",
        title: "time until a write to the disk for data is safe",
        severity: Severity::Warn,
        threshold: "99 of 100 in less than 10 ms",
        concern: Concern::Server,
        examine: latency,
        mend: None,
    },
];

const UNKNOWN: &str = "the space of the data directory is not known";

pub(super) fn data<'a>(facts: &'a Facts, circumstances: &Circumstances) -> Option<&'a FileSystem> {
    facts.storage.directory(&circumstances.data_directory)
}

fn size(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let Some(total) = data(facts, circumstances).and_then(|data| data.total) else { return unknown(UNKNOWN) };
    let least = match circumstances.role {
        Role::Server => 40 * GIB,
        Role::Agent => 30 * GIB,
        Role::Balancer => 2 * GIB,
    };
    if total >= least {
        return passed(gibibytes(total));
    }
    let directory = &circumstances.data_directory;
    warn(gibibytes(total), format!("mount a disk of {} at {directory}", gibibytes(least)))
}

/// Part of a whole in percent, rounded down.
fn percent(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 100 / u128::from(whole.max(1))).unwrap_or(u64::MAX)
}

fn used(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let data = data(facts, circumstances);
    let Some((data, (used, total))) = data.and_then(|data| Some((data, data.used.zip(data.total)?))) else {
        return unknown(UNKNOWN);
    };
    let (measured, part) = (format!("{} %", percent(used, total)), percent(used, total));
    let place = data.mount_point.as_deref().unwrap_or(&data.existing);
    let remedy = format!(
        "make room: `du -xh --max-depth=2 {place} | sort -h | tail` shows what is large; from 85 % on Kubernetes deletes images and then pods"
    );
    match part {
        // What an installation of ours has filled is no reason not to repeat it.
        81.. if !facts.previous.ours => block(measured, remedy),
        61.. => warn(measured, remedy),
        _ => passed(measured),
    }
}

fn free(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let Some(free) = data(facts, circumstances).and_then(|data| data.available) else {
        return unknown(UNKNOWN);
    };
    if free >= 10 * GIB {
        return passed(gibibytes(free));
    }
    warn(gibibytes(free), format!("make room, or mount a larger disk at {}", circumstances.data_directory))
}

/// What an image takes on a node: containerd keeps its layers as they came, and unpacked about twice as large.
const KEPT_AND_UNPACKED: u64 = 3;

/// Needs by file system, so that directories that share one are counted together.
fn room_for_bundle(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let Some(bundle) = &circumstances.bundle else { return unknown("no bundle is given (`--bundle`)") };
    if facts.previous.ours {
        return passed("some of it is there already");
    }
    let mut needs: BTreeMap<&str, (&FileSystem, u64)> = BTreeMap::new();
    let mut need = |directory: &str, bytes: u64| {
        if let Some(found) = facts.storage.directory(directory) {
            let device = found.device.as_deref().unwrap_or(&found.existing);
            let needed = &mut needs.entry(device).or_insert((found, 0)).1;
            *needed = needed.saturating_add(bytes);
        }
    };
    if circumstances.keeps_bundle {
        need(&circumstances.state_directory, bundle.bytes);
    }
    need(&circumstances.data_directory, bundle.image_bytes.saturating_mul(KEPT_AND_UNPACKED));
    let short = needs.values().find(|(found, bytes)| found.available.is_some_and(|free| free < *bytes));
    match short {
        None => passed(format!("the bundle has {}", gibibytes(bundle.bytes))),
        Some((found, bytes)) => {
            let place = found.mount_point.as_deref().unwrap_or(&found.existing);
            let free = gibibytes(found.available.unwrap_or(0));
            block(
                format!("{free} free at {place}, {} needed", gibibytes(*bytes)),
                format!("make room at {place}, or mount a larger disk at {}", found.directory),
            )
        }
    }
}

fn staging(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let Some(bundle) = &circumstances.bundle else { return unknown("no bundle is given (`--bundle`)") };
    let directory = &circumstances.staging_directory;
    let Some(free) = facts.storage.directory(directory).and_then(|found| found.available) else {
        return unknown(format!("the space of {directory} is not known"));
    };
    let needed = bundle.largest_blob.saturating_mul(2);
    if free >= needed {
        return passed(gibibytes(free));
    }
    block(
        format!("{} at {directory}, {} needed", gibibytes(free), gibibytes(needed)),
        format!("make room in {directory}"),
    )
}

fn inodes(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let found = data(facts, circumstances).and_then(|data| data.inodes.zip(data.free_inodes));
    match found {
        None => unknown(UNKNOWN),
        Some((0, _)) => passed("as many as needed"),
        Some((all, free)) if percent(free, all) >= 10 => passed(format!("{} %", percent(free, all))),
        Some((all, free)) => warn(
            format!("{} %", percent(free, all)),
            format!(
                "delete small files, or make the file system of {} anew with more inodes",
                circumstances.data_directory
            ),
        ),
    }
}

fn free_part(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let found = data(facts, circumstances).and_then(|data| data.available.zip(data.total));
    let Some((free, total)) = found else { return unknown(UNKNOWN) };
    let measured = format!("{} %", percent(free, total));
    if percent(free, total) >= 15 {
        return passed(measured);
    }
    warn(measured, format!("make room, or mount a larger disk at {}", circumstances.data_directory))
}

fn latency(_: &Facts, circumstances: &Circumstances) -> Outcome {
    let Some(latency) = circumstances.write_latency else {
        return unknown("not measured (`--measure-disk`)");
    };
    let measured = format!("{}.{} ms", latency / 1000, latency % 1000 / 100);
    if latency < 10_000 {
        return passed(measured);
    }
    warn(
        measured,
        format!(
            "etcd wants an SSD: mount one at {}, or keep other work off this disk",
            circumstances.data_directory
        ),
    )
}
