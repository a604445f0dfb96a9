//! A minimal root of a Debian release with the apt of that release, and the indices apt has fetched into it.
//!
//! Mirrors are taken from the apt configuration of this machine.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use airlock::debian::universe::Provenance;

use super::Result;

/// The components that are compared; the drivers are in the last two.
const COMPONENTS: &str = "main contrib non-free non-free-firmware";

/// A root and where it lies.
pub struct Root {
    /// The code name of its release.
    pub release: String,
    /// The directory that is `/` to its apt.
    pub directory: PathBuf,
}

/// One fetched index.
pub struct Index {
    /// The uncompressed file.
    pub file: PathBuf,
    /// What its `Release` says.
    pub provenance: Provenance,
}

impl Root {
    /// The root of `release` below `output`; made by mmdebstrap if it is not there yet.
    pub fn prepare(output: &Path, release: &str) -> Result<Self> {
        let directory = output.join(release).join("root");
        let root = Root { release: release.to_string(), directory };
        if !root.directory.join("etc/apt/apt.conf.d/99comparison").exists() {
            root.make()?;
        }
        fs_err::create_dir_all(root.directory.join("comparison"))?;
        let minimal = root.status("minbase");
        if !minimal.exists() {
            fs_err::copy(root.directory.join("var/lib/dpkg/status"), minimal)?;
        }
        Ok(root)
    }

    fn make(&self) -> Result<()> {
        let archive = mirror(|label| label == "Debian")?;
        let security = mirror(|label| label == "Debian-Security")?;
        if let Some(parent) = self.directory.parent() {
            fs_err::create_dir_all(parent)?;
        }
        let mut command = Command::new("mmdebstrap");
        if self.release == "bookworm" {
            // As debootstrap does it, without usrmerge and the Perl that it needs.
            command.arg("--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr");
        }
        run(command
            .args(["--quiet", "--variant=minbase", "--aptopt=Acquire::Check-Valid-Until \"false\""])
            .arg(&self.release)
            .arg(&self.directory)
            .arg(&archive))?;
        self.configure(&archive, &security)?;
        run(&mut self.apt("apt-get", &["--quiet", "update"]))?;
        Ok(())
    }

    fn configure(&self, archive: &str, security: &str) -> Result<()> {
        let release = &self.release;
        let mut sources = format!("deb {archive} {release} {COMPONENTS}\n");
        if release != "sid" {
            sources += &format!("deb {archive} {release}-updates {COMPONENTS}\n");
            sources += &format!("deb {security} {release}-security {COMPONENTS}\n");
        }
        let apt = self.directory.join("etc/apt");
        fs_err::write(apt.join("sources.list"), sources)?;
        let settings = "Acquire::Languages \"none\";\nAcquire::GzipIndexes \"false\";\n\
            Acquire::Check-Valid-Until \"false\";\nAPT::Sandbox::User \"root\";\n";
        for file in ["resolv.conf", "hosts"] {
            fs_err::copy(Path::new("/etc").join(file), self.directory.join("etc").join(file))?;
        }
        fs_err::write(apt.join("apt.conf.d/99comparison"), settings)?;
        Ok(())
    }

    /// A command of the root's apt.
    pub fn apt(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("chroot");
        command.arg(&self.directory).arg(program).args(arguments).stdin(Stdio::null());
        command.env("LC_ALL", "C.UTF-8");
        command
    }

    /// The dpkg status file of a baseline, as seen from outside.
    pub fn status(&self, baseline: &str) -> PathBuf {
        self.directory.join("comparison").join(format!("{baseline}.status"))
    }

    /// The fetched indices, in the order of the sources.
    pub fn indices(&self) -> Result<Vec<Index>> {
        let format = "$(FILENAME)|$(SUITE)|$(CODENAME)|$(ORIGIN)|$(LABEL)|$(COMPONENT)";
        let listed =
            run(&mut self.apt("apt-get", &["indextargets", "--format", format, "Created-By: Packages"]))?;
        listed.lines().map(|line| self.index(line)).collect()
    }

    fn index(&self, line: &str) -> Result<Index> {
        let fields: Vec<&str> = line.split('|').collect();
        let [file, suite, codename, origin, label, component] = fields[..] else {
            return Err(format!("apt lists an index as {line}").into());
        };
        let provenance = Provenance {
            suite: suite.to_string(),
            codename: codename.to_string(),
            origin: origin.to_string(),
            label: label.to_string(),
            component: component.to_string(),
            ..Provenance::default()
        };
        Ok(Index { file: self.directory.join(file.trim_start_matches('/')), provenance })
    }
}

/// The address of an archive in this machine's apt configuration, by the label of its `Release`.
pub fn mirror(is_wanted: impl Fn(&str) -> bool) -> Result<String> {
    let format = "$(LABEL)|$(REPO_URI)";
    let listed =
        run(Command::new("apt-get").args(["indextargets", "--format", format, "Created-By: Packages"]))?;
    let mut lines = listed.lines().filter_map(|line| line.split_once('|'));
    let found = lines.find(|(label, _)| is_wanted(label)).map(|(_, address)| address.to_string());
    found.ok_or_else(|| {
        "this machine's apt has no Debian archive: run it on Debian, after apt-get update".into()
    })
}

/// Runs a command to its end and gives what it printed.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    if !output.status.success() {
        std::io::stderr().write_all(&output.stderr)?;
        return Err(format!("{command:?}: {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
