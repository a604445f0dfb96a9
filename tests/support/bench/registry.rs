//! Debian's `docker-registry` on a free loopback port, filled by skopeo.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Result;
use super::corpus::{names, succeed};

/// A running registry; it ends with this value.
pub struct Registry {
    process: Child,
    /// `127.0.0.1:PORT`.
    pub address: String,
}

impl Registry {
    /// Starts it with its storage below `directory`, and fills it from the layout the first time.
    pub fn start(directory: &Path, layout: &Path) -> Result<Registry> {
        let filled = directory.join("filled");
        fs_err::create_dir_all(directory)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let configuration = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: \"{}\"}}}}\nhttp: {{addr: \"{address}\"}}\n",
            directory.join("storage").display()
        );
        let file = directory.join("config.yml");
        fs_err::write(&file, configuration)?;
        let log = fs_err::File::create(directory.join("log"))?.into_parts().0;
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let registry = Registry { process, address };
        registry.wait()?;
        if !filled.exists() {
            registry.fill(layout)?;
            fs_err::write(&filled, "")?;
        }
        Ok(registry)
    }

    // The registry says nowhere that it is ready, so it is asked until it answers.
    fn wait(&self) -> Result<()> {
        let start = Instant::now();
        while TcpStream::connect(&self.address).is_err() {
            if start.elapsed() > Duration::from_secs(20) {
                return Err("docker-registry does not start".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn fill(&self, layout: &Path) -> Result<()> {
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
        Ok(())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
