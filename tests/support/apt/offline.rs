//! `scripts/bench apt-offline`: bundles of usual packages are built with `--prove`, and some are opened again and
//! installed from, as on a node.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use airlock::debian::apt_get::{AptGet, Invocation, source_list};
use airlock::lock::apt::Evidence;
use airlock::lock::{Lock, file};

use super::Result;
use super::measure::tell;
use super::root::{Root, run as run_command};

/// What is carried, and to which releases.
struct Set {
    packages: &'static str,
    hosts: &'static [&'static str],
    recommends: bool,
    components: &'static str,
    /// Whether the bundle is opened again and installed from in another root.
    opened: bool,
}

const BOTH: &[&str] = &["debian-12", "debian-13"];
const PLAIN: Set = Set { packages: "", hosts: BOTH, recommends: false, components: "main", opened: false };

const SETS: &[Set] = &[
    Set { packages: "nfs-common", opened: true, ..PLAIN },
    Set { packages: "keepalived haproxy", opened: true, ..PLAIN },
    Set { packages: "openssh-server chrony nftables", ..PLAIN },
    // The name of the first is virtual.
    Set { packages: "default-mta mailutils", ..PLAIN },
    Set { packages: "postgresql", ..PLAIN },
    Set { packages: "docker.io", ..PLAIN },
    Set { packages: "openjdk-17-jre-headless", hosts: &["debian-12"], ..PLAIN },
    Set { packages: "openjdk-21-jre-headless", hosts: &["debian-13"], ..PLAIN },
    Set { packages: "build-essential dkms linux-headers-amd64", ..PLAIN },
    Set { packages: "r-base-core", ..PLAIN },
    Set {
        packages: "nvidia-driver nvidia-smi",
        components: "main, contrib, non-free, non-free-firmware",
        ..PLAIN
    },
    // With Recommends, the one set for which our choice is known to differ from apt's.
    Set { packages: "lxc", hosts: &["debian-12"], recommends: true, ..PLAIN },
];

/// What to run.
#[derive(clap::Args)]
pub struct Arguments {
    /// The release binary
    #[arg(long)]
    airlock: PathBuf,
    /// Only sets that have this package
    #[arg(long)]
    only: Option<String>,
}

/// Builds every set for every release, with everything below `output`.
pub fn run(output: &Path, arguments: &Arguments) -> Result<bool> {
    let airlock = fs_err::canonicalize(&arguments.airlock)?;
    let bench = Bench { airlock, output: output.join("offline"), roots: output.to_owned() };
    fs_err::create_dir_all(&bench.output)?;
    let (mut tried, mut failed) = (0, 0);
    tell("host       packages      MiB  seconds  set: what apt says");
    for set in
        SETS.iter().filter(|set| arguments.only.as_ref().is_none_or(|only| set.packages.contains(only)))
    {
        for host in set.hosts {
            tried += 1;
            if let Err(error) = bench.one(set, host) {
                failed += 1;
                tell(&format!("{host:9} FAILED  {}: {error}", set.packages));
            }
        }
    }
    tell(&format!("{} of {tried} bundles install without a network", tried - failed));
    Ok(failed == 0)
}

struct Bench {
    airlock: PathBuf,
    output: PathBuf,
    roots: PathBuf,
}

impl Bench {
    fn one(&self, set: &Set, host: &str) -> Result<()> {
        let directory = self.output.join("bundle");
        remove(&directory)?;
        fs_err::create_dir_all(&directory)?;
        fs_err::write(directory.join("bundle.yaml"), spec(set, host))?;
        let start = Instant::now();
        self.airlock(&directory, &["bundle", "build", "--prove", "--unsigned", "--no-check", "-o", "out"])?;
        let seconds = start.elapsed().as_secs_f64();
        let text = fs_err::read_to_string(directory.join("bundle.lock"))?;
        let mut said = report(&file::parse(&text, "bundle.lock")?, set, seconds)?;
        if set.opened {
            said += &self.open_again(&directory, host)?;
        }
        tell(&said);
        remove(&directory)
    }

    fn airlock(&self, directory: &Path, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.airlock);
        command.args(arguments).current_dir(directory).env("XDG_CACHE_HOME", self.output.join("cache"));
        run_command(command.stdin(Stdio::null()))
    }

    /// Takes the packages out of the bundle and installs them in a root made from the mirror.
    fn open_again(&self, directory: &Path, host: &str) -> Result<String> {
        let release = if host == "debian-12" { "bookworm" } else { "trixie" };
        let pristine = Root::prepare(&self.roots, release)?;
        let root = directory.join("root");
        run_command(Command::new("cp").arg("--archive").arg(&pristine.directory).arg(&root))?;
        let out = root.join("airlock");
        let out = out.display().to_string();
        self.airlock(
            directory,
            &["bundle", "extract", "out", "--allow-unsigned", "--apt", host, "-o", &out],
        )?;
        let apt = AptGet { directory: "/apt".into(), recommends: false, status: None };
        for place in apt.directories() {
            fs_err::create_dir_all(root.join(place.strip_prefix("/")?))?;
        }
        let source = source_list(Path::new("/airlock"), Path::new("/airlock/airlock.asc"));
        fs_err::write(root.join("apt/airlock.list"), source)?;
        let text = fs_err::read_to_string(directory.join("bundle.lock"))?;
        let lock = file::parse(&text, "bundle.lock")?;
        let install = lock.apt.iter().flat_map(|target| &target.install);
        let install: Vec<String> = install.map(|it| format!("{}={}", it.package, it.version)).collect();
        run_command(&mut inside(&root, &apt.update()))?;
        run_command(&mut inside(&root, &apt.install(&install)))?;
        Ok("; taken out of the bundle, it installs".to_owned())
    }
}

/// A call in a root without a network.
fn inside(root: &Path, invocation: &Invocation) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--root"]).arg(root);
    command.arg(invocation.program).args(&invocation.arguments);
    command.envs(invocation.environment.iter().copied()).stdin(Stdio::null());
    command
}

fn report(lock: &Lock, set: &Set, seconds: f64) -> Result<String> {
    let target = lock.apt.first().ok_or("the lock has no packages")?;
    let Evidence { apt, output, installed, .. } =
        target.evidence.as_ref().ok_or("the lock has no evidence")?;
    if !installed {
        return Err("apt only simulated it".into());
    }
    let size: u64 = target.packages.iter().map(|package| package.size).sum();
    let modules: Vec<&str> =
        output.iter().map(String::as_str).filter(|line| line.starts_with("DKMS")).collect();
    let summary = output.first().map_or("", |line| line.as_str());
    Ok(format!(
        "{:9} {:9} {:8.1} {seconds:8.0}  {}: {apt}: {summary} {}",
        target.host,
        target.packages.len(),
        size as f64 / f64::from(1 << 20),
        set.packages,
        modules.join("; "),
    ))
}

fn spec(set: &Set, host: &str) -> String {
    let Set { packages, recommends, components, .. } = set;
    let packages = packages.replace(' ', ", ");
    format!(
        "apiVersion: airlock/v1\nkind: Bundle\nname: offline\nversion: \"1\"\nplatforms: [linux/amd64]\nhosts: [{host}]\n\
         apt:\n  packages: [{packages}]\n  recommends: {recommends}\n  targets:\n    - host: {host}\n      archive:\n        components: [{components}]\n"
    )
}

fn remove(directory: &Path) -> Result<()> {
    match fs_err::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
