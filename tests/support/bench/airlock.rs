//! Starts the program that is measured, with keys, trust and cache of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use airlock::oci::digest::{Digest, Hasher};

use super::Result;

/// The program and the directory of the measurement.
pub struct Airlock {
    program: PathBuf,
    /// Where everything is kept.
    pub output: PathBuf,
}

impl Airlock {
    /// Makes a signing key and the list of signers that trusts it, unless they are there.
    pub fn prepare(program: &Path, output: &Path) -> Result<Airlock> {
        let airlock = Airlock { program: fs_err::canonicalize(program)?, output: output.to_owned() };
        let key = output.join("signing-key");
        if !key.exists() {
            super::measure::timed(
                airlock.command(&["key", "generate", "--no-passphrase", "--output"]).arg(&key),
            )?;
        }
        let public = fs_err::read_to_string(key.with_extension("pub"))?;
        fs_err::write(output.join("allowed_signers"), format!("bench {public}"))?;
        Ok(airlock)
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// A command that neither reads nor writes anything of the user.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments);
        for (name, directory) in
            [("HOME", "home"), ("XDG_CONFIG_HOME", "config"), ("XDG_CACHE_HOME", "cache")]
        {
            command.env(name, self.output.join(directory));
        }
        command
    }

    /// `bundle build`, signed.
    pub fn build(&self, place: &Place, more: &[&str]) -> Command {
        let mut command = self.command(&["bundle", "build"]);
        command.arg(&place.spec).arg("--key").arg(self.output.join("signing-key"));
        command.arg("--cache-dir").arg(&place.cache).arg("--output").arg(&place.bundle).args(more);
        command
    }

    /// `bundle verify`, pinned to `cores` (as taskset(1) lists them) where they are given.
    pub fn verify(&self, bundle: &Path, cores: Option<&str>) -> Command {
        let plain = self.command(&["bundle", "verify"]);
        let mut command = match cores {
            None => plain,
            Some(cores) => {
                let mut pinned = Command::new("taskset");
                pinned.args(["--cpu-list", cores]).arg(plain.get_program()).args(plain.get_args());
                pinned
            }
        };
        command.arg(bundle).arg("--allowed-signers").arg(self.output.join("allowed_signers"));
        command
    }
}

/// The files of one build.
pub struct Place {
    /// `bundle.yaml`; the lock lies beside it.
    pub spec: PathBuf,
    /// The cache.
    pub cache: PathBuf,
    /// Where the bundle goes.
    pub bundle: PathBuf,
}

impl Place {
    /// A place below `directory`, emptied of what an earlier run left there.
    pub fn fresh(directory: &Path, spec: &str) -> Result<Place> {
        if directory.exists() {
            remove(directory)?;
        }
        fs_err::create_dir_all(directory)?;
        let place = Place {
            spec: directory.join("bundle.yaml"),
            cache: directory.join("cache"),
            bundle: directory.join("bundle"),
        };
        fs_err::write(&place.spec, spec)?;
        Ok(place)
    }

    /// The volumes, in order of their names.
    pub fn volumes(&self) -> Result<Vec<PathBuf>> {
        let entries: std::io::Result<Vec<PathBuf>> =
            fs_err::read_dir(&self.bundle)?.map(|entry| Ok(entry?.path())).collect();
        let mut volumes = entries?;
        volumes.retain(|path| path.extension().is_some_and(|extension| extension == "tar"));
        volumes.sort();
        Ok(volumes)
    }

    /// Digests of all volumes.
    pub fn digests(&self) -> Result<Vec<Digest>> {
        self.volumes()?.iter().map(|volume| digest(volume)).collect()
    }
}

fn digest(path: &Path) -> Result<Digest> {
    use std::io::Read as _;
    let (mut file, mut hasher, mut buffer) = (fs_err::File::open(path)?, Hasher::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            length => hasher.update(&buffer[..length]),
        }
    }
}

/// Removes a directory of ours, made below the output directory of the measurement.
pub fn remove(directory: &Path) -> Result<()> {
    let status = Command::new("rm").arg("--recursive").arg("--one-file-system").arg(directory).status()?;
    if status.success() { Ok(()) } else { Err(format!("cannot remove {}", directory.display()).into()) }
}

/// The text of a `bundle.yaml`. `upstream` answers for docker.io.
pub fn spec(upstream: &str, images: &[String], files: &[(PathBuf, &str)]) -> String {
    let mut spec = String::from("apiVersion: airlock/v1\nkind: Bundle\nname: bench\nversion: \"1\"\n");
    spec += "platforms: [linux/amd64]\n";
    spec += &format!("registries:\n  docker.io:\n    mirrors: [\"{upstream}\"]\n");
    if !images.is_empty() {
        spec += "images:\n";
        spec.extend(images.iter().map(|image| format!("  - {image}\n")));
    }
    if !files.is_empty() {
        spec += "files:\n";
        spec.extend(files.iter().map(|(path, to)| format!("  - path: {}\n    to: {to}\n", path.display())));
    }
    spec
}
