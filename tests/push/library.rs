//! Images that tests push, and how they do it.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use airlock::bundle::manifest::{Descriptor, Image, ImagePlatform, Referrer};
use airlock::error::{Error, Result, codes};
use airlock::fetch::{Client, CredentialSource, Credentials, RetryPolicy, Settings};
use airlock::oci::digest::Digest;
use airlock::oci::platform::Platform;
use airlock::progress::{Event, Progress};
use airlock::push::{Plan, Pushed, Remote, Source, Target, Tree};
use airlock::secret::Secret;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Blobs, and images that are made of them.
#[derive(Clone, Default)]
pub struct Library {
    pub images: Vec<Image>,
    pub blobs: HashMap<Digest, Vec<u8>>,
}

impl Library {
    /// With one image of these layers.
    pub fn of(name: &str, layers: &[&[u8]]) -> Library {
        let mut library = Library::default();
        library.add(name, layers);
        library
    }

    fn keep(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        self.blobs.insert(Digest::of(bytes), bytes.to_vec());
        json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()})
    }

    fn manifest(&mut self, layers: &[&[u8]], subject: Option<&Value>) -> (Value, Vec<Digest>) {
        let config = self.keep("application/vnd.oci.image.config.v1+json", br#"{"os":"linux"}"#);
        let layers: Vec<Value> = layers
            .iter()
            .map(|layer| self.keep("application/vnd.oci.image.layer.v1.tar+gzip", layer))
            .collect();
        let mut manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
        if let Some(subject) = subject {
            manifest["subject"] = subject.clone();
        }
        let descriptor = self.keep(MANIFEST, manifest.to_string().as_bytes());
        let parts = layers.iter().chain([&config, &descriptor]).map(digest).collect();
        (descriptor, parts)
    }

    /// An image with one manifest; its digest.
    pub fn add(&mut self, name: &str, layers: &[&[u8]]) -> Digest {
        let (root, blobs) = self.manifest(layers, None);
        let platforms = vec![ImagePlatform { platform: Platform::LinuxAmd64, manifest: digest(&root) }];
        self.images.push(image(name, &root, platforms, Vec::new(), blobs));
        digest(&root)
    }

    /// An image with an index in an index, a signature, and as many platforms of three as are carried.
    pub fn add_index(&mut self, name: &str, carried: usize) -> Digest {
        let all = [Platform::LinuxAmd64, Platform::LinuxArm64];
        let (mut entries, mut blobs, mut platforms) = (Vec::new(), Vec::new(), Vec::new());
        for (number, architecture) in ["amd64", "arm64", "riscv64"].into_iter().enumerate() {
            let layer = format!("{name} for {architecture}");
            let (mut entry, parts) = self.manifest(&[layer.as_bytes()], None);
            if number < carried {
                blobs.extend(parts);
                platforms.extend(
                    all.get(number)
                        .map(|platform| ImagePlatform { platform: *platform, manifest: digest(&entry) }),
                );
            }
            entry["platform"] = json!({"os": "linux", "architecture": architecture});
            entries.push(entry);
        }
        let inner = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
        let inner = self.keep(INDEX, inner.to_string().as_bytes());
        let outer = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [inner]});
        let root = self.keep(INDEX, outer.to_string().as_bytes());
        let (signature, parts) = self.manifest(&[b"signature"], Some(&root));
        blobs.extend(parts);
        blobs.extend([digest(&inner), digest(&root)]);
        let referrers = [None, Some(format!("sha256-{}.sig", digest(&root).hex()))].map(|tag| Referrer {
            descriptor: descriptor(&signature),
            artifact_type: None,
            tag,
        });
        blobs.sort_unstable();
        blobs.dedup();
        self.images.push(image(name, &root, platforms, referrers.into(), blobs));
        digest(&root)
    }

    pub fn trees(&self) -> Vec<Tree> {
        self.images.iter().map(|image| Tree::of(image, self).unwrap()).collect()
    }
}

fn digest(descriptor: &Value) -> Digest {
    descriptor["digest"].as_str().unwrap().parse().unwrap()
}

fn descriptor(value: &Value) -> Descriptor {
    Descriptor {
        media_type: value["mediaType"].as_str().unwrap().to_owned(),
        digest: digest(value),
        size: value["size"].as_u64().unwrap(),
    }
}

fn image(
    name: &str,
    root: &Value,
    platforms: Vec<ImagePlatform>,
    referrers: Vec<Referrer>,
    blobs: Vec<Digest>,
) -> Image {
    Image {
        name: name.to_owned(),
        origin: name.to_owned(),
        authenticated_by: "digest".to_owned(),
        root: descriptor(root),
        platforms,
        referrers,
        blobs,
    }
}

impl Source for Library {
    /// Fails behind the last byte if these are not the right ones.
    fn open(&self, digest: Digest) -> Result<Box<dyn Read + '_>> {
        let bytes = self.blobs.get(&digest).unwrap_or_else(|| panic!("{digest} is not carried")).as_slice();
        match Digest::of(bytes) == digest {
            true => Ok(Box::new(bytes)),
            false => Ok(Box::new(bytes.chain(Damaged))),
        }
    }

    fn document(&self, digest: Digest, _: u64) -> Result<Vec<u8>> {
        Ok(self.blobs[&digest].clone())
    }
}

struct Damaged;

impl Read for Damaged {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other(Error::new(codes::BLOB_DAMAGED, "the blob is damaged")))
    }
}

/// User and password for every host.
pub struct Login(pub &'static str, pub String);

impl CredentialSource for Login {
    fn credentials(&self, _: &str, _: &str) -> Result<Option<Credentials>> {
        let password = Secret::new(self.1.clone());
        Ok(Some(Credentials::Password { username: self.0.to_owned(), password }))
    }
}

/// Counts bytes that are reported as pushed.
#[derive(Default)]
pub struct Count(pub std::sync::atomic::AtomicU64);

impl Progress for Count {
    fn event(&self, event: Event<'_>) {
        if let Event::Advanced { bytes, .. } = event {
            self.0.fetch_add(bytes, std::sync::atomic::Ordering::SeqCst);
        }
    }
}

/// Pushes to one registry.
pub struct Pusher {
    pub runtime: Runtime,
    pub remote: Remote,
    pub progress: Arc<Count>,
    /// How many blobs are sent at the same time.
    pub uploads: usize,
}

impl Pusher {
    pub fn new(address: &str, login: Option<Login>) -> Pusher {
        let mut settings = Settings::default();
        // Quick, so that tests are.
        settings.retry = RetryPolicy {
            base_delay: Duration::from_millis(5),
            longest_delay: Duration::from_millis(20),
            ..settings.retry
        };
        settings.timeouts.stall = Duration::from_millis(500);
        if let Some(login) = login {
            settings.credentials = Arc::new(login);
        }
        settings.authorities = BTreeMap::new();
        let remote = Remote::new(Client::new(settings), Target::parse(address).unwrap());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        Pusher { runtime: runtime.unwrap(), remote, progress: Arc::default(), uploads: 4 }
    }

    pub fn plan(&self, library: &Library) -> Result<Plan> {
        self.runtime.block_on(Plan::make(&self.remote, &library.trees()))
    }

    pub fn execute(&self, plan: &Plan, library: &Library) -> Result<Pushed> {
        let source = Arc::new(library.clone());
        self.runtime.block_on(plan.execute(&self.remote, source, self.uploads, self.progress.clone()))
    }

    pub fn push(&self, library: &Library) -> Result<Pushed> {
        self.execute(&self.plan(library)?, library)
    }

    /// Pushes, and finds everything afterwards.
    #[track_caller]
    pub fn push_well(&self, library: &Library) -> Pushed {
        let pushed = self.push(library).unwrap_or_else(|error| panic!("{error:?}"));
        assert!(self.plan(library).unwrap().is_empty(), "{:?}", self.plan(library));
        pushed
    }

    pub fn reported(&self) -> u64 {
        self.progress.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}
