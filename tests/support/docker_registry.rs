//! Debian's docker-registry on a free port, ended with the test.
#![allow(dead_code, reason = "every test program uses another part of it")]

use std::process::{Child, Command, Stdio};

/// A running registry with an empty store.
pub struct DockerRegistry {
    process: Child,
    /// `HOST:PORT`.
    pub address: String,
    _directory: tempfile::TempDir,
}

impl DockerRegistry {
    /// Starts it; nothing, loudly, where it is not installed.
    pub fn start() -> Option<DockerRegistry> {
        DockerRegistry::start_for("")
    }

    /// Starts it for these users, given as htpasswd(1) writes them (bcrypt); without any for everybody.
    pub fn start_for(users: &str) -> Option<DockerRegistry> {
        let directory = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let mut configuration = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\nhttp:\n  addr: {address}\nlog:\n  level: error\n",
            directory.path().join("store").display()
        );
        if !users.is_empty() {
            let file = directory.path().join("users");
            fs_err::write(&file, users).unwrap();
            configuration += &format!("auth:\n  htpasswd:\n    realm: lab\n    path: {}\n", file.display());
        }
        let file = directory.path().join("registry.yml");
        fs_err::write(&file, configuration).unwrap();
        let mut command = Command::new("docker-registry");
        let spawned = command.arg("serve").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(mut process) = spawned else {
            eprintln!("SKIPPED: docker-registry is not installed");
            return None;
        };
        while std::net::TcpStream::connect(&address).is_err() {
            assert!(process.try_wait().unwrap().is_none(), "docker-registry ended at once");
            std::thread::yield_now();
        }
        Some(DockerRegistry { process, address, _directory: directory })
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
