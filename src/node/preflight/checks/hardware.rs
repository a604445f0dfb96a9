//! Processors and memory.

use super::super::outcome::{GIB, MIB, block, gibibytes, info, passed, unknown, warn};
use super::super::{Check, Circumstances, Concern, Outcome, Severity};
use crate::node::facts::Facts;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "H1",
        title: "processors of a server",
        severity: Severity::Block,
        threshold: "2; better 4",
        concern: Concern::Server,
        examine: |facts, _| processors(facts, 2, 4),
        mend: None,
    },
    Check {
        id: "H2",
        title: "processors of an agent",
        severity: Severity::Block,
        threshold: "1",
        concern: Concern::Agent,
        examine: |facts, _| processors(facts, 1, 1),
        mend: None,
    },
    Check {
        id: "H3",
        title: "level of the processor",
        severity: Severity::Warn,
        threshold: "x86-64-v2 on x86-64",
        concern: Concern::All,
        examine: level,
        mend: None,
    },
    Check {
        id: "H4",
        title: "memory of a server",
        severity: Severity::Block,
        threshold: "2 GiB; better 4 GiB",
        concern: Concern::Server,
        examine: |facts, _| memory(facts, 2 * GIB, 4 * GIB),
        mend: None,
    },
    Check {
        id: "H5",
        title: "memory of an agent",
        severity: Severity::Block,
        threshold: "512 MiB; better 1 GiB",
        concern: Concern::Agent,
        examine: |facts, _| memory(facts, 512 * MIB, GIB),
        mend: None,
    },
    Check {
        id: "H8",
        title: "kind of machine",
        severity: Severity::Info,
        threshold: "not a container",
        concern: Concern::All,
        examine: kind,
        mend: None,
    },
];

fn processors(facts: &Facts, least: u32, better: u32) -> Outcome {
    let Some(count) = facts.cpu.count else { return unknown("/proc/cpuinfo does not list processors") };
    let remedy = format!("use a machine, or give the virtual one, {better} processors");
    match count {
        few if few < least => block(few.to_string(), remedy),
        some if some < better => warn(some.to_string(), remedy),
        enough => passed(enough.to_string()),
    }
}

fn level(facts: &Facts, _: &Circumstances) -> Outcome {
    if facts.machine.architecture != "x86_64" {
        return passed(&facts.machine.architecture);
    }
    match facts.cpu.level {
        None => unknown("/proc/cpuinfo does not list what the processor can do"),
        Some(1) => warn(
            "x86-64-v1",
            "many current images do not run here: in a virtual machine let the processor of the host through (libvirt: `<cpu mode='host-model'/>`)",
        ),
        Some(level) => passed(format!("x86-64-v{level}")),
    }
}

/// What firmware and kernel keep for themselves: a machine sold with 4 GB has less for its programs.
const KEPT: u64 = 16;

fn memory(facts: &Facts, least: u64, better: u64) -> Outcome {
    let Some(total) = facts.memory.total else {
        return unknown("/proc/meminfo does not say how much there is");
    };
    let with_kept = total.saturating_add(total / KEPT);
    let remedy = format!("use a machine, or give the virtual one, {} of memory", gibibytes(better));
    match with_kept {
        few if few < least => block(gibibytes(total), remedy),
        some if some < better => warn(gibibytes(total), remedy),
        _ => passed(gibibytes(total)),
    }
}

fn kind(facts: &Facts, _: &Circumstances) -> Outcome {
    match &facts.machine.container {
        Some(container) => info(
            format!("a container of {container}"),
            "only containers with all rights can be nodes; for anything but tests use a machine of its own",
        ),
        None if facts.machine.virtual_machine => passed("a virtual machine"),
        None => passed("a machine"),
    }
}
