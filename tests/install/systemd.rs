//! A stand-in for systemd and the programs that steps call. It starts the real registry in this process, at the
//! port and with the files that the units say.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use airlock::node::machine::{Call, Finished, Programs};
use airlock::progress::Silent;
use airlock::registry::access::Access;
use airlock::registry::bundles::Shelf;
use airlock::registry::deadline::Deadlines;
use airlock::registry::limits::Limits;
use airlock::registry::listener::{Listener, Tls};
use airlock::registry::tls::{self, Authority, Certificates};
use airlock::registry::{Registry, Settings, server};
use airlock::store::{BundleContent, Content, Overlay, Store};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::bundles::test_policy;

/// Files that k3s, its kubelet and its network plugins make.
const K3S_FILES: [&str; 6] = [
    "etc/rancher/k3s/k3s.yaml",
    "etc/rancher/node/password",
    "run/k3s/containerd/containerd.toml",
    "var/lib/cni/networks/cbr0/last_reserved_ip.0",
    "var/lib/kubelet/pods/1/etc-hosts",
    "var/lib/rancher/k3s/server/db/state.db",
];

/// Programs of a machine whose files lie below a directory.
pub struct Systemd {
    root: PathBuf,
    runtime: Runtime,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Process ids of active units.
    active: BTreeMap<String, u32>,
    enabled: Vec<String>,
    /// How many units were started.
    started: u32,
    registry: Option<(oneshot::Sender<()>, tokio::task::JoinHandle<()>)>,
    calls: Vec<String>,
}

impl Systemd {
    pub fn new(root: &Path) -> Systemd {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        Systemd { root: root.to_owned(), runtime, state: Mutex::default() }
    }

    pub fn runtime(&self) -> &tokio::runtime::Handle {
        self.runtime.handle()
    }

    /// What was called so far.
    pub fn calls(&self) -> Vec<String> {
        self.state.lock().unwrap().calls.clone()
    }

    /// Ends a service, as if it had died.
    pub fn kill(&self, name: &str) {
        self.stop(&mut self.state.lock().unwrap(), name);
    }

    /// Ends everything at once, as a power cut does.
    pub fn cut_power(&self) {
        let mut state = self.state.lock().unwrap();
        let active: Vec<String> = state.active.keys().cloned().collect();
        active.iter().for_each(|name| self.stop(&mut state, name));
    }

    fn unit(&self, name: &str) -> String {
        fs_err::read_to_string(self.root.join("etc/systemd/system").join(name)).unwrap()
    }

    fn systemctl(&self, state: &mut State, arguments: &[&str]) -> String {
        let names = arguments.iter().skip(1).filter(|word| !word.starts_with('-'));
        match arguments[0] {
            "show" => return show(state, arguments.last().unwrap()),
            "enable" => state.enabled.extend(names.map(|name| (*name).to_owned())),
            "disable" => names.for_each(|name| state.enabled.retain(|enabled| enabled != name)),
            "stop" => names.for_each(|name| self.stop(state, name)),
            "restart" => names.for_each(|name| {
                self.stop(state, name);
                self.start(state, name);
            }),
            "daemon-reload" | "reset-failed" => {}
            other => panic!("systemctl {other}"),
        }
        String::new()
    }

    fn stop(&self, state: &mut State, name: &str) {
        if let Some(pid) = state.active.remove(name) {
            fs_err::remove_dir_all(self.root.join("proc").join(pid.to_string())).unwrap();
        }
        if name == "airlock-registry.service"
            && let Some((stop, served)) = state.registry.take()
        {
            let _ = stop.send(());
            let _ = self.runtime.block_on(served);
        }
    }

    fn start(&self, state: &mut State, name: &str) {
        state.started += 1;
        let pid = 1000 + state.started;
        state.active.insert(name.to_owned(), pid);
        let unit = self.unit(name);
        if name.ends_with(".socket") {
            // systemd refuses a socket without a service: "Socket service … not loaded, refusing".
            assert!(unit.contains("Service=airlock-registry.service"));
            self.unit("airlock-registry.service");
        }
        let configuration = unit.lines().filter_map(|line| line.strip_prefix("Environment="));
        let process = self.root.join("proc").join(pid.to_string());
        fs_err::create_dir_all(&process).unwrap();
        fs_err::write(process.join("environ"), configuration.collect::<Vec<_>>().join("\0")).unwrap();
        if name == "airlock-registry.service" {
            state.registry = Some(self.serve(&unit));
        } else if name.starts_with("k3s") {
            self.live();
        }
    }

    /// What k3s writes while it runs, as far as it matters here.
    fn live(&self) {
        for file in K3S_FILES {
            let path = self.root.join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, "of k3s").unwrap();
        }
    }

    fn serve(&self, unit: &str) -> (oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let socket = self.unit("airlock-registry.socket");
        let port = socket.lines().find_map(|line| line.strip_prefix("ListenStream=")).unwrap();
        let store = Store::create(&self.root.join("var/lib/airlock/store")).unwrap();
        let medium = unit.split_once("--in-place \"").map(|(_, rest)| rest.split('"').next().unwrap());
        let medium = medium.map(|path| {
            let bundle = airlock::bundle::Bundle::open(Path::new(path)).unwrap();
            BundleContent::new(bundle.verify(&test_policy()).unwrap()).unwrap()
        });
        let bundles: Vec<_> = medium.iter().map(|medium| medium.bundle().clone()).collect();
        let bundles = Shelf::new(&bundles, Some(store.clone()));
        let mut layers: Vec<Arc<dyn Content>> = vec![Arc::new(store.clone())];
        layers.extend(medium.map(|medium| Arc::new(medium) as Arc<dyn Content>));
        let registry = Registry::new(Settings {
            content: Arc::new(Overlay::new(layers)),
            store: Some(store),
            upstream: None,
            bundles,
            access: Access::new(&[], true).unwrap(),
            allow_delete: false,
            deadlines: Deadlines::default(),
            progress: Arc::new(Silent),
        });
        let _inside = self.runtime.enter();
        let address = ([127, 0, 0, 1], port.parse().unwrap()).into();
        let listener = Listener::tcp(address, Some(self.tls())).unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async move { drop(stopped.await) };
        (stop, self.runtime.spawn(server::serve(registry, vec![listener], Limits::default(), stopped)))
    }

    fn tls(&self) -> Tls {
        let authority = Authority::open(&self.root.join("var/lib/airlock/registry")).unwrap();
        let certificates = Certificates::new(authority, vec!["localhost".to_owned()], Vec::new()).unwrap();
        let certificates = Arc::new(certificates);
        Tls { acceptor: tls::acceptor(certificates.clone()).unwrap(), certificates: Some(certificates) }
    }
}

fn show(state: &State, name: &str) -> String {
    let file = if state.enabled.iter().any(|unit| unit == name) { "enabled" } else { "disabled" };
    let (active, pid) = match state.active.get(name) {
        Some(pid) => ("active", *pid),
        None => ("inactive", 0),
    };
    format!(
        "ActiveState={active}\nSubState=running\nUnitFileState={file}\nMainPID={pid}\nNRestarts=0\n\
             ActiveEnterTimestamp=Sat 2026-11-21 17:11:25 UTC\n"
    )
}

impl Programs for Systemd {
    fn run(&self, call: &Call) -> io::Result<Finished> {
        let mut state = self.state.lock().unwrap();
        state.calls.push(call.to_string());
        let arguments: Vec<&str> = call.arguments().iter().map(String::as_str).collect();
        let output = match call.program() {
            "systemctl" => self.systemctl(&mut state, &arguments),
            "journalctl" => String::new(),
            "/usr/local/bin/k3s" if state.active.keys().any(|name| name.starts_with("k3s")) => {
                r#"{"status": {"conditions": [{"type": "Ready", "status": "True"}]}}"#.to_owned()
            }
            "/usr/local/bin/k3s" => {
                return Ok(Finished {
                    status: Some(1),
                    errors: "no server".to_owned(),
                    output: String::new(),
                });
            }
            _ => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Finished { status: Some(0), output, errors: String::new() })
    }
}
