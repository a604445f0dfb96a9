//! A provisioner in a nutshell: a home with a signing key and a spec, and an upstream server of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use airlock::oci::digest::Digest;

use super::samples;
use super::server::transfer::Pace;
use super::server::{Options, Server};
use super::support::{AIRLOCK, Home, Outcome};

/// What every spec of these tests begins with. `{upstream}` is the address of the server.
const HEAD: &str = "\
apiVersion: airlock/v1
kind: Bundle
name: lab
version: \"1.0\"
platforms: [linux/amd64]
registries:
  docker.io: {mirrors: [\"http://{upstream}\"]}
  \"{upstream}\": {plainHttp: true}
";

/// The body of a spec that asks for a little of everything.
pub const MIXED: &str = "\
k3s:
  version: v1.36.3+k3s1
  baseUrl: http://{upstream}/k3s-io/k3s/releases/download
images:
  - docker.io/library/busybox:1.36
  - docker.io/library/hello:1.0
files:
  - path: motd
    to: /etc/motd
";

/// A home, its upstream, and a spec.
pub struct Site {
    pub home: Home,
    pub upstream: Server,
    data: PathBuf,
    spec: String,
}

impl Site {
    /// A site whose upstream has the samples, and whose spec has this body.
    pub fn new(body: &str) -> Site {
        Site::with_pace(body, Pace::default())
    }

    /// The same with a slow or unreliable upstream.
    pub fn with_pace(body: &str, pace: Pace) -> Site {
        Site::with_data(body, pace, |data| samples::make(data, &noise(0, 100_000)).unwrap())
    }

    /// A site whose upstream has what `fill` puts into its data directory.
    pub fn with_data(body: &str, pace: Pace, fill: impl FnOnce(&Path)) -> Site {
        let home = Home::new();
        let data = home.path("upstream");
        fill(&data);
        let upstream = Server::start(Options { pace, ..Options::new(&data) }).unwrap();
        fs_err::write(home.path("install-amd64"), program(0x3e)).unwrap();
        fs_err::write(home.path("install-arm64"), program(0xb7)).unwrap();
        fs_err::write(home.path("motd"), "welcome\n").unwrap();
        let mut site = Site { home, upstream, data, spec: String::new() };
        let made = site.run(&["key", "generate", "--no-passphrase", "--comment", "release@lab"]);
        assert_eq!(made.exit, Some(0), "{made}");
        site.write_spec(&format!("{HEAD}{body}"));
        site
    }

    /// Replaces the body of the spec.
    pub fn spec(&mut self, body: &str) {
        self.write_spec(&format!("{HEAD}{body}"));
    }

    /// Replaces text in the spec.
    pub fn edit(&mut self, from: &str, to: &str) {
        assert!(self.spec.contains(from), "{from} is not in the spec");
        self.write_spec(&self.spec.replace(from, to));
    }

    /// What `run` gives with text in the spec replaced; afterwards the spec is as it was.
    pub fn edited<T>(&mut self, from: &str, to: &str, run: impl FnOnce(&Site) -> T) -> T {
        let before = self.spec.clone();
        self.edit(from, to);
        let result = run(self);
        self.write_spec(&before);
        result
    }

    fn write_spec(&mut self, text: &str) {
        self.spec = text.to_owned();
        fs_err::write(self.home.path("bundle.yaml"), text.replace("{upstream}", &self.address())).unwrap();
    }

    /// `127.0.0.1:PORT` of the upstream.
    pub fn address(&self) -> String {
        self.upstream.address().to_string()
    }

    /// A path in the data directory of the upstream.
    pub fn data(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }

    /// A path in the home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path(name)
    }

    /// A command line of airlock in this home, not started yet, from which the internet cannot be reached.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.command(AIRLOCK);
        command.args(arguments).env("HTTPS_PROXY", "http://127.0.0.1:1").env("NO_PROXY", "127.0.0.1");
        if matches!(arguments, ["bundle", "build" | "lock" | "plan" | "fetch", ..])
            && !arguments.contains(&"--installer")
        {
            command.args(["--installer", "install-amd64", "--installer", "install-arm64"]);
        }
        command
    }

    /// Runs airlock with these arguments.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.outcome(&self.command(arguments).output().unwrap())
    }

    /// What `output` says, without addresses, digests and durations.
    pub fn outcome(&self, output: &Output) -> Outcome {
        let outcome = self.home.outcome(output);
        let mask = |text: &str| mask_pauses(&mask_digests(&text.replace(&self.address(), "[UPSTREAM]")));
        Outcome { exit: outcome.exit, stdout: mask(&outcome.stdout), stderr: mask(&outcome.stderr) }
    }

    /// `bundle build -o out`, without progress.
    pub fn build(&self, more: &[&str]) -> Outcome {
        self.run(&[&["bundle", "build", "-o", "out", "--progress", "none"], more].concat())
    }

    /// The same, which must succeed.
    #[track_caller]
    pub fn must_build(&self, more: &[&str]) -> Outcome {
        succeeded(self.build(more))
    }

    /// `bundle lock` without progress.
    pub fn lock(&self, more: &[&str]) -> Outcome {
        self.run(&[&["bundle", "lock", "--progress", "none"], more].concat())
    }

    /// The text of the lock.
    pub fn lock_text(&self) -> String {
        fs_err::read_to_string(self.path("bundle.lock")).unwrap()
    }

    /// The serial in the lock.
    pub fn serial(&self) -> u64 {
        let text = self.lock_text();
        text.lines().find_map(|line| line.strip_prefix("serial: ")).unwrap().parse().unwrap()
    }

    /// The names in a directory of the home, sorted.
    pub fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs_err::read_dir(self.path(directory)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Names and digests of the files in a directory of the home.
    pub fn digests(&self, directory: &str) -> Vec<(String, Digest)> {
        let digest = |name: String| {
            let bytes = fs_err::read(self.path(directory).join(&name)).unwrap();
            (name, Digest::of(&bytes))
        };
        self.names(directory).into_iter().map(digest).collect()
    }

    /// `bundle verify` of a directory, which must succeed.
    #[track_caller]
    pub fn must_verify(&self, directory: &str) {
        succeeded(self.run(&["bundle", "verify", directory, "-q"]));
    }

    /// Bytes of blobs that the upstream has sent: layers, configurations, releases, not manifests.
    pub fn sent(&self) -> u64 {
        let stats = self.upstream.stats();
        stats.matching("/blobs/").bytes + stats.matching("/releases/download/").bytes
    }

    /// A shell command in the home; its standard output.
    #[track_caller]
    pub fn shell(&self, script: &str) -> String {
        let output = self.home.command("bash").args(["-euo", "pipefail", "-c", script]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{script}\n{error}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The outcome itself, if the exit status is 0.
#[track_caller]
pub fn succeeded(outcome: Outcome) -> Outcome {
    assert_eq!(outcome.exit, Some(0), "{outcome}");
    outcome
}

/// Waits for something that another process brings about, and that nothing announces.
#[track_caller]
pub fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen within a minute");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a tool of the machine is there. Its absence is said aloud, as the test then proves less.
pub fn has(tool: &str) -> bool {
    let found = ["/usr/bin", "/bin"].iter().any(|directory| Path::new(directory).join(tool).is_file());
    if !found {
        eprintln!("SKIPPED: {tool} is not installed");
    }
    found
}

/// A real, tiny, static program that does nothing, for the machine with this ELF number.
pub fn program(machine: u16) -> Vec<u8> {
    // exit(0), in the instructions of x86-64 and of AArch64.
    let code: &[u8] = match machine {
        0x3e => &[0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05],
        _ => &[0xa8, 0x0b, 0x80, 0xd2, 0, 0, 0x80, 0xd2, 1, 0, 0, 0xd4],
    };
    let (header, entry) = (64u64, 0x40_0000u64 + 120);
    let size = 120 + code.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
    file.extend(machine.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    [entry, header, 0].iter().for_each(|value| file.extend(value.to_le_bytes()));
    file.extend(0u32.to_le_bytes());
    [64u16, 56, 1, 64, 0, 0].iter().for_each(|value| file.extend(value.to_le_bytes()));
    // One segment: load all of the file, readable and executable.
    [1u32, 5].iter().for_each(|value| file.extend(value.to_le_bytes()));
    [0, 0x40_0000, 0x40_0000, size, size, 0x1000].iter().for_each(|value| file.extend(value.to_le_bytes()));
    file.extend(code);
    file
}

/// Bytes that look random and do not compress, always the same for the same `seed`.
pub fn noise(seed: u32, length: usize) -> Vec<u8> {
    let block = |number: u32| *Digest::of(format!("{seed} {number}").as_bytes()).bytes();
    (0..).flat_map(block).take(length).collect()
}

/// Replaces the pauses between attempts, which are chosen at random.
fn mask_pauses(text: &str) -> String {
    let mut parts = text.split("trying again in ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |done, part| {
        done + "trying again in [PAUSE]"
            + part.trim_start_matches(|c: char| c.is_ascii_digit() || ". s".contains(c))
    })
}

/// Replaces digests, whole ones and those shortened to twelve digits.
fn mask_digests(text: &str) -> String {
    let mut masked = String::new();
    let mut digits = String::new();
    for character in text.chars().map(Some).chain([None]) {
        match character.filter(char::is_ascii_hexdigit) {
            Some(digit) => digits.push(digit),
            None => {
                masked.push_str(if matches!(digits.len(), 12 | 64) { "[DIGEST]" } else { &digits });
                digits.clear();
                masked.extend(character);
            }
        }
    }
    masked
}

#[test]
fn the_stand_in_for_the_installer_is_a_program() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("program");
    let machine = if cfg!(target_arch = "x86_64") { 0x3e } else { 0xb7 };
    fs_err::write(&path, program(machine)).unwrap();
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(Command::new(&path).status().unwrap().success());
}
