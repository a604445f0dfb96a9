//! The key by which a node is known to whoever comes by SSH: an Ed25519 key in the files of OpenSSH (sshd(8)).

use std::path::{Path, PathBuf};

use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey};

use super::Result;

/// Where sshd has it, in the root of a node.
const FILE: &str = "etc/ssh/ssh_host_ed25519_key";

/// Makes a new key for the node with this root; the old one is lost.
pub fn make(root: &Path) -> Result<()> {
    write(&root.join(FILE), "host")
}

/// The public half.
pub fn public(root: &Path) -> Result<PublicKey> {
    Ok(PublicKey::read_openssh_file(&public_file(&root.join(FILE)))?)
}

/// `SHA256:…`, as `ssh` shows it at the first contact.
pub fn fingerprint(root: &Path) -> Result<String> {
    Ok(public(root)?.fingerprint(HashAlg::Sha256).to_string())
}

/// Makes a key without a passphrase in `file`, readable by its owner alone, and its public half in `file.pub`.
pub fn write(file: &Path, comment: &str) -> Result<()> {
    let mut key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519)?;
    key.set_comment(comment);
    key.write_openssh_file(file, LineEnding::LF)?;
    Ok(key.public_key().write_openssh_file(&public_file(file))?)
}

fn public_file(private: &Path) -> PathBuf {
    private.with_added_extension("pub")
}
