//! What is pulled, and many clients that pull it at once.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use airlock::oci::digest::Digest;
use rustls::ClientConfig;

use super::client::Client;
use super::contestant::{Contestant, TOKEN};
use crate::Result;
use crate::corpus::succeed;
use crate::images::{Family, ImageLayout, Layer};

/// Layers as large as usual ones of frameworks.
const LAYERS: u64 = 8;
const LAYER: u64 = 100_000_000;

/// The repository they are in; the other image is small and many clients ask for its manifest.
const NAME: &str = "bench/layers";

/// The image with large layers.
pub struct Image {
    layout: std::path::PathBuf,
    layers: Vec<(String, Digest)>,
}

/// A server and how to reach it.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub server: &'a Contestant,
    pub tls: Option<&'a Arc<ClientConfig>>,
}

impl Image {
    /// Makes it in `directory`, unless an earlier run has.
    pub fn make(directory: &Path) -> Result<Image> {
        let list = directory.join("layers");
        if !list.exists() {
            let mut layout = ImageLayout::create(directory)?;
            let layers: Vec<Layer> =
                (0..LAYERS).map(|number| layer(&layout, number)).collect::<Result<_>>()?;
            let image = layout.image(Family::Oci, "amd64", &layers, &["/bin/sh"])?;
            layout.name(&format!("{NAME}:1"), &image);
            layout.finish()?;
            let digests = layers.iter().filter_map(|layer| layer.descriptor["digest"].as_str());
            fs_err::write(&list, digests.collect::<Vec<_>>().join("\n"))?;
        }
        let layers = fs_err::read_to_string(&list)?;
        let layers = layers.lines().map(|digest| Ok((format!("/v2/{NAME}/blobs/{digest}"), digest.parse()?)));
        Ok(Image { layout: directory.to_owned(), layers: layers.collect::<Result<_>>()? })
    }

    /// Pushes it.
    pub fn push(&self, server: &Contestant) -> Result<()> {
        let source = format!("oci:{}:{NAME}:1", self.layout.display());
        let target = format!("docker://{}/{NAME}:1", server.address);
        let credentials = format!("bench:{TOKEN}");
        let mut copy = std::process::Command::new("skopeo");
        copy.args(["copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false"]);
        succeed(copy.args(["--dest-creds", &credentials, &source, &target]))
    }

    /// Each of `clients` pulls its share of the layers, `times` times over one connection.
    pub fn pull(&self, target: Target<'_>, clients: usize, times: usize) -> Result<Duration> {
        at_once(target, clients, |number, client| {
            for _ in 0..times {
                for (path, _) in self.layers.iter().skip(number % clients).step_by(clients) {
                    client.get(path)?;
                }
            }
            Ok(())
        })
    }

    /// Each of `clients` pulls one of the layers.
    pub fn pull_one(&self, target: Target<'_>, clients: usize) -> Result<Duration> {
        at_once(target, clients, |number, client| {
            client.get(&self.layers[number % self.layers.len()].0).map(drop)
        })
    }

    /// Pulls every layer once and compares its digest.
    pub fn check(&self, target: Target<'_>) -> Result<()> {
        let mut client = Client::connect(&target.server.address, target.tls)?;
        for (path, digest) in &self.layers {
            let found = client.digest(path)?;
            if found != *digest {
                return Err(format!("{path} came as {found}").into());
            }
        }
        Ok(())
    }

    /// Each of `clients` asks `times` times for the manifest.
    pub fn manifests(&self, target: Target<'_>, clients: usize, times: usize) -> Result<Duration> {
        at_once(target, clients, |_, client| {
            for _ in 0..times {
                client.get(&format!("/v2/{NAME}/manifests/1"))?;
            }
            Ok(())
        })
    }

    /// The bytes of one pull of all layers.
    pub fn bytes(&self) -> u64 {
        LAYERS * LAYER
    }
}

// Everybody connects first, then all begin together.
fn at_once(
    target: Target<'_>,
    clients: usize,
    work: impl Fn(usize, &mut Client) -> Result<()> + Sync,
) -> Result<Duration> {
    let connected: Result<Vec<Client>> =
        (0..clients).map(|_| Client::connect(&target.server.address, target.tls)).collect();
    let (work, connected) = (&work, connected?);
    let start = Instant::now();
    let outcomes: Vec<std::result::Result<(), String>> = std::thread::scope(|scope| {
        let clients = connected.into_iter().enumerate().map(|(number, mut client)| {
            scope.spawn(move || work(number, &mut client).map_err(|error| error.to_string()))
        });
        let clients: Vec<_> = clients.collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap_or_else(|_| Err("a client panicked".to_owned())))
            .collect()
    });
    let time = start.elapsed();
    outcomes.into_iter().collect::<std::result::Result<(), String>>()?;
    Ok(time)
}

// Bytes that do not compress and are the same in every run: a generator of numbers (xorshift64) from a fixed seed.
fn layer(layout: &ImageLayout, number: u64) -> Result<Layer> {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ (number + 1);
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let bytes: Vec<u8> = std::iter::repeat_with(next).take(LAYER as usize / 8).flatten().collect();
    let descriptor = layout.add("application/vnd.oci.image.layer.v1.tar", &bytes)?;
    Ok(Layer { descriptor, diff_id: Digest::of(&bytes) })
}
