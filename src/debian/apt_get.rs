//! How apt-get is called to install from one repository of ours, and from nothing else.
//!
//! The proof at build time and the installer on the node call it in the same way, so this is the only place that
//! says how. Nothing here runs anything: it makes program, arguments and environment.
//!
//! - Source, preferences, lists and caches are private. Sources of the node that lead nowhere can neither hang nor
//!   confuse it, pins cannot hide what was carried, and afterwards the node's own lists are as before.
//! - Where something is weakened by the configuration of the node (unauthenticated packages, downgrades), it is
//!   set back.
//! - Nothing asks: debconf, conffile prompts and apt-listchanges are told how to answer, needrestart is suspended.
//!
//! Options are those of apt-get(8), apt.conf(5) and dpkg(1).

use std::path::{Path, PathBuf};

/// The private places of one repository, as the apt that is called sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AptGet {
    /// Directory for source and lists; see [`AptGet::source_list`] and [`AptGet::directories`].
    pub directory: PathBuf,
    /// Whether recommended packages come along, as when the repository was made.
    pub recommends: bool,
    /// A dpkg status file to pretend with, instead of what is really installed; for simulations only.
    pub status: Option<Status>,
}

/// What another machine has installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its status file.
    pub file: PathBuf,
    /// Its architectures as dpkg names them, the native one first.
    pub architectures: Vec<String>,
}

/// A program that is ready to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// Its name, to be found in `PATH`.
    pub program: &'static str,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables to set.
    pub environment: &'static [(&'static str, &'static str)],
}

/// What every call gets.
const OPTIONS: &[&str] = &[
    "Dir::Etc::sourceparts=/dev/null",
    "Dir::Etc::preferences=/dev/null",
    "Dir::Etc::preferencesparts=/dev/null",
    "APT::Default-Release=",
    "APT::Install-Suggests=false",
    // Files of a bundle are read in place; the user `_apt` might not be allowed to.
    "APT::Sandbox::User=root",
    // Else `update` succeeds although it could not read the repository.
    "APT::Update::Error-Mode=any",
    "Acquire::Languages=none",
    "Acquire::AllowInsecureRepositories=false",
    "Acquire::AllowWeakRepositories=false",
    "Acquire::AllowDowngradeToInsecureRepositories=false",
    "APT::Get::AllowUnauthenticated=false",
    "APT::Get::Allow-Downgrades=false",
    "APT::Get::Allow-Change-Held-Packages=false",
    "APT::Get::Allow-Remove-Essential=false",
    // What was carried was chosen without regard to the phase of an update.
    "APT::Get::Always-Include-Phased-Updates=true",
    "APT::Get::HideAutoRemove=true",
    "Dpkg::Use-Pty=false",
    "Dpkg::Progress-Fancy=false",
    "Dpkg::Options::=--force-confdef",
    "Dpkg::Options::=--force-confold",
    "DPkg::Lock::Timeout=300",
];

/// What every call has in its environment.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("APT_LISTCHANGES_FRONTEND", "none"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("LC_ALL", "C.UTF-8"),
    // It would look through all processes to print a list that nobody reads: a restart of container runtimes or of k3s
    // is for the administrator to choose.
    ("NEEDRESTART_SUSPEND", "1"),
    ("UCF_FORCE_CONFFOLD", "1"),
];

impl AptGet {
    /// Where [`source_list`] has to be written before the first call.
    pub fn source_list(&self) -> PathBuf {
        self.directory.join("airlock.list")
    }

    /// Directories that have to exist before the first call.
    pub fn directories(&self) -> [PathBuf; 2] {
        [self.lists().join("partial"), self.archives().join("partial")]
    }

    fn lists(&self) -> PathBuf {
        self.directory.join("lists")
    }

    fn archives(&self) -> PathBuf {
        self.directory.join("archives")
    }

    /// Tells its version.
    pub fn version(&self) -> Invocation {
        Invocation { program: "apt-get", arguments: vec!["--version".to_owned()], environment: ENVIRONMENT }
    }

    /// Reads the repository and checks its signature.
    pub fn update(&self) -> Invocation {
        self.call(&["update"], &[])
    }

    /// Tells what [`install`](AptGet::install) would do.
    pub fn simulate(&self, packages: &[String]) -> Invocation {
        self.call(&["--simulate", self.recommended(), "--no-remove", "install"], packages)
    }

    /// Installs packages, written `name=version`.
    pub fn install(&self, packages: &[String]) -> Invocation {
        self.call(&["--yes", self.recommended(), "--no-remove", "install"], packages)
    }

    /// Tells what [`reinstall`](AptGet::reinstall) would do.
    pub fn simulate_reinstall(&self, packages: &[String]) -> Invocation {
        self.call(&["--simulate", self.recommended(), "--no-remove", "--reinstall", "install"], packages)
    }

    /// Unpacks packages again that are installed in that version, written `name=version`.
    pub fn reinstall(&self, packages: &[String]) -> Invocation {
        self.call(&["--yes", self.recommended(), "--no-remove", "--reinstall", "install"], packages)
    }

    /// Tells what would go if these packages were removed with their configuration.
    pub fn simulate_purge(&self, packages: &[String]) -> Invocation {
        self.call(&["--simulate", "purge"], packages)
    }

    /// Checks that no installed package lacks anything.
    pub fn check(&self) -> Invocation {
        self.call(&["check"], &[])
    }

    fn recommended(&self) -> &'static str {
        if self.recommends { "--install-recommends" } else { "--no-install-recommends" }
    }

    fn call(&self, command: &[&str], packages: &[String]) -> Invocation {
        let mut arguments = vec!["--quiet".to_owned()];
        let mut option = |text: String| arguments.extend(["-o".to_owned(), text]);
        option(format!("Dir::Etc::sourcelist={}", self.source_list().display()));
        option(format!("Dir::State::lists={}", self.lists().display()));
        option(format!("Dir::Cache::archives={}", self.archives().display()));
        // Without names these two are not written, so that no other apt finds them.
        option("Dir::Cache::pkgcache=".to_owned());
        option("Dir::Cache::srcpkgcache=".to_owned());
        OPTIONS.iter().for_each(|text| option((*text).to_owned()));
        if let Some(Status { file, architectures }) = &self.status {
            option(format!("Dir::State::status={}", file.display()));
            architectures.iter().for_each(|name| option(format!("APT::Architectures::={name}")));
        }
        arguments.extend(command.iter().map(|word| (*word).to_owned()));
        arguments.extend(packages.iter().cloned());
        Invocation { program: "apt-get", arguments, environment: ENVIRONMENT }
    }
}

/// The source for a repository of ours in the directory `repository`, whose public key is in `keyring`.
///
/// Both must be absolute and without white space. The date is not looked at: clocks behind the gap are often wrong.
pub fn source_list(repository: &Path, keyring: &Path) -> String {
    format!("deb [signed-by={} check-date=no] file:{} ./\n", keyring.display(), repository.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apt() -> AptGet {
        AptGet { directory: "/var/lib/airlock/apt".into(), recommends: false, status: None }
    }

    #[test]
    fn an_installation_asks_nothing_and_removes_nothing() {
        let packages = ["keepalived=1:2.2.7-1+b2".to_owned()];
        let Invocation { program, arguments, environment } = apt().install(&packages);
        assert_eq!(program, "apt-get");
        assert!(environment.contains(&("DEBIAN_FRONTEND", "noninteractive")));
        insta::assert_snapshot!(arguments.join(" ").replace(" -o ", "\n-o "));
    }

    #[test]
    fn a_simulation_is_the_same_call() {
        let packages = ["curl=7.88.1-10".to_owned()];
        let (real, simulated) = (apt().install(&packages).arguments, apt().simulate(&packages).arguments);
        let without = |arguments: Vec<String>, word: &str| -> Vec<String> {
            arguments.into_iter().filter(|argument| argument != word).collect()
        };
        assert_eq!(without(real, "--yes"), without(simulated, "--simulate"));
    }

    #[test]
    fn the_status_of_another_machine_brings_its_architectures() {
        let status =
            Status { file: "/node.status".into(), architectures: vec!["amd64".into(), "i386".into()] };
        let arguments = AptGet { status: Some(status), ..apt() }.simulate(&[]).arguments.join(" ");
        assert!(arguments.contains(
            "-o Dir::State::status=/node.status -o APT::Architectures::=amd64 -o APT::Architectures::=i386"
        ));
    }

    #[test]
    fn recommended_packages_come_as_the_repository_was_made() {
        let apt = AptGet { recommends: true, ..apt() };
        assert!(apt.install(&[]).arguments.contains(&"--install-recommends".to_owned()));
    }

    #[test]
    fn the_source_trusts_one_key_and_no_clock() {
        let line = source_list(Path::new("/r"), Path::new("/r/airlock.asc"));
        assert_eq!(line, "deb [signed-by=/r/airlock.asc check-date=no] file:/r ./\n");
    }
}
