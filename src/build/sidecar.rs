//! The small files beside the volumes: the list for `sha256sum`, and a page for whoever finds the stick.

use std::fmt::Write as _;

use crate::bundle::manifest::Manifest;
use crate::oci::digest::Digest;

/// A file that the list covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name beside the list.
    pub name: String,
    /// SHA-256 of its bytes.
    pub digest: Digest,
}

/// The text of `NAME-VERSION.sha256`, as `sha256sum -c` reads it.
pub fn sums(files: &[Listed]) -> String {
    files.iter().fold(String::new(), |mut text, file| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}  {}", file.digest.hex(), file.name);
        text
    })
}

/// The text of `README.txt`. `signer` is the fingerprint of the key that signed, `cut` lists the blobs that
/// lie in several pieces.
pub fn readme(manifest: &Manifest, files: &[Listed], signer: Option<&str>, cut: &[Digest]) -> String {
    let base = format!("{}-{}", manifest.name, manifest.version);
    let mut text = format!(
        "\
{} {}, channel {}, serial {}: an Airlock bundle.

It carries a Kubernetes platform to machines without internet. `install` is the airlock program that
reads it; run it only once the checks below have passed.

",
        manifest.name, manifest.version, manifest.channel, manifest.serial
    );
    text.push_str(&verification(&base, signer));
    text.push_str(INSTALLATION);
    text.push_str(&extraction(&base, files, cut));
    text
}

/// A stick that is mounted `noexec` cannot say so itself.
const INSTALLATION: &str = "\
Then, to make a machine a node of a cluster:

    sudo ./install

If it says `Permission denied`, programs cannot be run from this medium; copy this one first:

    sudo cp install /usr/local/bin/airlock
    sudo airlock install .

";

fn verification(base: &str, signer: Option<&str>) -> String {
    let Some(signer) = signer else {
        return format!(
            "\
THIS BUNDLE IS NOT SIGNED. Nothing proves who made it. `sha256sum -c {base}.sha256` finds
damage, but no forgery.

"
        );
    };
    format!(
        "\
Verify it with what every server has. `allowed_signers` is YOUR list of trusted keys, never one
that came with the stick; the key that signed this bundle has the fingerprint
{signer}.

    ssh-keygen -Y find-principals -f allowed_signers -s {base}.sha256.sig
    ssh-keygen -Y verify -f allowed_signers -I NAME_FROM_ABOVE -n airlock.sha256.v1 \\
        -s {base}.sha256.sig < {base}.sha256
    sha256sum -c {base}.sha256

or with Airlock, which also says what is damaged and where:

    airlock bundle verify .

"
    )
}

fn extraction(base: &str, files: &[Listed], cut: &[Digest]) -> String {
    let volumes: Vec<&str> =
        files.iter().map(|file| file.name.as_str()).filter(|name| name.ends_with(".tar")).collect();
    let mut text =
        "Nothing needs to be unpacked. If you want to look inside, the content is an OCI image layout:\n\n"
            .to_owned();
    for volume in &volumes {
        let _ = writeln!(text, "    tar -xf {volume}");
    }
    if !cut.is_empty() {
        text.push_str("\nThese blobs were cut to fit the volumes; join their pieces after unpacking:\n\n");
    }
    for digest in cut {
        let hex = digest.hex();
        let _ = writeln!(text, "    cat blobs/sha256/{hex}.0* > blobs/sha256/{hex}");
    }
    let _ = writeln!(
        text,
        "\nThe list of everything inside is manifest.json, near the beginning of {}.",
        volumes.first().unwrap_or(&base)
    );
    text
}
