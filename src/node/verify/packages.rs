//! Packages of the bundle that are installed: files with other bytes than dpkg has unpacked, and missing ones.

use super::{Finding, Part};
use crate::error::Result;
use crate::node::machine::Machine;
use crate::node::packages::{Modified, Packages};

/// Files of a package that are named.
const NAMED: usize = 3;

/// The packages, and those that a repair unpacks again. Which of them have to be there, and in which version, is
/// asked by the steps.
pub(super) fn part(packages: &Packages, machine: &Machine) -> (Part, Vec<Modified>) {
    let part = Part::new("packages", "package");
    match look(packages, machine) {
        Ok((checked, modified)) => {
            let findings = modified.iter().map(finding).collect();
            (Part { checked, findings, ..part }, modified)
        }
        Err(error) => {
            let findings = vec![Finding::failed("the packages of the bundle", &error)];
            (Part { findings, ..part }, Vec::new())
        }
    }
}

fn look(packages: &Packages, machine: &Machine) -> Result<(u64, Vec<Modified>)> {
    let installed = packages.installed(machine)?;
    let modified = packages.modified(machine, &installed)?;
    Ok((installed.len() as u64, modified))
}

fn finding(package: &Modified) -> Finding {
    let repair = match package.is_in_bundle {
        true => format!("{} {} is unpacked again from the bundle", package.name, package.version),
        false => format!(
            "the bundle does not have version {}: `apt-get install --reinstall {}` from where it came",
            package.version, package.name
        ),
    };
    let parts = [("changed", &package.changed), ("missing", &package.missing)];
    let parts = parts.into_iter().filter(|(_, files)| !files.is_empty());
    let differs: Vec<String> = parts.map(|(how, files)| format!("{how}: {}", listed(files))).collect();
    Finding::new(format!("package {}", package.name), differs.join("; "), repair)
}

fn listed(files: &[String]) -> String {
    let named = files.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match files.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
