//! A site: SSH servers on loopback ports, each of them a host, and the configuration of a client that may log in.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Everything of one test.
pub struct Site {
    pub directory: TempDir,
}

/// An SSH server; it ends when this is dropped.
pub struct Server {
    pub port: u16,
    pub fingerprint: String,
    pub child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether these tests can run here; says why not.
pub fn is_possible() -> bool {
    let reason = match () {
        () if !rustix::process::geteuid().is_root() => "only root can start an SSH server for another user",
        () if !Path::new("/usr/sbin/sshd").exists() => "openssh-server is not installed",
        () => return true,
    };
    eprintln!("SKIPPED: {reason}");
    false
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

impl Site {
    pub fn new() -> Site {
        let site = Site { directory: tempfile::tempdir().unwrap() };
        fs_err::create_dir_all("/run/sshd").unwrap();
        let home = site.path("home");
        fs_err::create_dir(&home).unwrap();
        for directory in [site.directory.path(), &home] {
            fs_err::set_permissions(directory, std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
        }
        site.key("key");
        fs_err::copy(site.path("key.pub"), site.path("authorized")).unwrap();
        let known = site.path("known_hosts");
        fs_err::write(&known, "").unwrap();
        let config = format!(
            "Host *\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\n  IdentityAgent none\n",
            known.display()
        );
        fs_err::write(site.path("ssh_config"), config).unwrap();
        site
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub fn key(&self, name: &str) {
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", &self.text(name)]);
    }

    pub fn server(&self) -> Server {
        self.server_at(free_port(), "")
    }

    /// A server with a new key and further lines of sshd_config(5).
    pub fn server_at(&self, port: u16, more: &str) -> Server {
        let key = format!("host-{port}");
        let _ = fs_err::remove_file(self.path(&key));
        self.key(&key);
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\n\
             PasswordAuthentication no\nSetEnv HOME={}\n{more}\n",
            self.text(&key),
            self.text("authorized"),
            self.text("home"),
        );
        let file = self.path(&format!("sshd-{port}"));
        fs_err::write(&file, config).unwrap();
        let mut sshd = Command::new("/usr/sbin/sshd");
        sshd.args(["-D", "-e", "-f"]).arg(&file).stderr(Stdio::piped()).stdin(Stdio::null());
        let mut child = sshd.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let listens = lines.by_ref().map_while(Result::ok).any(|line| line.contains("Server listening"));
        assert!(listens, "sshd does not start");
        // It must not find its pipe closed.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let printed = run("ssh-keygen", &["-lf", &format!("{}.pub", self.text(&key))]);
        let fingerprint = printed.split_whitespace().nth(1).unwrap().to_owned();
        Server { port, fingerprint, child }
    }

    pub fn trust(&self, server: &Server) {
        let key = fs_err::read_to_string(self.path(&format!("host-{}.pub", server.port))).unwrap();
        let line = format!("[127.0.0.1]:{} {key}", server.port);
        let known = fs_err::read_to_string(self.path("known_hosts")).unwrap();
        fs_err::write(self.path("known_hosts"), known + &line).unwrap();
    }

    /// Writes the inventory: hosts of this machine, each with a port and further lines.
    pub fn inventory(&self, hosts: &[(&str, u16, &str)]) {
        let mut text = "apiVersion: airlock/v1\nkind: Cluster\nservers:\n".to_owned();
        for (number, (name, port, more)) in hosts.iter().enumerate() {
            if number == 1 {
                text += "agents:\n";
            }
            text += &format!("  - name: {name}\n    host: 127.0.0.1\n    port: {port}\n");
            if !more.contains("user:") {
                text += "    user: root\n";
            }
            if !more.contains("identityFile:") {
                text += &format!("    identityFile: {}\n", self.text("key"));
            }
            for line in more.lines() {
                text += &format!("    {line}\n");
            }
        }
        fs_err::write(self.path("cluster.yaml"), text).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_airlock"));
        command.args(["--json", "cluster"]).args(arguments).arg("-i").arg(self.path("cluster.yaml"));
        command
            .arg("--ssh-config")
            .arg(self.path("ssh_config"))
            .env("XDG_RUNTIME_DIR", self.directory.path());
        command
    }

    /// `airlock cluster ping`: its exit status, and the rows by name.
    pub fn ping(&self, more: &[&str]) -> (i32, Vec<Value>, Output) {
        let output = self.command(&[&["ping"], more].concat()).output().unwrap();
        let rows = serde_json::from_slice(&output.stdout);
        let rows =
            rows.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap(), rows, output)
    }

    pub fn has_no_connection_left(&self) -> bool {
        let names = fs_err::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.into_iter().all(|name| !name.to_str().unwrap().starts_with("airlock-ssh"))
    }
}

pub fn code(row: &Value) -> &str {
    row["error"]["code"].as_str().unwrap_or("none")
}
