//! What is assumed to be installed on the nodes of a target.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use fs_err as fs;

use super::Bench;
use super::recorded::recorded;
use crate::debian::baseline::{essential, of_node};
use crate::debian::package::Package;
use crate::debian::solver::Options;
use crate::debian::universe::Universe;
use crate::error::{Error, Result, codes};
use crate::node::facts;
use crate::spec::apt::{Baseline, Target};

/// Largest status file, in bytes; that of a desktop has 4 MiB.
const SIZE_LIMIT: u64 = 64 << 20;

/// A baseline before it meets the repositories.
#[derive(Debug)]
pub(super) enum Text {
    /// Follows from the repositories.
    Essential,
    /// The names in a recorded list.
    Recorded(&'static str),
    /// The status of a node.
    Status(Vec<u8>),
}

/// The baseline as it stands in the lock.
pub(super) fn name(baseline: &Baseline) -> String {
    match baseline {
        Baseline::Essential => "essential".to_owned(),
        Baseline::Server => "server".to_owned(),
        Baseline::Cloud => "cloud".to_owned(),
        Baseline::Status(path) => format!("status {}", path.display()),
    }
}

impl Text {
    /// Reads what is needed for the baseline of `target`.
    pub(super) fn read(bench: &Bench<'_>, target: &Target) -> Result<Text> {
        match &target.baseline {
            Baseline::Essential => Ok(Text::Essential),
            Baseline::Server | Baseline::Cloud => {
                let kind = name(&target.baseline);
                recorded(&target.host, &kind).map(Text::Recorded).ok_or_else(|| not_recorded(target, &kind))
            }
            Baseline::Status(path) => status(&bench.directory.join(path), path).map(Text::Status),
        }
    }

    /// Architectures of installed packages besides the machine's own.
    pub(super) fn foreign_architectures(&self, native: &str) -> Result<BTreeSet<String>> {
        let Text::Status(status) = self else { return Ok(BTreeSet::new()) };
        let node = of_node(status)?;
        let architectures = node.packages.iter().map(|package| package.architecture);
        Ok(architectures.filter(|name| *name != "all" && *name != native).map(str::to_owned).collect())
    }

    /// Adds the baseline to `universe`, and what its node holds to `options`.
    pub(super) fn add_to<'a>(&'a self, universe: &mut Universe<'a>, options: &mut Options) -> Result<()> {
        let packages = match self {
            Text::Essential => essential(universe, options)?,
            Text::Recorded(list) => {
                let mut packages = essential(universe, options)?;
                packages.extend(candidates(list, universe, options, &packages));
                packages
            }
            Text::Status(status) => {
                let node = of_node(status)?;
                options.holds.extend(node.holds);
                node.packages
            }
        };
        universe.add_baseline(packages)
    }
}

/// The current versions of the packages in a recorded list, without those in `known`. What has left the
/// repositories since, such as an old kernel, is left out.
fn candidates<'a>(
    list: &str,
    universe: &Universe<'a>,
    options: &Options,
    known: &[Package<'a>],
) -> Vec<Package<'a>> {
    let known: HashSet<&str> = known.iter().map(|package| package.name).collect();
    let names: BTreeSet<&str> = list.lines().map(str::trim).filter(|line| !line.starts_with('#')).collect();
    let fresh = names.into_iter().filter(|name| !known.contains(name));
    let candidate = |name: &str| {
        let package = universe.package(name, universe.native())?;
        universe.candidate(package, &options.preferences).map(|version| universe.stanza(version).clone())
    };
    fresh.filter_map(candidate).collect()
}

/// The bytes of a status file; `shown` is its path as the spec has it.
pub(super) fn status(path: &Path, shown: &Path) -> Result<Vec<u8>> {
    let refused = |reason: &str| {
        Error::new(codes::APT_BASELINE, format!("the baseline {} {reason}", shown.display()))
            .with_help("copy /var/lib/dpkg/status of a node there, or name another `baseline` in bundle.yaml")
    };
    let read = || {
        let length = fs::metadata(path)?.len();
        (length <= SIZE_LIMIT).then(|| fs::read(path)).transpose()
    };
    let bytes = read().map_err(|cause| refused("cannot be read").with_source(cause))?;
    let bytes = bytes.ok_or_else(|| refused("has more than 64 MiB"))?;
    // A status file begins with the name of a field, facts begin as JSON does.
    if bytes.trim_ascii_start().starts_with(b"{") { facts::status_of(&bytes, shown) } else { Ok(bytes) }
}

fn not_recorded(target: &Target, kind: &str) -> Error {
    let message = format!("airlock has no list of what a {kind} installation of {} has", target.host);
    Error::new(codes::APT_BASELINE, message).with_help(
        "copy /var/lib/dpkg/status of such a node beside bundle.yaml and write `baseline: {status: FILE}`; \
         `baseline: essential` fits every node, with more to carry",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debian::package::parse_index;
    use crate::debian::solver::Profile;
    use crate::debian::universe::Provenance;
    use crate::debian::universe::pins::Preferences;
    use crate::oci::digest::Digest;

    fn index() -> String {
        let stanza = |text: &str| {
            let (name, more) = text.split_once(' ').unwrap_or((text, ""));
            format!(
                "Package: {name}\nVersion: 1\nArchitecture: amd64\n{more}\nFilename: {name}.deb\nSize: 0\nSHA256: {}\n",
                Digest::of(b"").hex()
            )
            .replace("\n\n", "\n")
        };
        ["base Essential: yes", "apt", "openssh-server", "unrelated"].map(stanza).join("\n")
    }

    fn names(text: &Text) -> Result<(Vec<String>, BTreeSet<String>)> {
        let index = index();
        let mut universe = Universe::new("amd64");
        universe.add_index(Provenance::default(), parse_index(index.as_bytes())?.usable)?;
        let mut options = Options {
            profile: Profile::Classic,
            recommends: false,
            preferences: Preferences::default(),
            holds: BTreeSet::new(),
        };
        text.add_to(&mut universe, &mut options)?;
        let names = universe.baseline().iter().map(|version| universe.stanza(*version).name.to_owned());
        Ok((names.collect(), options.holds))
    }

    #[test]
    fn a_recorded_list_is_what_the_repositories_have_of_it_and_what_is_essential() {
        let list = "# a comment\nopenssh-server\nlinux-image-that-is-gone\napt\n";
        let (mut found, _) = names(&Text::Recorded(list)).unwrap();
        found.sort();
        assert_eq!(found, ["apt", "base", "openssh-server"]);
    }

    #[test]
    fn the_status_of_a_node_is_taken_with_its_holds() {
        let status = "Package: openssh-server\nStatus: hold ok installed\nVersion: 0.9\nArchitecture: amd64\n\n\
             Package: gone\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: amd64\n\n\
             Package: libfoo\nStatus: install ok installed\nVersion: 1\nArchitecture: i386\n";
        let text = Text::Status(status.as_bytes().to_vec());
        let (found, holds) = names(&text).unwrap();
        assert_eq!(found, ["openssh-server", "libfoo"]);
        assert_eq!(holds, BTreeSet::from(["openssh-server".to_owned()]));
        let foreign = text.foreign_architectures("amd64").unwrap();
        assert_eq!(foreign, BTreeSet::from(["i386".to_owned()]));
    }

    #[test]
    fn facts_of_a_node_serve_as_its_status() {
        let directory = tempfile::tempdir().unwrap();
        let write = |text: &str| {
            let path = directory.path().join("node.json");
            fs::write(&path, text).unwrap();
            status(&path, Path::new("node.json"))
        };
        let package =
            r#"{"Package": "apt", "Status": "hold ok installed", "Version": "2", "Architecture": "amd64"}"#;
        let facts = |packages: &str| format!(r#"{{"format": 1, "airlock": "9", "packages": {packages}}}"#);
        let read = write(&facts(&format!(r#"{{"manager": "dpkg", "installed": [{package}]}}"#))).unwrap();
        assert_eq!(of_node(&read).unwrap().holds, BTreeSet::from(["apt".to_owned()]));
        for (text, help) in [
            (facts(r#"{"manager": "dpkg"}"#), "node facts --packages"),
            (facts("{}").replace("1", "2"), "newer airlock"),
            ("{\"a\": 1}".to_owned(), "node facts --packages"),
            ("{".to_owned(), "node facts --packages"),
        ] {
            let error = write(&text).expect_err(&text);
            assert_eq!(error.code(), codes::FACTS_FORMAT, "{text}");
            assert!(error.help().unwrap().contains(help), "{text}: {:?}", error.help());
        }
    }

    #[test]
    fn every_recorded_list_has_names() {
        for (host, kind) in
            [("debian-12", "server"), ("debian-12", "cloud"), ("debian-13", "server"), ("debian-13", "cloud")]
        {
            let list = recorded(host, kind).unwrap();
            assert!(list.lines().any(|line| line == "apt") && list.lines().count() > 50, "{host} {kind}");
        }
        assert_eq!(recorded("ubuntu-24.04", "server"), None);
    }
}
