//! Real clients, unchanged digests.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::{Server, TOKEN, descriptor, image};

pub fn is_there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: {program} is not installed");
    }
    found
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// An OCI image layout with one image of several megabytes.
pub fn layout(directory: &Path) -> String {
    let layer: Vec<u8> =
        (0..5_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let configuration = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers",
        "diff_ids": [descriptor("", &layer)["digest"]]}})
    .to_string();
    let mut manifest = image(&layer);
    manifest["config"] = descriptor("application/vnd.oci.image.config.v1+json", configuration.as_bytes());
    let manifest = manifest.to_string();
    let blobs = directory.join("blobs/sha256");
    fs_err::create_dir_all(&blobs).unwrap();
    for bytes in [&layer[..], configuration.as_bytes(), manifest.as_bytes()] {
        let digest = descriptor("", bytes)["digest"].as_str().unwrap().to_owned();
        fs_err::write(blobs.join(digest.strip_prefix("sha256:").unwrap()), bytes).unwrap();
    }
    let entry = descriptor("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes());
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    fs_err::write(directory.join("index.json"), index.to_string()).unwrap();
    fs_err::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    entry["digest"].as_str().unwrap().to_owned()
}

fn skopeo(arguments: &[&str]) -> Command {
    let mut command = Command::new("skopeo");
    command.args(["--insecure-policy"]).args(arguments);
    command
}

#[test]
fn skopeo_logs_in_pushes_lists_and_pulls() {
    if !is_there("skopeo") {
        return;
    }
    let server = Server::start();
    let local = tempfile::tempdir().unwrap();
    let digest = layout(&local.path().join("in"));
    let from = format!("oci:{}", local.path().join("in").display());
    let image = format!("docker://{}/docker.io/library/x:1.0", server.address);
    let auth = local.path().join("auth.json");
    let auth = auth.to_str().unwrap();
    let refused = skopeo(&["copy", "--dest-tls-verify=false", &from, &image]).output().unwrap();
    assert!(!refused.status.success(), "without a token nothing can be pushed");
    let address = server.address.to_string();
    let log_in = |password: &str| {
        let arguments =
            ["login", "--tls-verify=false", "--authfile", auth, "-u", "ada", "-p", password, &address];
        skopeo(&arguments).output().unwrap()
    };
    assert!(!log_in("wrong").status.success());
    assert!(log_in(TOKEN).status.success());
    run(&mut skopeo(&[
        "copy",
        "--authfile",
        auth,
        "--preserve-digests",
        "--dest-tls-verify=false",
        &from,
        &image,
    ]));
    let by_ns = server.get("/v2/library/x/manifests/1.0?ns=docker.io");
    assert_eq!(by_ns.header("docker-content-digest"), Some(digest.as_str()));
    // Pulling needs no token.
    let back = format!("oci:{}:x", local.path().join("out").display());
    run(&mut skopeo(&["copy", "--preserve-digests", "--src-tls-verify=false", &image, &back]));
    let index = fs_err::read(local.path().join("out/index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    assert_eq!(index["manifests"][0]["digest"], json!(digest));
    let repository = format!("docker://{}/docker.io/library/x", server.address);
    let tags = run(&mut skopeo(&["list-tags", "--tls-verify=false", &repository]));
    let tags: Value = serde_json::from_slice(&tags.stdout).unwrap();
    assert_eq!(tags["Tags"], json!(["1.0"]));
    // What is there is not sent again.
    let before = server.heard.lines().len();
    run(&mut skopeo(&[
        "copy",
        "--authfile",
        auth,
        "--preserve-digests",
        "--dest-tls-verify=false",
        &from,
        &image,
    ]));
    let again = server.heard.lines().split_off(before);
    assert!(!again.iter().any(|line| line.contains("PATCH")), "{again:?}");
}

#[test]
fn docker_registry_and_ours_exchange_images_unchanged() {
    if !is_there("skopeo") || !is_there("docker-registry") {
        return;
    }
    let server = Server::start();
    let local = tempfile::tempdir().unwrap();
    let digest = layout(&local.path().join("in"));
    let theirs = DockerRegistry::start(local.path());
    let credentials = format!("ada:{TOKEN}");
    let copy = |from: &str, to: &str| {
        let options = ["copy", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false"];
        run(skopeo(&options).args(["--dest-creds", &credentials, from, to]));
    };
    let ours = format!("docker://{}/a/b:1", server.address);
    let other = format!("docker://{}/a/b", theirs.address);
    copy(&format!("oci:{}", local.path().join("in").display()), &format!("{other}:1"));
    copy(&format!("{other}:1"), &ours);
    assert_eq!(server.get("/v2/a/b/manifests/1").header("docker-content-digest"), Some(digest.as_str()));
    copy(&ours, &format!("{other}:back"));
    let found = run(&mut skopeo(&[
        "inspect",
        "--tls-verify=false",
        "--format",
        "{{.Digest}}",
        &format!("{other}:back"),
    ]));
    assert_eq!(String::from_utf8_lossy(&found.stdout).trim(), digest);
}

/// Debian's docker-registry on a free port.
pub struct DockerRegistry {
    process: std::process::Child,
    pub address: String,
}

impl DockerRegistry {
    pub fn start(directory: &Path) -> DockerRegistry {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let configuration = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\nlog:\n  level: error\n",
            directory.join("theirs").display()
        );
        let file = directory.join("registry.yml");
        fs_err::write(&file, configuration).unwrap();
        let mut process = Command::new("docker-registry").arg("serve").arg(&file).spawn().unwrap();
        while std::net::TcpStream::connect(&address).is_err() {
            assert!(process.try_wait().unwrap().is_none(), "docker-registry ended at once");
            std::thread::yield_now();
        }
        DockerRegistry { process, address }
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn curl_continues_where_it_stopped() {
    if !is_there("curl") {
        return;
    }
    let server = Server::start();
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 253) as u8).collect();
    let digest = server.push_blob("a", &bytes);
    let local = tempfile::tempdir().unwrap();
    let file = local.path().join("blob");
    fs_err::write(&file, &bytes[..123_456]).unwrap();
    let url = format!("http://{}/v2/a/blobs/{digest}", server.address);
    run(Command::new("curl").args(["-sSf", "-C", "-", "-o"]).arg(&file).arg(&url));
    assert!(fs_err::read(&file).unwrap() == bytes);
    server.heard.wait_for(" 206 876544 B");
}
