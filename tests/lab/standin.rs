//! Puts the stand-in for k3s on nodes, with the unit that the installer of k3s writes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use fs_err as fs;

use crate::lab::node::Node;
use crate::samples;

/// The token of the clusters here, in its short form.
pub const TOKEN: &str = "password-of-the-lab";

/// A server or an agent on a node.
pub struct Standin<'a> {
    pub node: &'a Node,
    unit: &'static str,
}

/// A server with this configuration; not started yet.
pub fn server<'a>(node: &'a Node, configuration: &str) -> Standin<'a> {
    install(node, "server", "k3s", configuration)
}

/// An agent with this configuration; not started yet.
pub fn agent<'a>(node: &'a Node, configuration: &str) -> Standin<'a> {
    install(node, "agent", "k3s-agent", configuration)
}

/// What every configuration here has: there is no default route by which k3s could find the address.
pub fn address(node: &Node) -> String {
    format!("node-ip: {}\n", node.address())
}

/// The configuration of an agent that joins `server`.
pub fn joining(node: &Node, server: &Node, token: &str) -> String {
    format!("{}server: https://{}:6443\ntoken: \"{token}\"\n", address(node), server.address())
}

fn install<'a>(node: &'a Node, role: &str, unit: &'static str, configuration: &str) -> Standin<'a> {
    node.copy_in(&program(), "/usr/local/bin/k3s").unwrap();
    let text = format!(
        "[Unit]\nWants=network-online.target\nAfter=network-online.target\n[Install]\nWantedBy=multi-user.target\n\
         [Service]\nType=notify\nEnvironmentFile=-/etc/systemd/system/%N.service.env\nKillMode=process\n\
         Delegate=yes\nTimeoutStartSec=0\nRestart=always\nRestartSec=5s\nExecStart=/usr/local/bin/k3s {role}\n"
    );
    write(node, &format!("/etc/systemd/system/{unit}.service"), &text);
    write(node, "/etc/rancher/k3s/config.yaml", configuration);
    node.systemctl(&["daemon-reload"]).unwrap();
    Standin { node, unit }
}

impl Standin<'_> {
    /// Starts it and waits until it is ready.
    pub fn start(&self) {
        if let Err(error) = self.node.succeed(&["timeout", "60", "systemctl", "start", self.unit]) {
            self.give_up(&*error);
        }
    }

    /// Starts it with another configuration, waits until it says this, and stops it. Returns what it said.
    pub fn says(&self, configuration: &str, fragment: &str) -> String {
        write(self.node, "/etc/rancher/k3s/config.yaml", configuration);
        self.node.systemctl(&["start", "--no-block", self.unit]).unwrap();
        let line = self.node.wait_for_log(self.unit, fragment, std::time::Duration::from_secs(30)).unwrap();
        self.stop();
        line
    }

    pub fn stop(&self) {
        self.node.systemctl(&["stop", self.unit]).unwrap();
    }

    /// Replaces the program as an installer does, without a moment in which there is none. What runs goes on.
    pub fn replace_program(&self, program: &Path) {
        self.node.copy_in(program, "/usr/local/bin/.k3s.new").unwrap();
        self.node.succeed(&["mv", "/usr/local/bin/.k3s.new", "/usr/local/bin/k3s"]).unwrap();
    }

    /// Stops and starts it, and waits until it is ready.
    pub fn restart(&self) {
        self.stop();
        self.start();
    }

    /// Variables in the environment of the service.
    pub fn set_environment(&self, lines: &str) {
        write(self.node, &format!("/etc/systemd/system/{}.service.env", self.unit), lines);
    }

    /// A file below `/var/lib/rancher/k3s/server`, without the end of its line.
    pub fn server_file(&self, name: &str) -> String {
        let path = format!("/var/lib/rancher/k3s/server/{name}");
        self.node.succeed(&["cat", &path]).unwrap().trim_end().to_owned()
    }

    /// `k3s kubectl` with these words, which has to succeed.
    pub fn kubectl(&self, words: &[&str]) -> String {
        self.node.succeed(&[&["k3s", "kubectl"], words].concat()).unwrap()
    }

    /// Waits until a line of shell succeeds. Shows what the stand-in has logged if it does not.
    pub fn until(&self, condition: &str) {
        let line = format!("until {condition}; do sleep 0.2; done");
        if let Err(error) = self.node.succeed(&["timeout", "40", "bash", "-c", &line]) {
            self.give_up(&*error);
        }
    }

    fn give_up(&self, error: &dyn std::error::Error) -> ! {
        let journal = self.node.journal(self.unit).unwrap_or_default();
        panic!("{error}\n{} has logged:\n{journal}", self.unit);
    }
}

/// Writes a file on a node, as its administrator does.
pub fn write(node: &Node, path: &str, text: &str) {
    let local = tempfile::NamedTempFile::new().unwrap();
    fs::write(local.path(), text).unwrap();
    node.copy_in(local.path(), path).unwrap();
}

/// The program as another release of k3s: a copy in this directory, whose last line names it.
pub fn program_of(release: &str, directory: &Path) -> PathBuf {
    let copy = directory.join(format!("k3s-{release}"));
    fs::copy(program(), &copy).unwrap();
    let named = samples::releases::stand_in(&fs::read(&copy).unwrap(), release, std::env::consts::ARCH);
    fs::write(&copy, named).unwrap();
    copy
}

/// The program without what debuggers want, built where it is missing or old: `cargo test --test lab` alone does not
/// build it.
pub fn program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--example", "k3s-standin"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(cargo.status().unwrap().success());
        // Tests are in `deps`, beside the directory of the examples.
        let own = std::env::current_exe().unwrap();
        let built = own.parent().unwrap().with_file_name("examples").join("k3s-standin");
        let stripped = Path::new(env!("CARGO_TARGET_TMPDIR")).join("k3s-standin");
        let changed = |file: &Path| fs::metadata(file).and_then(|metadata| metadata.modified()).ok();
        if changed(&stripped) < changed(&built) {
            strip(&built, &stripped);
        }
        stripped
    };
    PROGRAM.get_or_init(build).clone()
}

/// A copy without what debuggers want, which is most of a program that was not built for others.
pub fn strip(program: &Path, to: &Path) {
    // Others may do the same at the same time.
    let partial = to.with_added_extension(std::process::id().to_string());
    let mut strip = Command::new("strip");
    assert!(strip.arg("--strip-all").arg("-o").arg(&partial).arg(program).status().unwrap().success());
    fs::rename(partial, to).unwrap();
}
