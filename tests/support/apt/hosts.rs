//! The same lock wherever it is made: on this machine, in a root of another release, and in a directory that has
//! nothing but the program and what finds and trusts servers.

use std::path::{Path, PathBuf};
use std::process::Command;

use airlock::lock::apt::Apt;
use airlock::lock::file;

use super::Result;
use super::equality::say;
use super::root::{Root, mirror, run as run_to_end};

/// What is compared.
#[derive(clap::Args)]
pub struct Arguments {
    /// The static release binary
    #[arg(long)]
    airlock: PathBuf,
}

/// Where everything is, as seen in each of the roots.
const PLACE: &str = "airlock-hosts";

/// What a program without anything else needs to reach a server.
const NETWORK: [&str; 3] = ["etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt"];

/// Makes the three locks and prints whether they have the same packages.
pub fn run(output: &Path, arguments: &Arguments) -> Result<bool> {
    let trixie = Root::prepare(output, "trixie")?.directory;
    let bare = output.join("bare");
    let places =
        [("this machine", output.to_path_buf()), ("trixie", trixie), ("without apt, dpkg and libc", bare)];
    let mut first: Option<Vec<Apt>> = None;
    let mut same = true;
    for (number, (name, root)) in places.iter().enumerate() {
        prepare(root, &arguments.airlock)?;
        let targets = lock(root, number > 0)?;
        say(&format!("{name}: {}", summary(&targets)))?;
        same &= first.as_ref().is_none_or(|first| are_alike(first, &targets));
        first.get_or_insert(targets);
    }
    say(if same { "the packages are the same" } else { "the packages DIFFER" })?;
    Ok(same)
}

/// Puts program, spec and keys below a root, and the files of the network if it has none.
fn prepare(root: &Path, airlock: &Path) -> Result<()> {
    let place = root.join(PLACE);
    fs_err::create_dir_all(&place)?;
    fs_err::copy(airlock, place.join("airlock"))?;
    fs_err::copy("/usr/share/keyrings/debian-archive-keyring.gpg", place.join("debian.gpg"))?;
    fs_err::write(place.join("bundle.yaml"), spec()?)?;
    for file in NETWORK {
        let target = root.join(file);
        if !target.exists() {
            fs_err::create_dir_all(target.parent().unwrap_or(root))?;
            fs_err::copy(Path::new("/").join(file), target)?;
        }
    }
    Ok(())
}

/// The archive is named, so nothing depends on the machine. Its address is that of this machine's apt.
fn spec() -> Result<String> {
    let archive = mirror(|label| label == "Debian")?;
    let security = mirror(|label| label == "Debian-Security")?;
    let archive =
        format!("archive: {{uri: \"{archive}\", securityUri: \"{security}\", signedBy: debian.gpg}}");
    Ok(format!(
        "apiVersion: airlock/v1\nkind: Bundle\nname: hosts\nversion: \"1\"\nplatforms: [linux/amd64]\n\
         hosts: [debian-12, debian-13]\napt:\n  packages: [nginx, postgresql, keepalived, nfs-common, docker.io]\n  \
         targets:\n    - host: debian-12\n      {archive}\n    - host: debian-13\n      recommends: true\n      {archive}\n"
    ))
}

/// Makes a lock anew, with an empty cache.
fn lock(root: &Path, changed_root: bool) -> Result<Vec<Apt>> {
    let place = root.join(PLACE);
    for leftover in ["cache", "bundle.lock"] {
        let path = place.join(leftover);
        match path.is_dir() {
            true => fs_err::remove_dir_all(path)?,
            false if path.exists() => fs_err::remove_file(path)?,
            false => {}
        }
    }
    let inside = if changed_root { Path::new("/").join(PLACE) } else { place.clone() };
    let program = inside.join("airlock");
    let mut command = Command::new(if changed_root { Path::new("chroot") } else { &program });
    if changed_root {
        command.arg(root).arg(&program);
    }
    command.args(["bundle", "lock", "--quiet", "--cache-dir"]).arg(inside.join("cache"));
    // Without /proc the program does not find itself.
    command.arg("--installer").arg(&program).arg(inside.join("bundle.yaml")).env("HOME", &inside);
    run_to_end(&mut command)?;
    let text = fs_err::read_to_string(place.join("bundle.lock"))?;
    Ok(file::parse(&text, "bundle.lock")?.apt)
}

fn summary(targets: &[Apt]) -> String {
    let count = |target: &Apt| format!("{} has {} packages", target.name, target.packages.len());
    targets.iter().map(count).collect::<Vec<_>>().join(", ")
}

/// Whether everything that decides what nodes install is the same. Each lock is signed with a key of its own.
fn are_alike(left: &[Apt], right: &[Apt]) -> bool {
    let same = |(left, right): (&Apt, &Apt)| {
        left.name == right.name
            && left.request == right.request
            && left.repositories == right.repositories
            && left.install == right.install
            && left.packages == right.packages
    };
    left.len() == right.len() && left.iter().zip(right).all(same)
}
