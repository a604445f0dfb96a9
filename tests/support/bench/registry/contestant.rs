//! The two registries that are compared: ours and Debian's `docker-registry`, started alike.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::Result;
use crate::airlock_program::Airlock;
use crate::docker_registry::{DockerRegistry, Identity, await_server, free_address};

/// The password for pushing to ours, for every user name.
pub const TOKEN: &str = "token-of-the-bench-0123456789";

/// How many ticks the kernel counts in a second of processor time (proc(5), USER_HZ).
const TICKS: f64 = 100.0;

/// Which registry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `airlock registry serve`.
    Ours,
    /// `docker-registry serve`.
    Theirs,
}

/// Both, in the order in which they are measured.
pub const BOTH: [Kind; 2] = [Kind::Ours, Kind::Theirs];

/// A running registry; it ends with this value.
pub struct Contestant {
    running: Running,
    /// `127.0.0.1:PORT`.
    pub address: String,
}

enum Running {
    Ours(Child),
    Theirs(DockerRegistry),
}

impl Contestant {
    /// Starts a registry on what it keeps below `directory`, over TLS if it has an identity.
    pub fn start(
        kind: Kind,
        airlock: &Airlock,
        directory: &Path,
        identity: Option<&Identity>,
    ) -> Result<Contestant> {
        match kind {
            Kind::Theirs => {
                let registry = DockerRegistry::start(&directory.join("theirs"), identity)?;
                Ok(Contestant { address: registry.address.clone(), running: Running::Theirs(registry) })
            }
            Kind::Ours => Contestant::ours(airlock, &directory.join("ours"), identity),
        }
    }

    /// Its log lines, one for each request, go to `/dev/null`.
    fn ours(airlock: &Airlock, store: &Path, identity: Option<&Identity>) -> Result<Contestant> {
        let address = free_address()?;
        let mut serve = airlock.command(&["registry", "serve", "--store"]);
        serve.arg(store).arg("--token-file").arg(token_file(airlock)?);
        match identity {
            None => serve.args(["--listen", &format!("http://{address}")]),
            Some(Identity { certificate, key }) => serve
                .args(["--listen", &address, "--tls-certificate"])
                .arg(certificate)
                .arg("--tls-key")
                .arg(key),
        };
        let process = serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let contestant = Contestant { running: Running::Ours(process), address };
        await_server(&contestant.address)?;
        Ok(contestant)
    }

    /// User and system time so far, in seconds.
    pub fn processor_seconds(&self) -> Result<f64> {
        let stat = fs_err::read_to_string(format!("/proc/{}/stat", self.process()))?;
        // The name of the program, in parentheses, may hold anything; the fields behind it are numbers.
        let fields = stat.rsplit_once(") ").ok_or("/proc/PID/stat has no name")?.1;
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.sum::<std::result::Result<f64, _>>()? / TICKS)
    }

    /// Its peak resident memory so far, in MiB.
    pub fn peak_mebibytes(&self) -> Result<f64> {
        let status = fs_err::read_to_string(format!("/proc/{}/status", self.process()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = peak.and_then(|peak| peak.trim().strip_suffix(" kB")).ok_or("there is no VmHWM")?;
        Ok(kibibytes.parse::<f64>()? / 1024.0)
    }

    fn process(&self) -> u32 {
        match &self.running {
            Running::Ours(process) => process.id(),
            Running::Theirs(registry) => registry.process(),
        }
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        if let Running::Ours(process) = &mut self.running {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn token_file(airlock: &Airlock) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = airlock.output.join("token");
    fs_err::write(&path, TOKEN)?;
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(path)
}
