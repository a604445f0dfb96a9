//! Clocks: certificates that a server makes are not valid yet where the clock is behind, and etcd complains.

use super::{Finding, Severity, Survey};
use crate::cluster::inventory::Inventory;

/// Certificates are made by one clock and checked by another. Milliseconds.
const BLOCK: i64 = 60_000;
/// etcd tells of differences above one second.
const WARN: i64 = 1_000;

/// Hosts whose clock is far from that of most, ours among them.
pub(super) fn findings(inventory: &Inventory, survey: &Survey) -> Vec<Finding> {
    let clocks: Vec<_> =
        inventory.hosts.iter().filter_map(|host| Some((host, survey.look(&host.name)?))).collect();
    let middle = median(clocks.iter().map(|(_, look)| look.clock.ahead).chain([0]).collect());
    let mut findings = Vec::new();
    for (host, look) in clocks {
        let difference = look.clock.ahead - middle;
        let certain = difference.abs() - look.clock.uncertainty;
        // Its certificates are made already: it is told, not kept out.
        let severity = match certain {
            BLOCK.. if !look.status.is_member() => Severity::Block,
            WARN.. => Severity::Warn,
            _ => continue,
        };
        let direction = if difference > 0 { "ahead of" } else { "behind" };
        let text =
            format!("the clock of {} is {} {direction} the others", host.name, duration(difference.abs()));
        let help = format!(
            "set it on {}, and let something keep it: `timedatectl`, chrony with a server of the site",
            host.name
        );
        findings.push(Finding::of("clock", severity, Some(&host.name), text, help));
    }
    findings
}

/// The middle one; of two the one nearer to zero.
fn median(mut values: Vec<i64>) -> i64 {
    values.sort_unstable();
    let upper = values[values.len() / 2];
    let lower = values[(values.len() - 1) / 2];
    if upper.abs() < lower.abs() { upper } else { lower }
}

fn duration(milliseconds: i64) -> String {
    match milliseconds {
        0..10_000 => format!("{:.1} s", milliseconds as f64 / 1000.0),
        10_000..120_000 => format!("{} s", milliseconds / 1000),
        120_000..7_200_000 => format!("{} min", milliseconds / 60_000),
        _ => format!("{} h", milliseconds / 3_600_000),
    }
}
