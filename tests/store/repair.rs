//! Damaged and missing blobs are put right from every kind of source, and nothing but right bytes is taken.

use std::path::Path;
use std::process::Command;

use airlock::error::codes;
use airlock::fetch::{Client, RetryPolicy, Settings};
use airlock::oci::digest::Digest;
use airlock::progress::Silent;
use airlock::spec::HostSettings;
use airlock::store::repair::{Remote, Servers, Source};
use airlock::store::{RepositoryName, Store};

use super::bundles::Contents;
use super::docker_registry::DockerRegistry;
use super::misbehaving::{Server, Step};
use super::node::{Node, assert_sound, shown};
use super::serving::Serving;

/// A node whose store has lost its image: the manifest is gone, both layers are damaged.
struct Damaged {
    node: Node,
    /// All that was damaged, manifest first.
    digests: Vec<Digest>,
}

impl Damaged {
    fn new() -> Damaged {
        let contents = Contents::with_files(&[b"one\n"]);
        let node = Node::with_files(&[b"one\n"]);
        node.json(&["import", "stick"]);
        let manifest =
            contents.blobs.iter().find(|bytes| bytes.starts_with(b"{") && has_layers(bytes)).unwrap();
        let document: serde_json::Value = serde_json::from_slice(manifest).unwrap();
        let layers = document["layers"].as_array().unwrap().iter();
        let layers = layers.map(|layer| layer["digest"].as_str().unwrap().parse().unwrap());
        let damaged = Damaged { digests: [Digest::of(manifest)].into_iter().chain(layers).collect(), node };
        damaged.damage();
        damaged
    }

    fn damage(&self) {
        fs_err::remove_file(self.blob(self.digests[0])).unwrap();
        for digest in &self.digests[1..] {
            fs_err::write(self.blob(*digest), b"rotten").unwrap();
        }
    }

    fn blob(&self, digest: Digest) -> std::path::PathBuf {
        self.node.path("store/blobs/sha256").join(digest.hex())
    }

    fn repair(&self, arguments: &[&str]) -> String {
        self.node.airlock(&[&["repair", "--from"], arguments].concat())
    }

    #[track_caller]
    fn assert_repaired(&self, arguments: &[&str]) {
        assert_eq!(self.repair(arguments), format!("exit 0\nrepaired {} blobs\n", self.digests.len()));
        self.node.json(&["verify"]);
        assert_sound(&self.node.path("store"));
    }
}

fn has_layers(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(bytes).is_ok_and(|document| document["layers"].is_array())
}

/// Another node, whose store is intact.
fn intact() -> Node {
    let node = Node::with_files(&[b"one\n"]);
    node.json(&["import", "stick"]);
    node
}

#[test]
fn from_another_node_with_the_authority_of_the_cluster() {
    let (damaged, other) = (Damaged::new(), intact());
    let arguments = ["--store", "store", "--listen", "127.0.0.1:0", "--tls-directory", "tls"];
    let serving = Serving::start(&other.path(""), &arguments);
    let from = format!("https://{}", serving.address("https"));
    let refused = damaged.repair(&[&from]);
    assert!(refused.starts_with("exit 8\nerror[E0307]") && refused.contains("help: "), "{refused}");
    damaged.assert_repaired(&[&from, "--ca", other.path("tls/ca.crt").to_str().unwrap()]);
    let said = serving.said().join("\n");
    assert!(said.contains("GET /airlock/v1/blobs/sha256:"), "{said}");
}

#[test]
fn from_another_node_that_wants_a_login() {
    let (damaged, other) = (Damaged::new(), intact());
    let arguments =
        ["--store", "store", "--listen", "http://127.0.0.1:0", "--token-file", "token", "--private"];
    let serving = Serving::start(&other.path(""), &arguments);
    let address = serving.address("http");
    let from = format!("http://{address}");
    let refused = damaged.repair(&[&from]);
    assert!(refused.starts_with("exit 8\nerror[E0314]"), "{refused}");
    assert!(refused.contains(&format!("podman login {address}")), "{refused}");
    let token = fs_err::read_to_string(other.path("token")).unwrap();
    log_in(&damaged.node.path("auth.json"), &address, token.trim());
    let output = damaged
        .node
        .command(&["repair", "--from", &from])
        .env("REGISTRY_AUTH_FILE", damaged.node.path("auth.json"))
        .output()
        .unwrap();
    assert_eq!(shown(&output), "exit 0\nrepaired 3 blobs\n");
    damaged.node.json(&["verify"]);
}

fn log_in(file: &Path, address: &str, token: &str) {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("ada:{token}"));
    fs_err::write(file, format!(r#"{{"auths":{{"{address}":{{"auth":"{encoded}"}}}}}}"#)).unwrap();
}

#[test]
fn from_a_registry_under_the_name_with_its_host() {
    let (damaged, other) = (Damaged::new(), intact());
    let serving = Serving::start(&other.path(""), &["--store", "store", "--listen", "http://127.0.0.1:0"]);
    damaged.assert_repaired(&[&format!("registry+http://{}", serving.address("http"))]);
    let said = serving.said().join("\n");
    assert!(said.contains("GET /v2/docker.io/library/golden/manifests/sha256:"), "{said}");
    assert!(said.contains("GET /v2/docker.io/library/golden/blobs/sha256:"), "{said}");
}

#[test]
fn from_the_registry_of_debian_below_a_path() {
    let Some(registry) = DockerRegistry::start() else { return };
    let (damaged, other) = (Damaged::new(), intact());
    let from = format!("oci:{}:docker.io/library/golden:1.0", other.path("store").display());
    let to = format!("docker://{}/lab/mirror/library/golden:1.0", registry.address);
    let copy = ["--insecure-policy", "copy", "--preserve-digests", "--dest-tls-verify=false", &from, &to];
    let Ok(copied) = Command::new("skopeo").args(copy).output() else {
        return eprintln!("SKIPPED: skopeo is not installed");
    };
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    damaged.assert_repaired(&[&format!("registry+http://{}/lab/mirror", registry.address)]);
    damaged.damage();
    let elsewhere = damaged.repair(&[&format!("registry+http://{}/lab/other", registry.address)]);
    assert!(elsewhere.starts_with("exit 9\n"), "{elsewhere}");
}

#[test]
fn what_a_source_lacks_is_listed_and_the_rest_is_put_right() {
    let damaged = Damaged::new();
    let other = intact();
    fs_err::remove_file(other.path("store/blobs/sha256").join(damaged.digests[1].hex())).unwrap();
    let serving = Serving::start(&other.path(""), &["--store", "store", "--listen", "http://127.0.0.1:0"]);
    let address = serving.address("http");
    let output = damaged.repair(&[&format!("http://{address}")]);
    let output = output.replace(&address, "[NODE]").replace(&damaged.digests[1].to_string(), "[DIGEST]");
    insta::assert_snapshot!(output, @r"
    exit 9
    repaired 2 blobs
    error[E0641]: 1 of 3 blobs could not be repaired
    note: [DIGEST]: http://[NODE]/airlock/v1/blobs/[DIGEST] answers 404 Not Found: the server says: there is no blob [DIGEST]
    help: take the rest from somewhere else: `airlock store repair --from` another bundle, `https://NODE:5000`, or `registry://HOST`
    ");
    let report = damaged.node.airlock(&["verify"]);
    assert!(report.contains("error[E0639]: one blob of the store"), "{report}");
    assert!(report.contains(&damaged.digests[1].to_string()), "{report}");
}

#[test]
fn wrong_bytes_are_refused_whoever_sends_them() {
    let damaged = Damaged::new();
    let liar = Server::start(|_, _| {
        vec![Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nwrong".to_vec())]
    });
    for from in [format!("http://{}", liar.host()), format!("registry+http://{}", liar.host())] {
        let output = damaged.repair(&[&from]);
        assert!(output.starts_with("exit 9\nerror[E0641]: 3 of 3 blobs could not be repaired"), "{output}");
        let told = output.matches(&Digest::of(b"wrong").to_string()).count();
        assert!(told >= 2, "what came is told: {output}");
    }
    assert!(!damaged.blob(damaged.digests[0]).exists(), "nothing wrong has got the name");
    assert!(super::node::files_below(&damaged.node.path("store/incoming")).is_empty());
}

#[test]
fn a_source_out_of_reach_is_asked_for_one_blob_only() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::create(&directory.path().join("store")).unwrap();
    let repository = RepositoryName::new(Some("docker.io"), "library/x").unwrap();
    for byte in 0..3 {
        let bytes = vec![byte; 100];
        let digest = Digest::of(&bytes);
        let mut upload = store.start_upload(&repository, airlock::oci::digest::Algorithm::Sha256).unwrap();
        upload.append(&bytes).unwrap();
        upload.finish(&digest.into()).unwrap();
        fs_err::write(store.root().join("blobs/sha256").join(digest.hex()), b"rotten").unwrap();
    }
    let report = store.verify(std::num::NonZeroUsize::MIN, &Silent).unwrap();
    let resetting = Server::start(|_, _| vec![Step::Reset]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let moment = std::time::Duration::from_millis(1);
    let plain = HostSettings { plain_http: true, ..HostSettings::default() };
    let client = Client::new(Settings {
        hosts: [(resetting.host(), plain)].into(),
        retry: RetryPolicy { attempts: 2, base_delay: moment, longest_delay: moment, longest_wait: moment },
        ..Settings::default()
    });
    let source = Source::Remote(Remote::new(Servers::Node(resetting.host()), client));
    let error = store.repair(&report.damage, &source, runtime.handle(), &Silent).unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::FETCH_CONNECT, 8));
    assert!(error.help().is_some_and(|help| help.contains("check that this machine reaches")), "{error:?}");
    assert_eq!(resetting.seen().len(), 2, "the attempts for one blob");
}

#[test]
fn an_authority_without_a_server_makes_no_sense() {
    let damaged = Damaged::new();
    let output = damaged.repair(&["stick", "--ca", "ca.crt"]);
    assert!(output.starts_with("exit 2\nerror[E0002]: --ca is for a server"), "{output}");
    let output = damaged.repair(&["ftp://node"]);
    assert!(output.starts_with("exit 2\n") && output.contains("registry://"), "{output}");
}
