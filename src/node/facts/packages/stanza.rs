//! Stanzas of `/var/lib/dpkg/status`, with the fields that decide what fits together, and back to text.

use std::collections::BTreeMap;

/// The fields of an installed package, as dpkg writes them.
pub type Stanza = BTreeMap<String, String>;

/// Fields that decide what can be installed beside a package (deb-control(5)).
const FIELDS: [&str; 16] = [
    "Architecture",
    "Breaks",
    "Conflicts",
    "Depends",
    "Enhances",
    "Essential",
    "Multi-Arch",
    "Package",
    "Pre-Depends",
    "Priority",
    "Protected",
    "Provides",
    "Recommends",
    "Replaces",
    "Source",
    "Status",
];

/// All stanzas of a status file, without what was removed.
pub(super) fn installed(status: &[u8]) -> Vec<Stanza> {
    let text = String::from_utf8_lossy(status);
    let stanzas = text.split("\n\n").map(fields);
    let is_there = |stanza: &Stanza| {
        stanza
            .get("Status")
            .is_some_and(|status| !status.ends_with(" not-installed") && !status.ends_with(" config-files"))
    };
    stanzas.filter(is_there).collect()
}

fn fields(stanza: &str) -> Stanza {
    let mut found: Stanza = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in stanza.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some(value) = current.as_ref().and_then(|name| found.get_mut(name)) {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            current = (name == "Version" || FIELDS.contains(&name)).then(|| name.to_owned());
            if current.is_some() {
                found.insert(name.to_owned(), value.trim().to_owned());
            }
        }
    }
    found
}

/// A status file with these stanzas, for whoever reads one.
pub fn status_text(stanzas: &[Stanza]) -> String {
    let stanza = |fields: &Stanza| {
        fields
            .iter()
            .map(|(name, value)| format!("{name}: {}\n", value.replace('\n', " ")))
            .collect::<String>()
    };
    stanzas.iter().map(stanza).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debian::package::parse_status;

    const STATUS: &str = "Package: apt\nStatus: install ok installed\nVersion: 2.6.1\nArchitecture: amd64\n\
        Depends: libc6 (>= 2.34),\n adduser\nConffiles:\n /etc/apt/x 0123\nDescription: package manager\n more\n\n\
        Package: gone\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: amd64\n";

    #[test]
    fn what_was_listed_is_a_status_file_again() {
        let listed = installed(STATUS.as_bytes());
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0]["Depends"], "libc6 (>= 2.34), adduser");
        assert!(!listed[0].contains_key("Description") && !listed[0].contains_key("Conffiles"));
        let text = status_text(&listed);
        assert_eq!(installed(text.as_bytes()), listed);
        assert_eq!(parse_status(text.as_bytes()).unwrap().len(), 1);
    }
}
