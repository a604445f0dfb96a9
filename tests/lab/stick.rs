//! The stick of the tests that install: a bundle that the real program has made on this machine, from the sample
//! upstream and from the archive that this machine's apt is configured with.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use fs_err as fs;
use rustix::fs::{FlockOperation, flock};
use serde_json::Value;
use ssh_key::{HashAlg, PublicKey};

use crate::driver_archive;
use crate::lab::is_possible;
use crate::samples;
use crate::server::{Options, Server};
use crate::standin;

/// The images that a spec names; those of k3s come besides.
pub const IMAGES: [&str; 2] = [samples::BUSYBOX, samples::SIGNED];
/// A package that depends on others, leaves no user behind, and is on no node.
pub const PACKAGE: &str = "jq";

/// What this machine and the nodes are, in the words of OCI.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

/// The packages that put an address in front of several servers.
pub const VIP_PACKAGES: [&str; 2] = ["haproxy", "keepalived"];

/// The bundle and who signed it.
pub struct Stick {
    directory: PathBuf,
    name: &'static str,
    /// `SHA256:…` of the key, as the person who made the bundle would tell it.
    pub fingerprint: String,
    /// It keeps others from making the same stick while it is used.
    _lock: Arc<fs::File>,
}

/// One version of the bundle.
#[derive(Debug)]
struct Edition {
    /// Of the directory in which it is.
    name: &'static str,
    version: &'static str,
    k3s: &'static str,
    packages: &'static [&'static str],
    /// Instead of packages of Debian it brings what nodes with a GPU need.
    has_driver: bool,
}

/// What the tests of one node install.
const USUAL: &[Edition] = &[Edition {
    name: "stick",
    version: "1.0",
    k3s: samples::K3S_TAG,
    packages: &[PACKAGE],
    has_driver: false,
}];

/// What clusters are made with, and what they are upgraded to: the next minor release of k3s, then one too many.
/// Serials rise from edition to edition.
const FOR_CLUSTERS: &[Edition] = &[
    Edition { name: "first", version: "1.0", k3s: samples::K3S_TAG, packages: &WITH_VIP, has_driver: false },
    Edition { name: "next", version: "1.1", k3s: "v1.37.1+k3s1", packages: &WITH_VIP, has_driver: false },
    Edition { name: "skipping", version: "1.2", k3s: "v1.39.0+k3s1", packages: &WITH_VIP, has_driver: false },
];
const WITH_VIP: [&str; 3] = [PACKAGE, VIP_PACKAGES[0], VIP_PACKAGES[1]];

/// What nodes with GPUs are made with.
const FOR_GPUS: &[Edition] =
    &[Edition { name: "gpu", version: "1.0", k3s: samples::K3S_TAG, packages: &[], has_driver: true }];

impl Stick {
    /// The stick, made once. `None`, loudly, where there can be no lab or the archive cannot be reached.
    pub fn get() -> Option<&'static Stick> {
        static STICKS: OnceLock<Option<Vec<Stick>>> = OnceLock::new();
        STICKS.get_or_init(|| get("lab-stick", USUAL)).as_ref().map(|sticks| &sticks[0])
    }

    /// Three versions of one bundle with [`VIP_PACKAGES`], signed by one person: the first has the k3s of
    /// [`Stick::get`], the second the next minor release, the third leaves one out.
    pub fn for_clusters() -> Option<&'static [Stick]> {
        static STICKS: OnceLock<Option<Vec<Stick>>> = OnceLock::new();
        STICKS.get_or_init(|| get("lab-cluster-sticks", FOR_CLUSTERS)).as_deref()
    }

    /// One with the packages of [`driver_archive`].
    pub fn for_gpus() -> Option<&'static Stick> {
        static STICKS: OnceLock<Option<Vec<Stick>>> = OnceLock::new();
        STICKS.get_or_init(|| get("lab-gpu-stick", FOR_GPUS)).as_ref().map(|sticks| &sticks[0])
    }

    /// Its directory on this machine.
    pub fn path(&self) -> PathBuf {
        self.directory.join(self.name)
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

    /// What `airlock bundle inspect --packages --json` says about it.
    pub fn inspect(&self) -> Value {
        fs::write(self.directory.join("signers"), self.signers()).unwrap();
        let line = ["bundle", "inspect", "--packages", "--json", "--allowed-signers", "signers", self.name];
        serde_json::from_str(&run(&self.directory, &line).unwrap()).unwrap()
    }

    /// The list of signers in which its maker stands alone.
    pub fn signers(&self) -> String {
        let key = fs::read_to_string(self.directory.join("key.pub")).unwrap();
        format!("lab namespaces=\"airlock.*\" {key}")
    }

    /// The program alone, as it is copied to nodes without a stick.
    pub fn program(&self) -> PathBuf {
        self.path().join("install")
    }
}

/// All editions, in a directory of their own: as they are if the programs have not changed since they were made.
fn get(name: &str, editions: &'static [Edition]) -> Option<Vec<Stick>> {
    if !is_possible() {
        return None;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&directory).unwrap();
    let lock = fs::File::create(directory.join("lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let lock = Arc::new(lock);
    let (mark, made) = (mark(editions), directory.join("made"));
    if fs::read_to_string(&made).unwrap_or_default() != mark {
        remove(&made);
        if !make(&directory, editions) {
            return None;
        }
        fs::write(&made, mark).unwrap();
    }
    let key = PublicKey::read_openssh_file(&directory.join("key.pub")).unwrap();
    let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
    let stick = |edition: &Edition| Stick {
        directory: directory.clone(),
        name: edition.name,
        fingerprint: fingerprint.clone(),
        _lock: lock.clone(),
    };
    Some(editions.iter().map(stick).collect())
}

/// The program that is tried: the one that was built with the tests, unless a measurement wants that of a release.
#[expect(clippy::disallowed_methods, reason = "a test program, which has no other place to learn it")]
fn airlock() -> PathBuf {
    let named = std::env::var_os("AIRLOCK_TEST_PROGRAM");
    named.map_or_else(|| env!("CARGO_BIN_EXE_airlock").into(), PathBuf::from)
}

/// What they are made from.
fn mark(editions: &[Edition]) -> String {
    let mut programs = vec![airlock(), standin::program()];
    if editions.iter().any(|edition| edition.has_driver) {
        // Its packages are in this program.
        programs.push(std::env::current_exe().unwrap());
    }
    let modified = |program: &PathBuf| fs::metadata(program).unwrap().modified().unwrap();
    let built: Vec<_> = programs.iter().map(modified).collect();
    format!("{built:?} {editions:?} {}", spec("", &editions[0]))
}

/// Whether all could be made.
fn make(directory: &Path, editions: &[Edition]) -> bool {
    for made in ["upstream", "config", "bundle.lock", "key", "key.pub"] {
        remove(&directory.join(made));
    }
    standin::strip(&airlock(), &directory.join("airlock"));
    let server = Server::start(Options::new(&upstream(directory, editions))).unwrap();
    fs::write(directory.join("motd"), "welcome\n").unwrap();
    let key = ["key", "generate", "--no-passphrase", "--output", "key", "--comment", "lab"];
    run(directory, &key).unwrap();
    editions.iter().all(|edition| {
        remove(&directory.join(edition.name));
        fs::write(directory.join("bundle.yaml"), spec(&server.url(), edition)).unwrap();
        let output = ["--progress", "none", "--output", edition.name];
        is_built(&run(directory, &[&["bundle", "build", "--key", "key"], &output[..]].concat()))
    })
}

#[expect(clippy::print_stderr, reason = "a skipped test says why")]
fn is_built(built: &Result<String, String>) -> bool {
    if let Err(error) = built {
        eprintln!("SKIPPED: no bundle can be made: {error}");
    }
    built.is_ok()
}

/// The sample upstream, with the releases of k3s that these editions have.
fn upstream(directory: &Path, editions: &[Edition]) -> PathBuf {
    let upstream = directory.join("upstream");
    let k3s = fs::read(standin::program()).unwrap();
    let busybox = fs::read(samples::static_busybox().unwrap()).unwrap();
    samples::make_with_k3s(&upstream, &busybox, &k3s).unwrap();
    if editions.iter().any(|edition| edition.has_driver) {
        driver_archive::write(&upstream.join("files"), directory);
    }
    for edition in editions {
        samples::releases::make(&upstream.join("files"), edition.k3s, &k3s, samples::K3S_IMAGES).unwrap();
    }
    upstream
}

/// The program as its user runs it. What it prints, or what it says is wrong.
fn run(directory: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(directory.join("airlock"));
    command.args(arguments).current_dir(directory).stdin(Stdio::null()).env_remove("HTTPS_PROXY");
    command.env("XDG_CACHE_HOME", directory.join("cache")).env("XDG_CONFIG_HOME", directory.join("config"));
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn remove(path: &Path) {
    let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}

/// Images of two registries, k3s, packages of Debian, a file.
fn spec(upstream: &str, edition: &Edition) -> String {
    let [hub, quay] = IMAGES;
    let Edition { version, k3s, .. } = edition;
    let packages = packages(upstream, edition);
    format!(
        "apiVersion: airlock/v1\nkind: Bundle\nname: lab\nversion: \"{version}\"\nplatforms: [linux/{ARCHITECTURE}]\n\
         hosts: [debian-12]\nimages: [\"{hub}\", \"{quay}\"]\n\
         registries:\n  docker.io: {{mirrors: [\"{upstream}\"]}}\n  quay.io: {{mirrors: [\"{upstream}\"]}}\n\
         k3s:\n  version: {k3s}\n  baseUrl: {upstream}/k3s-io/k3s/releases/download\n\
         {packages}files:\n  - path: motd\n    to: /etc/motd.d/site\n"
    )
}

fn packages(upstream: &str, edition: &Edition) -> String {
    if edition.has_driver {
        return driver_archive::spec(upstream);
    }
    let packages = edition.packages.join(", ");
    format!("apt:\n  packages: [{packages}]\n  targets:\n    - host: debian-12\n      baseline: essential\n")
}
