//! What apt and dpkg said: the lines that tell something, out of many.

use crate::quote::escape;

/// Last lines of a failed program that an error repeats.
const REPEATED: usize = 12;

/// The line that counts: `0 upgraded, 12 newly installed, 0 to remove and 0 not upgraded.`
pub fn summary(output: &str) -> Option<String> {
    output.lines().find(|line| line.contains(" newly installed, ")).map(clean)
}

/// A line for each package that was set up, in that order.
pub fn configured(output: &str) -> Vec<String> {
    let configured = output.lines().filter(|line| line.starts_with("Setting up "));
    configured.map(|line| clean(line.trim_end_matches(" ..."))).collect()
}

/// A line for each package that would be unpacked or set up, in that order.
pub fn simulated(output: &str) -> Vec<String> {
    output.lines().filter(|line| line.starts_with("Inst ") || line.starts_with("Conf ")).map(clean).collect()
}

/// The packages that dpkg or apt names when it gives up, each once.
pub fn blamed(output: &str) -> Vec<String> {
    let mut names: Vec<&str> = Vec::new();
    let mut listed = false;
    for line in output.lines() {
        let name = if listed && line.starts_with(' ') { Some(line.trim()) } else { blamed_in(line) };
        listed = (listed && line.starts_with(' ')) || line == "Errors were encountered while processing:";
        names.extend(name.filter(|name| !name.is_empty()));
    }
    let mut seen = std::collections::HashSet::new();
    names.into_iter().filter(|name| seen.insert(*name)).map(clean).collect()
}

fn blamed_in(line: &str) -> Option<&str> {
    if let Some(name) = line.strip_prefix("E: Unable to locate package ") {
        return Some(name);
    }
    if let Some(rest) = line.strip_prefix("dpkg: error processing package ") {
        return rest.split(' ').next();
    }
    // ` keepalived : Depends: libc6 (>= 2.38) but 2.36-9 is to be installed`
    let (name, reason) = line.strip_prefix(' ')?.split_once(" : ")?;
    let kinds = ["Depends: ", "PreDepends: ", "Recommends: ", "Conflicts: ", "Breaks: "];
    kinds.iter().any(|kind| reason.starts_with(kind)).then(|| name.trim())
}

/// The end of what a failed program said, without empty lines and progress.
pub fn last_lines(output: &str) -> Vec<String> {
    let is_noise = |line: &&str| line.trim().is_empty() || line.starts_with("(Reading database ...");
    let mut lines: Vec<String> =
        output.lines().rev().filter(|line| !is_noise(line)).take(REPEATED).map(clean).collect();
    lines.reverse();
    lines
}

fn clean(line: impl AsRef<str>) -> String {
    escape(line.as_ref().trim_end()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTALLED: &str = "\
Reading package lists...
0 upgraded, 2 newly installed, 0 to remove and 3 not upgraded.
Need to get 0 B/500 kB of archives.
(Reading database ... 6000 files and directories currently installed.)
Setting up libnl-3-200:amd64 (3.7.0-0.2+b1) ...
Created symlink /etc/x.
Setting up keepalived (1:2.2.7-1+b2) ...
";

    #[test]
    fn an_installation_is_told_in_a_line_for_each_package() {
        assert_eq!(
            summary(INSTALLED).unwrap(),
            "0 upgraded, 2 newly installed, 0 to remove and 3 not upgraded."
        );
        let lines = ["Setting up libnl-3-200:amd64 (3.7.0-0.2+b1)", "Setting up keepalived (1:2.2.7-1+b2)"];
        assert_eq!(configured(INSTALLED), lines);
        assert!(blamed(INSTALLED).is_empty());
    }

    #[test]
    fn a_simulation_keeps_what_would_happen() {
        let output = "NOTE: This is only a simulation!\nInst a [1] (2 Airlock:airlock [amd64])\nConf a (2 Airlock:airlock [amd64])\n";
        assert_eq!(
            simulated(output),
            ["Inst a [1] (2 Airlock:airlock [amd64])", "Conf a (2 Airlock:airlock [amd64])"]
        );
    }

    #[test]
    fn the_package_at_fault_is_found_whoever_complains() {
        let dpkg = "dpkg: error processing package probe (--configure):\n subprocess returned error exit status 1\n\
            Errors were encountered while processing:\n probe\n other\nE: Sub-process dpkg returned an error code (1)\n";
        assert_eq!(blamed(dpkg), ["probe", "other"]);
        let apt = "The following packages have unmet dependencies:\n keepalived : Depends: libc6 (>= 9) but 2 is to be installed\n";
        assert_eq!(blamed(apt), ["keepalived"]);
        assert_eq!(blamed("E: Unable to locate package xyz\n"), ["xyz"]);
    }

    #[test]
    fn an_error_repeats_the_end_without_escapes() {
        let output = "one\n".repeat(50) + "(Reading database ... 5%\n\nE: \u{1b}[31mred\n";
        let lines = last_lines(&output);
        assert_eq!(lines.len(), REPEATED);
        assert_eq!(lines.last().unwrap(), "E: \\u{1b}[31mred");
    }
}
