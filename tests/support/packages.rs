//! Repositories of tiny packages: real `.deb`s, and metadata that the library wrote and signed.
#![allow(dead_code, reason = "every test program uses another part of it")]

use airlock::bundle::manifest::Blob;
use airlock::bundle::manifest::apt::{
    Apt, Driver, File, Install, KEYRING, Kernel, METADATA, Nvidia, Package, Purpose,
};
use airlock::bundle::ustar;
use airlock::debian::openpgp::SigningKey;
use airlock::debian::package::parse_index;
use airlock::debian::repository::{Content, Description, Offered, RepositoryFile, write};
use airlock::oci::digest::Digest;
use airlock::oci::platform::Platform;
use airlock::secret::Secret;

/// A package to make: name, version, architecture, what it depends on.
pub type Wanted<'a> = (&'a str, &'a str, &'a str, &'a str);

/// What builds the modules of a driver that comes as an installer.
pub const DKMS: [Wanted<'static>; 1] = [("dkms", "3.0.10-8", "all", "")];

/// The target that most tests need.
pub const PROBES: [Wanted<'static>; 2] = [
    ("airlock-probe", "1:2.0-1", "amd64", "airlock-probe-data (= 3:1.0)"),
    ("airlock-probe-data", "3:1.0", "all", ""),
];

/// Stand-ins for what a node with a GPU gets.
pub const GPU: [Wanted<'static>; 4] = [
    ("airlock-probe-data", "3:1.0", "all", ""),
    ("nvidia-container-toolkit", "1.18.0-1", "amd64", ""),
    ("nvidia-driver", "580.126.20-1", "amd64", "airlock-probe-data"),
    ("nvidia-fabricmanager", "580.126.20-1", "amd64", ""),
];

/// The repository of a target for Debian 12, and the bytes of its blobs in the order of `Apt::blobs`. The wanted
/// packages are in the order of the manifest; the first of them is what nodes install.
pub fn repository(name: &str, wanted: &[Wanted<'_>]) -> (Apt, Vec<Vec<u8>>) {
    let debs: Vec<Vec<u8>> = wanted.iter().map(deb).collect();
    let described: Vec<(String, Vec<u8>)> = wanted.iter().map(control).zip(debs).collect();
    repository_of(name, &described)
}

/// The same for packages that are there already: their control files and their bytes.
pub fn repository_of(name: &str, debs: &[(String, Vec<u8>)]) -> (Apt, Vec<Vec<u8>>) {
    let index: String = debs.iter().map(|(control, deb)| stanza_of(control, deb)).collect();
    let written = written(&index);
    let packages = debs.iter().zip(&written).map(|((control, deb), file)| Package {
        name: field(control, "Package").to_owned(),
        version: field(control, "Version").to_owned(),
        architecture: field(control, "Architecture").to_owned(),
        path: file.path.clone(),
        wanted_by: "requested".to_owned(),
        origin: format!("https://example.com/debian/pool/{}.deb", field(control, "Package")),
        blob: blob(deb),
    });
    let packages: Vec<Package> = packages.collect();
    let metadata = METADATA.map(|path| metadata(path, &written));
    let files = METADATA
        .iter()
        .zip(&metadata)
        .map(|(path, bytes)| File { path: (*path).to_owned(), blob: blob(bytes) });
    let files: Vec<File> = files.collect();
    let first = &packages[0];
    let install =
        Install { purpose: Purpose::Node, package: first.name.clone(), version: first.version.clone() };
    let blobs: Vec<Vec<u8>> = debs.iter().map(|(_, deb)| deb.clone()).chain(metadata).collect();
    let apt = Apt {
        name: name.to_owned(),
        host: "debian-12".to_owned(),
        platform: Platform::LinuxAmd64,
        baseline: "essential".to_owned(),
        recommends: false,
        install: vec![install],
        nvidia: None,
        packages,
        files,
        blobs: blobs.iter().map(|bytes| Digest::of(bytes)).collect(),
    };
    (apt, blobs)
}

fn field<'a>(control: &'a str, name: &str) -> &'a str {
    control.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap()
}

/// The repository of [`GPU`], and what it says about the driver.
pub fn gpu_repository(name: &str) -> (Apt, Vec<Vec<u8>>) {
    let (mut apt, blobs) = repository(name, &GPU);
    let install = |(purpose, package, version): (Purpose, &str, &str)| Install {
        purpose,
        package: package.to_owned(),
        version: version.to_owned(),
    };
    apt.install = vec![
        install((Purpose::Driver, "nvidia-driver", "580.126.20-1")),
        install((Purpose::FabricManager, "nvidia-fabricmanager", "580.126.20-1")),
        install((Purpose::ContainerToolkit, "nvidia-container-toolkit", "1.18.0-1")),
    ];
    apt.nvidia = Some(Nvidia {
        driver: Some(Driver {
            version: "580.126.20".to_owned(),
            open: true,
            kernels: vec![Kernel { release: "6.1.0-41-amd64".to_owned(), prebuilt: false }],
            run_file: None,
        }),
        fabric_manager: Some("580.126.20".to_owned()),
        container_toolkit: Some("1.18.0".to_owned()),
    });
    (apt, blobs)
}

/// What a node gets whose driver is the installer at `installer`: only what builds its modules.
pub fn installer_repository(name: &str, installer: &str) -> (Apt, Vec<Vec<u8>>) {
    let (mut apt, blobs) = repository(name, &DKMS);
    apt.install[0].purpose = Purpose::Driver;
    let driver = Driver {
        version: "580.126.20".to_owned(),
        open: true,
        kernels: Vec::new(),
        run_file: Some(installer.to_owned()),
    };
    apt.nvidia = Some(Nvidia { driver: Some(driver), fabric_manager: None, container_toolkit: None });
    (apt, blobs)
}

fn blob(bytes: &[u8]) -> Blob {
    Blob { digest: Digest::of(bytes), size: bytes.len() as u64 }
}

fn key() -> SigningKey {
    SigningKey::from_seed(&Secret::new([42; 32]), "Airlock test").unwrap()
}

fn written(index: &str) -> Vec<RepositoryFile> {
    let packages = parse_index(index.as_bytes()).unwrap().usable;
    let digest = |package: &airlock::debian::package::Package<'_>| package.archive.unwrap().sha256.unwrap();
    let offered: Vec<Offered<'_>> =
        packages.iter().map(|package| Offered { package, digest: digest(package) }).collect();
    let date = "2026-01-01T00:00:00Z".parse().unwrap();
    let description =
        Description { origin: "Airlock", label: "Airlock", suite: "airlock", codename: "bookworm", date };
    write(&offered, &description, &key()).unwrap()
}

fn metadata(path: &str, written: &[RepositoryFile]) -> Vec<u8> {
    if path == KEYRING {
        return key().armored_keyring().unwrap().into_bytes();
    }
    match &written.iter().find(|file| file.path == path).unwrap().content {
        Content::Bytes(bytes) => bytes.clone(),
        Content::Blob(..) => panic!("{path} is a package"),
    }
}

fn control((name, version, architecture, depends): &Wanted<'_>) -> String {
    let depends = if depends.is_empty() { String::new() } else { format!("Depends: {depends}\n") };
    format!(
        "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n{depends}\
         Maintainer: Nobody <nobody@example.com>\nDescription: stands in for a package\n"
    )
}

/// The stanza of an index.
pub fn stanza(wanted: &Wanted<'_>, deb: &[u8]) -> String {
    stanza_of(&control(wanted), deb)
}

fn stanza_of(control: &str, deb: &[u8]) -> String {
    let (size, digest) = (deb.len(), Digest::of(deb).hex());
    let name = field(control, "Package");
    format!("{control}Filename: pool/{name}.deb\nSize: {size}\nSHA256: {digest}\n\n")
}

/// The `.deb` of a package.
pub fn deb(wanted: &Wanted<'_>) -> Vec<u8> {
    described(&control(wanted), wanted.0, wanted.1)
}

/// A `.deb` with this control file and one file of data (deb(5)), uncompressed so that its bytes depend on nothing
/// else.
pub fn described(control: &str, name: &str, content: &str) -> Vec<u8> {
    let control = tar("./control", control.as_bytes());
    let data = tar(&format!("./usr/share/{name}"), format!("{content}\n").as_bytes());
    let mut archive = b"!<arch>\n".to_vec();
    for (name, content) in
        [("debian-binary", b"2.0\n".as_slice()), ("control.tar", &control), ("data.tar", &data)]
    {
        let header = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, "100644", content.len());
        archive.extend_from_slice(header.as_bytes());
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(2), b'\n');
    }
    archive
}

fn tar(path: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = ustar::header(path, content.len() as u64).to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512) + 1024, 0);
    bytes
}
