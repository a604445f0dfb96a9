//! The stick of the tests that install: a bundle that the real program has made on this machine, from the sample
//! upstream and from the archive that this machine's apt is configured with.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use fs_err as fs;
use rustix::fs::{FlockOperation, flock};
use serde_json::Value;

use crate::samples;
use crate::server::{Options, Server};
use crate::standin;

/// The images that a spec names; those of k3s come besides.
pub const IMAGES: [&str; 2] = [samples::BUSYBOX, samples::SIGNED];
/// A package that depends on others, leaves no user behind, and is on no node.
pub const PACKAGE: &str = "jq";

/// What this machine and the nodes are, in the words of OCI.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

/// The bundle and who signed it.
pub struct Stick {
    directory: PathBuf,
    /// `SHA256:…` of the key, as the person who made the bundle would tell it.
    pub fingerprint: String,
    /// It keeps others from making the same stick while it is used.
    _lock: fs::File,
}

impl Stick {
    /// The stick, made once. `None`, loudly, where the archive cannot be reached.
    pub fn get() -> Option<&'static Stick> {
        static STICK: OnceLock<Option<Stick>> = OnceLock::new();
        STICK.get_or_init(|| make("lab-stick", PACKAGE)).as_ref()
    }

    /// The same with what holds a virtual address.
    pub fn with_balancers() -> Option<&'static Stick> {
        static STICK: OnceLock<Option<Stick>> = OnceLock::new();
        STICK.get_or_init(|| make("lab-stick-balancers", "keepalived, haproxy")).as_ref()
    }

    /// Its directory on this machine.
    pub fn path(&self) -> PathBuf {
        self.directory.join("stick")
    }

    /// The digest that an image has upstream.
    pub fn digest(&self, image: &str) -> String {
        let index = self.upstream("index.json");
        let mut entries = index["manifests"].as_array().unwrap().iter();
        let entry = entries.find(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == image);
        entry.unwrap()["digest"].as_str().unwrap().to_owned()
    }

    /// The digest upstream of what an image is on machines like this one, without its index of platforms.
    pub fn digest_of_platform(&self, image: &str) -> String {
        let digest = self.digest(image);
        let document = self.upstream(&format!("blobs/{}", digest.replace(':', "/")));
        let Some(manifests) = document["manifests"].as_array() else { return digest };
        let is_own = |entry: &&Value| entry["platform"]["architecture"] == ARCHITECTURE;
        manifests.iter().find(is_own).unwrap()["digest"].as_str().unwrap().to_owned()
    }

    fn upstream(&self, document: &str) -> Value {
        let bytes = fs::read(self.directory.join("upstream/layout").join(document)).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// The program alone, as it is copied to nodes without a stick.
    pub fn program(&self) -> PathBuf {
        self.path().join("install")
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test says why")]
fn make(name: &str, packages: &str) -> Option<Stick> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&directory).unwrap();
    let lock = fs::File::create(directory.join("lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    for made in ["stick", "upstream", "config", "bundle.lock", "key", "key.pub"] {
        let path = directory.join(made);
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
    let (airlock, k3s) = (directory.join("airlock"), directory.join("k3s"));
    strip(Path::new(env!("CARGO_BIN_EXE_airlock")), &airlock);
    strip(&standin::program(), &k3s);
    let upstream = directory.join("upstream");
    let busybox = fs::read(samples::static_busybox().unwrap()).unwrap();
    samples::make_with_k3s(&upstream, &busybox, &fs::read(k3s).unwrap()).unwrap();
    let server = Server::start(Options::new(&upstream)).unwrap();
    fs::write(directory.join("bundle.yaml"), spec(&server.url(), packages)).unwrap();
    fs::write(directory.join("motd"), "welcome\n").unwrap();

    let run = |arguments: &[&str]| {
        let mut command = Command::new(&airlock);
        command.args(arguments).current_dir(&directory).stdin(Stdio::null()).env_remove("HTTPS_PROXY");
        command.env("XDG_CACHE_HOME", directory.join("cache"));
        command.env("XDG_CONFIG_HOME", directory.join("config")).output().unwrap()
    };
    let made = run(&["key", "generate", "--no-passphrase", "--output", "key", "--comment", "lab"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let said = String::from_utf8(made.stdout).unwrap();
    let fingerprint = said.split_whitespace().find(|word| word.starts_with("SHA256:")).unwrap().to_owned();
    let built = run(&["bundle", "build", "--key", "key", "--progress", "none", "--output", "stick"]);
    if !built.status.success() {
        eprintln!("SKIPPED: no bundle can be made: {}", String::from_utf8_lossy(&built.stderr));
        return None;
    }
    Some(Stick { directory, fingerprint, _lock: lock })
}

/// Images of two registries, k3s, a package of Debian, a file.
fn spec(upstream: &str) -> String {
/// Images of two registries, k3s, packages of Debian, a file.
fn spec(upstream: &str, packages: &str) -> String {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let [hub, quay] = IMAGES;
    format!(
        "apiVersion: airlock/v1\nkind: Bundle\nname: lab\nversion: \"1.0\"\nplatforms: [linux/{ARCHITECTURE}]\n\
         hosts: [debian-12]\nimages: [\"{hub}\", \"{quay}\"]\n\
         registries:\n  docker.io: {{mirrors: [\"{upstream}\"]}}\n  quay.io: {{mirrors: [\"{upstream}\"]}}\n\
         k3s:\n  channel: stable\n  baseUrl: {upstream}/k3s-io/k3s/releases/download\n  \
         channelUrl: {upstream}/v1-release/channels\n\
         apt:\n  packages: [{packages}]\n  targets:\n    - host: debian-12\n      baseline: essential\n\
         files:\n  - path: motd\n    to: /etc/motd.d/site\n"
    )
}

/// A copy without what debuggers want, which is most of a program that was not built for others.
fn strip(program: &Path, to: &Path) {
    let done = Command::new("strip").arg("--strip-debug").arg("-o").arg(to).arg(program).status().unwrap();
    assert!(done.success());
}
