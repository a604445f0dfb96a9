//! A real containerd on a node, that of Debian, with the `hosts.toml` that k3s has made for its own.

use std::path::Path;
use std::process::{Child, Stdio};

use fs_err as fs;

use crate::lab::node::Node;
use crate::roots;

/// Where it lies on the node: in memory, so that nothing of it stays on the disk.
const DIRECTORY: &str = "/run/containerd-of-debian";
/// What k3s tells its containerd about registries.
const HOSTS: &str = "/var/lib/rancher/k3s/agent/etc/containerd/certs.d";
const CONFIGURATION: &str = "version = 2\nroot = \"DIRECTORY/root\"\nstate = \"DIRECTORY/state\"\n\
    disabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.internal.v1.opt\"]\n\
    [grpc]\naddress = \"DIRECTORY/socket\"\n";

/// A running containerd.
pub struct Containerd<'a> {
    node: &'a Node,
    process: Child,
}

impl Containerd<'_> {
    /// Starts one on a node. `None`, loudly, where it cannot be had.
    pub fn start(node: &Node) -> Option<Containerd<'_>> {
        let root = roots::root_with("containerd-bookworm", "bookworm", &["containerd"])?;
        for program in ["containerd", "ctr"] {
            let from = root.join("usr/bin").join(program);
            node.copy_in(&from, &format!("{DIRECTORY}/{program}")).unwrap();
        }
        let local = tempfile::NamedTempFile::new().unwrap();
        fs::write(local.path(), CONFIGURATION.replace("DIRECTORY", DIRECTORY)).unwrap();
        let configuration = format!("{DIRECTORY}/config.toml");
        node.copy_in(local.path(), &configuration).unwrap();
        let log = fs::File::create(local.path()).unwrap().into_file();
        let mut command =
            node.command(&[&format!("{DIRECTORY}/containerd"), "--config", &configuration]).unwrap();
        let process = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut containerd = Containerd { node, process };
        containerd.wait(local.path());
        Some(containerd)
    }

    fn wait(&mut self, log: &Path) {
        while self.ctr(&["version"]).is_err() {
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "{}", fs::read_to_string(log).unwrap());
        }
    }

    /// Pulls an image by its own name; gives the digest that it has here.
    pub fn pull(&self, image: &str) -> String {
        self.ctr(&["images", "pull", "--hosts-dir", HOSTS, "--snapshotter", "native", image]).unwrap();
        let listed = self.ctr(&["images", "ls", &format!("name=={image}")]).unwrap();
        let digest = listed.split_whitespace().find(|word| word.starts_with("sha256:"));
        digest.unwrap_or_else(|| panic!("{listed}")).to_owned()
    }

    fn ctr(&self, arguments: &[&str]) -> crate::lab::Result<String> {
        let (ctr, socket) = (format!("{DIRECTORY}/ctr"), format!("{DIRECTORY}/socket"));
        self.node.succeed(&[&[&ctr, "--address", &socket], arguments].concat())
    }
}

impl Drop for Containerd<'_> {
    fn drop(&mut self) {
        // It ends with its process on the node; what is killed here is the way in.
        let _ = self.node.run(&["pkill", "--full", &format!("{DIRECTORY}/containerd ")]);
        let _ = self.process.wait();
        let _ = self.node.run(&["rm", "-r", DIRECTORY]);
    }
}
