//! A registry with TLS of its own authority, and images to push into it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::images::{Family, ImageLayout};
use crate::serving::Serving;
use crate::tools::{printed, run};

/// A running registry and where its files are.
pub struct Served {
    pub serving: Serving,
    /// `HOST:PORT`, with TLS.
    pub address: String,
    /// `HOST:PORT`, without.
    pub plain: String,
    directory: tempfile::TempDir,
}

/// Digests of what is in a layout: the index, its images, and everything below them.
pub struct Sample {
    pub layout: PathBuf,
    /// Of the index.
    pub digest: String,
}

impl Served {
    /// Starts one that has nothing yet.
    pub fn start() -> Served {
        let directory = tempfile::tempdir().unwrap();
        let arguments =
            ["--store", "store", "--tls-directory", "tls", "--token-file", "token", "--allow-delete"];
        let listen = ["--listen", "127.0.0.1:0", "--listen", "http://127.0.0.1:0"];
        let serving = Serving::start(directory.path(), &[&arguments[..], &listen].concat());
        // A client that finds a key beside the certificate takes it for its own.
        fs_err::create_dir(directory.path().join("certs")).unwrap();
        fs_err::copy(directory.path().join("tls/ca.crt"), directory.path().join("certs/ca.crt")).unwrap();
        Served { address: serving.address("https"), plain: serving.address("http"), serving, directory }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The certificate of the cluster authority.
    pub fn authority(&self) -> PathBuf {
        self.path("tls/ca.crt")
    }

    pub fn token(&self) -> String {
        fs_err::read_to_string(self.path("token")).unwrap().trim().to_owned()
    }

    /// An index for two platforms, whose content depends on `name`.
    pub fn sample(&self, name: &str) -> Sample {
        let directory = self.path(&format!("layout-{name}"));
        let mut layout = ImageLayout::create(&directory).unwrap();
        let text = name.repeat(100_000);
        let images = ["amd64", "arm64"].map(|architecture| {
            let files: [(&str, u32, &[u8]); 2] =
                [("etc/name", 0o644, text.as_bytes()), ("etc/machine", 0o644, architecture.as_bytes())];
            let layer = layout.layer(Family::Oci, &files).unwrap();
            layout.image(Family::Oci, architecture, &[layer], &["/none"]).unwrap()
        });
        let index = layout.index(&[("amd64", &images[0]), ("arm64", &images[1])]).unwrap();
        layout.name("sample", &index);
        layout.finish().unwrap();
        Sample { layout: directory, digest: index["digest"].as_str().unwrap().to_owned() }
    }

    /// Pushes a sample under the name `repository:tag`, as it stands in a path.
    pub fn push(&self, sample: &Sample, name: &str) {
        let mut command = self.skopeo(&["copy", "--all", "--preserve-digests"]);
        command.args(["--dest-creds", &format!("ada:{}", self.token())]);
        command.arg("--dest-cert-dir").arg(self.path("certs"));
        command.arg(format!("oci:{}:sample", sample.layout.display()));
        run(command.arg(format!("docker://{}/{name}", self.address)));
    }

    pub fn skopeo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("skopeo");
        command.arg("--insecure-policy").args(arguments);
        command
    }

    /// The digest of a manifest, from its bytes. `target` is `REPOSITORY/manifests/REFERENCE`.
    pub fn digest(&self, target: &str) -> String {
        airlock::oci::digest::Digest::of(self.request(&format!("/v2/{target}")).as_bytes()).to_string()
    }

    /// What is answered to a GET that has to succeed; text is all that is asked for.
    pub fn request(&self, target: &str) -> String {
        let mut stream = TcpStream::connect(&self.plain).unwrap();
        let head = format!("GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.plain);
        let login = STANDARD.encode(format!("ada:{}", self.token()));
        write!(stream, "{head}Authorization: Basic {login}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{target}: {answer}");
        body.to_owned()
    }

    /// How many requests began like this.
    pub fn requests(&self, start: &str) -> usize {
        self.serving.said().iter().filter(|line| line.contains(start)).count()
    }
}

/// What `skopeo inspect --raw` shows, as JSON.
pub fn raw(command: &mut Command) -> Value {
    serde_json::from_str(&printed(&run(command))).unwrap()
}

/// A directory inside a root, gone at the end of the test.
pub struct Workplace {
    directory: tempfile::TempDir,
    root: PathBuf,
}

impl Workplace {
    pub fn new(root: &Path) -> Workplace {
        Workplace { directory: tempfile::tempdir_in(root.join("tmp")).unwrap(), root: root.to_owned() }
    }

    /// Where a file lies, seen from outside.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where a file lies, seen from inside the root.
    pub fn inside(&self, name: &str) -> String {
        let directory = self.directory.path().strip_prefix(&self.root).unwrap();
        Path::new("/").join(directory).join(name).to_str().unwrap().to_owned()
    }

    /// A program in the root, with this directory as its working directory and home.
    pub fn command(&self, program: &str) -> Command {
        let mut command = crate::roots::enter(&self.root);
        let home = self.inside("");
        command.args(["/usr/bin/env", "-C", &home, &format!("HOME={home}"), program]);
        command
    }
}
