//! Writes repositories as upstreams have them, below a directory that a web server serves: pooled and flat, with and
//! without files by digest, compressed in every way, with SHA-512 only. Everything is signed and true, until a
//! test changes it.
#![allow(dead_code, reason = "every test program uses another part of it")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use airlock::debian::openpgp::SigningKey;
use airlock::oci::digest::Digest;
use airlock::secret::Secret;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha512};

use super::packages::described;

/// A key that stands for its owner; each number is another one.
pub fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&Secret::new([number; 32]), "Upstream").unwrap()
}

/// What proves the files of a repository.
#[derive(Clone, Copy, PartialEq)]
pub enum Sums {
    Sha256,
    Sha512,
}

/// Where the signature is.
#[derive(Clone, Copy, PartialEq)]
pub enum Signature {
    Inline,
    Detached,
    None,
}

/// One suite of a repository, to be written.
#[derive(Clone)]
pub struct Suite {
    /// The directory that the URI of the repository stands for.
    pub root: PathBuf,
    /// Such as `bookworm`; one that ends in `/` is flat.
    pub name: String,
    /// Control files of its packages, in their order.
    pub packages: Vec<String>,
    /// How old it is.
    pub age: SignedDuration,
    /// How long it may be used from now on.
    pub valid_for: Option<SignedDuration>,
    pub by_hash: bool,
    pub sums: Sums,
    /// Ending of the compressed list: `.xz`, `.gz`, `.zst`, or nothing.
    pub compression: &'static str,
    pub signature: Signature,
    /// Number of the key that signs.
    pub key: u8,
    /// The `.deb` of packages that have more than a control file in them, by name.
    pub archives: BTreeMap<String, Vec<u8>>,
}

impl Suite {
    /// A suite as Debian has them, an hour old.
    pub fn new(root: &Path, name: &str, packages: &[&str]) -> Suite {
        Suite {
            root: root.to_owned(),
            name: name.to_owned(),
            packages: packages.iter().map(|text| (*text).to_owned()).collect(),
            age: SignedDuration::from_hours(1),
            valid_for: None,
            by_hash: true,
            sums: Sums::Sha256,
            compression: ".xz",
            signature: Signature::Inline,
            key: 1,
            archives: BTreeMap::new(),
        }
    }

    /// Where its `InRelease` is.
    pub fn directory(&self) -> PathBuf {
        match self.is_flat() {
            true => self.root.join(self.name.trim_matches('/')),
            false => self.root.join("dists").join(&self.name),
        }
    }

    /// Path of its compressed list, from the directory on.
    pub fn index(&self) -> String {
        let directory = if self.is_flat() { "" } else { "main/binary-amd64/" };
        format!("{directory}Packages{}", self.compression)
    }

    fn is_flat(&self) -> bool {
        self.name.ends_with('/')
    }

    /// Writes packages, lists, and what signs them.
    pub fn write(&self) {
        let plain: String = self.packages.iter().map(|control| self.package(control)).collect();
        let packed = pack(plain.as_bytes(), self.compression);
        let index = self.index();
        put(&self.directory().join(&index), &packed);
        if self.by_hash {
            let digest = Digest::of(&packed).hex();
            put(&self.directory().join(&index).with_file_name(format!("by-hash/SHA256/{digest}")), &packed);
        }
        let name = index.trim_end_matches(self.compression).to_owned();
        self.sign(&self.release(&[(&name, plain.as_bytes()), (&index, &packed)]));
    }

    /// Writes a package and gives its stanza.
    fn package(&self, control: &str) -> String {
        let field =
            |name: &str| control.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap();
        let (name, version) = (field("Package"), field("Version"));
        let deb = self.archives.get(name).cloned().unwrap_or_else(|| described(control, name, version));
        let path = format!("pool/{name}_{}_{}.deb", version.replace(':', "%3a"), field("Architecture"));
        put(&self.root.join(&path), &deb);
        let sum = match self.sums {
            Sums::Sha256 => format!("SHA256: {}", Digest::of(&deb).hex()),
            Sums::Sha512 => format!("SHA512: {}", sha512(&deb)),
        };
        format!("{control}Filename: {path}\nSize: {}\n{sum}\n\n", deb.len())
    }

    fn release(&self, files: &[(&str, &[u8])]) -> String {
        let time = |moment: Timestamp| moment.strftime("%a, %d %b %Y %H:%M:%S UTC").to_string();
        let now = Timestamp::now();
        let name = if self.is_flat() { "flat" } else { &self.name };
        let mut text = format!("Origin: Test\nLabel: Test\nSuite: {name}\nCodename: {name}\n");
        let _ = writeln!(text, "Date: {}", time(now - self.age));
        if let Some(valid_for) = self.valid_for {
            let _ = writeln!(text, "Valid-Until: {}", time(now + valid_for));
        }
        let by_hash = if self.by_hash { "yes" } else { "no" };
        let _ = write!(text, "Acquire-By-Hash: {by_hash}\nArchitectures: amd64\nComponents: main\n");
        text += if self.sums == Sums::Sha256 { "SHA256:\n" } else { "SHA512:\n" };
        for (path, bytes) in files {
            let sum = if self.sums == Sums::Sha256 { Digest::of(bytes).hex() } else { sha512(bytes) };
            let _ = writeln!(text, " {sum} {} {path}", bytes.len());
        }
        text
    }

    fn sign(&self, release: &str) {
        let key = key(self.key);
        let at = |name: &str| self.directory().join(name);
        for name in ["InRelease", "Release", "Release.gpg"] {
            let _ = fs_err::remove_file(at(name));
        }
        match self.signature {
            Signature::Inline => put(&at("InRelease"), key.sign_inline(release).unwrap().as_bytes()),
            Signature::Detached => {
                put(&at("Release"), release.as_bytes());
                put(&at("Release.gpg"), key.sign_detached(release).unwrap().as_bytes());
            }
            Signature::None => put(&at("Release"), release.as_bytes()),
        }
    }
}

/// A control file: `NAME VERSION`, then further fields, separated by `;`.
pub fn control(text: &str) -> String {
    let mut parts = text.split(';').map(str::trim);
    let (name, version) = parts.next().and_then(|part| part.split_once(' ')).unwrap();
    let fields: Vec<&str> = parts.collect();
    let architecture = if fields.iter().any(|field| field.starts_with("Architecture:")) {
        ""
    } else {
        "Architecture: amd64\n"
    };
    let fields: String = fields.iter().map(|field| format!("{field}\n")).collect();
    format!(
        "Package: {name}\nVersion: {version}\n{architecture}{fields}Maintainer: Nobody <nobody@example.com>\n\
         Description: stands in for {name}\n a second line: with a colon\n .\n   # and an indented one\n"
    )
}

fn put(path: &Path, bytes: &[u8]) {
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, bytes).unwrap();
}

fn pack(text: &[u8], ending: &str) -> Vec<u8> {
    match ending {
        ".xz" => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        ".gz" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        ".zst" => zstd::encode_all(text, 3).unwrap(),
        _ => text.to_vec(),
    }
}

fn sha512(bytes: &[u8]) -> String {
    Sha512::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
