//! Debian's `docker-registry` on a free loopback port: file system driver, deletion off, no logs.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Result;
use super::corpus::{names, succeed};

/// A certificate and its key, both in PEM.
pub struct Identity {
    /// The certificate.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// A running registry; it ends with this value.
pub struct DockerRegistry {
    process: Child,
    /// `127.0.0.1:PORT`.
    pub address: String,
}

impl DockerRegistry {
    /// Starts it with its storage below `directory`, over TLS if it has an identity.
    pub fn start(directory: &Path, identity: Option<&Identity>) -> Result<DockerRegistry> {
        fs_err::create_dir_all(directory)?;
        let address = free_address()?;
        let mut configuration = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: \"{}\"}}}}\nhttp:\n  addr: \"{address}\"\n",
            directory.join("storage").display()
        );
        if let Some(Identity { certificate, key }) = identity {
            configuration += &format!(
                "  tls: {{certificate: \"{}\", key: \"{}\"}}\n",
                certificate.display(),
                key.display()
            );
        }
        let file = directory.join("config.yml");
        fs_err::write(&file, configuration)?;
        let mut serve = Command::new("docker-registry");
        serve.arg("serve").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let registry = DockerRegistry { process: serve.spawn()?, address };
        await_server(&registry.address)?;
        Ok(registry)
    }

    /// Its number as a process.
    pub fn process(&self) -> u32 {
        self.process.id()
    }

    /// Pushes the corpus, unless an earlier run has.
    pub fn fill(&self, directory: &Path, layout: &Path) -> Result<()> {
        let filled = directory.join("filled");
        if filled.exists() {
            return Ok(());
        }
        for name in names() {
            let source = format!("oci:{}:docker.io/{name}:1", layout.display());
            let target = format!("docker://{}/{name}:1", self.address);
            succeed(Command::new("skopeo").args([
                "copy",
                "--quiet",
                "--dest-tls-verify=false",
                &source,
                &target,
            ]))?;
        }
        Ok(fs_err::write(&filled, "")?)
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A loopback address that nobody listens at.
pub fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// Registries say in different ways, or not at all, that they are ready: so they are asked until they answer.
pub fn await_server(address: &str) -> Result<()> {
    let start = Instant::now();
    while TcpStream::connect(address).is_err() {
        if start.elapsed() > Duration::from_secs(20) {
            return Err(format!("nobody listens at {address}").into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
