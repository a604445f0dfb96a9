//! What apt would do, read from a simulation (`apt-get --simulate`).
//!
//! The lines are those of apt-get(8), "-s": `Inst NAME [OLD] (NEW ORIGIN… [ARCHITECTURE])`, `Conf …`,
//! `Remv NAME [OLD]`, and `Purg …` for packages whose configuration goes as well.

use super::version::Version;

/// What apt would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// Packages that would be unpacked, in that order.
    pub installs: Vec<Unpacked>,
    /// Packages that would be removed: names, with `:architecture` where apt prints it.
    pub removals: Vec<String>,
}

/// A package that would be unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// Its name.
    pub name: String,
    /// Its architecture, or `all`.
    pub architecture: String,
    /// The version that is there now, if one is.
    pub old: Option<String>,
    /// The version that would be there.
    pub new: String,
}

impl Unpacked {
    /// As dpkg names it without doubt: `nfs-common:amd64`.
    pub fn full_name(&self) -> String {
        format!("{}:{}", self.name, self.architecture)
    }

    /// Whether an older version would replace a newer one. A version that cannot be read is not trusted.
    pub fn is_downgrade(&self) -> bool {
        let Some(old) = &self.old else { return false };
        match (Version::parse(old), Version::parse(&self.new)) {
            (Ok(old), Ok(new)) => new < old,
            _ => true,
        }
    }
}

/// Reads a simulation, also one that apt has given up because it may not remove anything.
pub fn parse(output: &str) -> Transaction {
    let mut transaction = Transaction::default();
    let mut in_list = false;
    for line in output.lines() {
        let is_listed = in_list && line.starts_with(' ');
        if is_listed {
            transaction
                .removals
                .extend(line.split_whitespace().map(|name| name.trim_end_matches('*').to_owned()));
        } else if let Some(rest) = line.strip_prefix("Inst ") {
            transaction.installs.extend(unpacked(rest));
        } else if let Some(rest) = line.strip_prefix("Remv ").or_else(|| line.strip_prefix("Purg ")) {
            transaction.removals.extend(rest.split(' ').next().map(str::to_owned));
        }
        in_list = is_listed || line == "The following packages will be REMOVED:";
    }
    let mut seen = std::collections::HashSet::new();
    transaction.removals.retain(|name| seen.insert(name.clone()));
    transaction
}

/// `NAME [OLD] (NEW ORIGIN… [ARCHITECTURE]) …`
fn unpacked(line: &str) -> Option<Unpacked> {
    let (name, rest) = line.split_once(' ')?;
    let (before, rest) = rest.split_once('(')?;
    let (inside, _) = rest.split_once(')')?;
    let (new, from) = inside.split_once(' ')?;
    let architecture = from.rsplit_once('[')?.1.strip_suffix(']')?;
    let old = before.trim().strip_prefix('[').and_then(|old| old.strip_suffix(']'));
    Some(Unpacked {
        name: name.split(':').next().unwrap_or(name).to_owned(),
        architecture: architecture.to_owned(),
        old: old.map(str::to_owned),
        new: new.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIMULATED: &str = "\
NOTE: This is only a simulation!
The following NEW packages will be installed:
  keepalived libnl-3-200
0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.
Inst libnl-3-200 (3.7.0-0.2+b1 Airlock:airlock [amd64])
Inst libc6:i386 [2.36-8] (2.36-9 Airlock:airlock, Debian:12.1/stable [i386]) [keepalived:amd64 ]
Inst tzdata [2026b-1] (2026a-1 Airlock:airlock [all])
Conf libnl-3-200 (3.7.0-0.2+b1 Airlock:airlock [amd64])
";

    #[test]
    fn what_would_be_unpacked_is_read_with_both_versions() {
        let transaction = parse(SIMULATED);
        let names: Vec<_> = transaction.installs.iter().map(Unpacked::full_name).collect();
        assert_eq!(names, ["libnl-3-200:amd64", "libc6:i386", "tzdata:all"]);
        assert_eq!(transaction.installs[0].old, None);
        assert_eq!(transaction.installs[1].old.as_deref(), Some("2.36-8"));
        let downgrades: Vec<_> = transaction.installs.iter().map(Unpacked::is_downgrade).collect();
        assert_eq!(downgrades, [false, false, true]);
        assert!(transaction.removals.is_empty());
    }

    #[test]
    fn removals_are_read_whether_apt_goes_on_or_refuses() {
        let refused = "The following packages will be REMOVED:\n  systemd-timesyncd* time-daemon\n  ntp\n\
            The following NEW packages will be installed:\n  chrony\n\
            E: Packages need to be removed but remove is disabled.\n";
        assert_eq!(parse(refused).removals, ["systemd-timesyncd", "time-daemon", "ntp"]);
        let simulated = "The following packages will be REMOVED:\n  a*\nPurg a [1.0]\nRemv b:i386 [2.0]\n";
        assert_eq!(parse(simulated).removals, ["a", "b:i386"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "((Inst|Remv|Purg| )?[a-z \\[\\]():.0-9]{0,20}\n){0,8}") {
            let transaction = parse(&text);
            prop_assert!(transaction.installs.len() <= text.lines().count());
        }
    }
}
