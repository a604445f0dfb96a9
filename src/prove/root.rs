//! The root that a proof installs into: exactly the packages of a baseline, from the same indices as the bundle.
//!
//! They are put into a repository of their own, signed by a key that exists for this moment only, from which
//! mmdebstrap makes the root. It cannot take anything from elsewhere: there is no network where it runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fs_err as fs;
use jiff::Timestamp;
use ssh_key::rand_core::{OsRng, RngCore};

use super::sandbox::{self, Finished};
use super::tree::{self, Bytes, File};
use crate::bundle::manifest::apt::KEYRING;
use crate::debian::apt_get::Invocation;
use crate::debian::openpgp::SigningKey;
use crate::debian::repository::{self, Content, Description, Offered};
use crate::debian::transcript;
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;
use crate::secret::Secret;

/// Keeps services from being started (invoke-rc.d(8), "INIT SCRIPT POLICY"): 101 forbids the action.
const NO_SERVICES: &str = "#!/bin/sh\nexit 101\n";
/// How many differences of a root are listed.
const LISTED: usize = 10;
/// What programs that make and look at the root have in their environment.
const ENVIRONMENT: &[(&str, &str)] = &[("DEBIAN_FRONTEND", "noninteractive"), ("LC_ALL", "C.UTF-8")];

/// What a root is made of.
#[derive(Clone, Debug)]
pub struct Root {
    repository: Vec<File>,
    /// Names and versions.
    packages: BTreeSet<(String, String)>,
}

impl Root {
    /// A root of these packages, whose `.deb`s are where `blob` says.
    ///
    /// # Errors
    /// Those of [`repository::write`].
    pub fn new(packages: &[Offered<'_>], blob: impl Fn(&Digest) -> PathBuf) -> Result<Root> {
        let mut seed = [0; 32];
        OsRng.fill_bytes(&mut seed);
        let key = SigningKey::from_seed(&Secret::new(seed), "airlock proof")?;
        let description = Description {
            origin: "Airlock",
            label: "Airlock proof",
            suite: "proof",
            codename: "proof",
            date: Timestamp::UNIX_EPOCH,
        };
        let mut files = vec![(KEYRING.to_owned(), Bytes::Here(key.armored_keyring()?.into_bytes()))];
        for file in repository::write(packages, &description, &key)? {
            files.push((
                file.path,
                match file.content {
                    Content::Bytes(bytes) => Bytes::Here(bytes),
                    Content::Blob(digest, _) => Bytes::At(blob(&digest)),
                },
            ));
        }
        let name = |offered: &Offered<'_>| {
            (offered.package.name.to_owned(), offered.package.version.as_str().to_owned())
        };
        Ok(Root { repository: files, packages: packages.iter().map(name).collect() })
    }

    /// Bytes of the repository it is made from.
    pub(super) fn size(&self) -> u64 {
        tree::size(&self.repository)
    }

    /// Makes it in the directory `root`, with `workspace` for what is needed meanwhile.
    ///
    /// # Errors
    /// `E0873` if mmdebstrap fails, or if something else than the packages is installed afterwards.
    pub(super) async fn make(&self, platform: Platform, workspace: &Path, root: &Path) -> Result<()> {
        let repository = workspace.join("baseline");
        tree::lay(&self.repository, &repository).map_err(cannot_write)?;
        let finished = sandbox::run(&self.mmdebstrap(platform, &repository, root), None).await?;
        if !finished.succeeded {
            return Err(failed("mmdebstrap cannot make a root of the packages of the baseline", &finished));
        }
        fs::remove_dir_all(repository).map_err(cannot_write)?;
        fs::write(root.join("usr/sbin/policy-rc.d"), NO_SERVICES).map_err(cannot_write)?;
        make_executable(&root.join("usr/sbin/policy-rc.d")).map_err(cannot_write)?;
        self.compare(&sandbox::run(&installed(), Some(root)).await?)
    }

    fn mmdebstrap(&self, platform: Platform, repository: &Path, root: &Path) -> Invocation {
        let names: Vec<&str> = self.packages.iter().map(|(name, _)| name.as_str()).collect();
        let at = repository.display();
        let mut arguments = vec![
            "--quiet".to_owned(),
            "--mode=root".to_owned(),
            "--variant=apt".to_owned(),
            "--format=directory".to_owned(),
            // Nobody needs the root after a power cut, and without syncs both it and the trial are much quicker.
            "--dpkgopt=force-unsafe-io".to_owned(),
            format!("--architectures={}", platform.architecture()),
            format!("--include={}", names.join(",")),
        ];
        if names.contains(&"usr-is-merged") && !names.contains(&"usrmerge") {
            // Without usrmerge nobody else moves /bin and its like below /usr.
            arguments.push("--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr".to_owned());
        }
        let source = format!("deb [signed-by={at}/{KEYRING} check-date=no] copy:{at} ./");
        arguments.extend(["proof".to_owned(), root.display().to_string(), source]);
        Invocation { program: "mmdebstrap", arguments, environment: ENVIRONMENT }
    }

    /// The root must be what was assumed when the bundle was made, or the proof would prove something else.
    fn compare(&self, found: &Finished) -> Result<()> {
        let line =
            |line: &str| line.split_once(' ').map(|(name, version)| (name.to_owned(), version.to_owned()));
        let found: BTreeSet<_> = found.output.lines().filter_map(line).collect();
        let missing =
            self.packages.difference(&found).map(|(name, version)| format!("{name} {version} is missing"));
        let besides = found
            .difference(&self.packages)
            .map(|(name, version)| format!("{name} {version} is there besides"));
        let differences: Vec<String> = missing.chain(besides).collect();
        if differences.is_empty() {
            return Ok(());
        }
        let message = format!("the root differs from the baseline in {} packages", differences.len());
        let error = Error::new(codes::PROVE_ROOT, message).with_help(
            "choose the baseline `essential`, or take the status of a node: `baseline: {status: FILE}`",
        );
        Err(differences.into_iter().take(LISTED).fold(error, Error::with_detail))
    }
}

/// Lists what is installed.
fn installed() -> Invocation {
    let arguments = ["--show", "--showformat=${Package} ${Version}\\n"].map(str::to_owned).to_vec();
    Invocation { program: "dpkg-query", arguments, environment: ENVIRONMENT }
}

fn make_executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

fn failed(message: &str, finished: &Finished) -> Error {
    let error = Error::new(codes::PROVE_ROOT, message).with_help(
        "it needs a local disk with devices and programs allowed (`mount` shows nodev, noexec): `--cache-dir DIR`",
    );
    transcript::last_lines(&finished.output).into_iter().fold(error, Error::with_detail)
}

pub(super) fn cannot_write(error: std::io::Error) -> Error {
    Error::new(codes::PROVE_ROOT, "the root for the proof cannot be written")
        .with_source(error)
        .with_help("free some space, or choose another disk with `--cache-dir DIR`")
}
