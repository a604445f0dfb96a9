//! A stand-in for systemd and the programs that steps call. It starts the real registry in this process, at the
//! port and with the files that the units say.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex};

use airlock::error::Result;
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
use super::disk::Disk;
use super::gpu;
use super::programs::{self, well};

/// Where systemd remembers what runs, until the machine is switched off, and what is enabled.
const ACTIVE: &str = "/run/systemd/active";
const ENABLED: &str = "/state/enabled";

/// The id of the last process; none is given twice.
const LAST_PROCESS: &str = "/state/process";

/// The service that this process is itself.
const REGISTRY: &str = "airlock-registry.service";

/// Files that k3s, its kubelet and its network plugins make.
const K3S_FILES: [&str; 9] = [
    "/etc/rancher/k3s/k3s.yaml",
    "/etc/rancher/node/password",
    "/run/k3s/containerd/containerd.toml",
    "/usr/libexec/kubernetes/kubelet-plugins/volume/exec/of-the-kubelet",
    "/var/lib/cni/networks/cbr0/last_reserved_ip.0",
    "/var/lib/kubelet/pods/1/etc-hosts",
    programs::UNPACKED,
    "/var/lib/rancher/k3s/agent/kubelet.kubeconfig",
    "/var/lib/rancher/k3s/server/db/state.db",
];

/// Programs of a machine whose files lie below a directory.
pub struct Systemd {
    disk: Disk,
    runtime: Runtime,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    registry: Option<Serving>,
    calls: Vec<String>,
    jobs: BTreeMap<String, Job>,
}

/// A restart that nobody waits for: whoever asks at once meets the process of before, and then none.
enum Job {
    Queued,
    Begun,
}

/// The registry as it runs: what stops it, its end, and where it listens.
type Serving = (oneshot::Sender<()>, tokio::task::JoinHandle<()>, ListeningSocket);

/// A copy of the socket that the registry listens at, which frees the port when the registry has ended.
///
/// That everybody closes the socket is not enough: programs that other tests start at this moment have it as well, between
/// fork(2) and execve(2), and whoever listens at the port next would be refused.
struct ListeningSocket(OwnedFd);

impl Drop for ListeningSocket {
    fn drop(&mut self) {
        let _ = rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both);
    }
}

impl Systemd {
    /// That of a machine as it is: what ran goes on running, as after a kill of whoever has started it.
    pub fn new(root: &Path) -> Systemd {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        let systemd = Systemd { disk: Disk(root.to_owned()), runtime, state: Mutex::default() };
        if systemd.active().unwrap().contains_key(REGISTRY) {
            systemd.state.lock().unwrap().registry = Some(systemd.serve().unwrap());
        }
        systemd
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
        self.stop(&mut self.state.lock().unwrap(), name).unwrap();
    }

    /// Ends everything at once, as a power cut does.
    pub fn cut_power(&self) {
        self.active().unwrap().keys().for_each(|name| self.kill(name));
    }

    /// Process ids of active units.
    fn active(&self) -> io::Result<BTreeMap<String, u32>> {
        let text = self.disk.read(ACTIVE)?;
        let pair =
            |line: &str| Some((line.split_once(' ')?.0.to_owned(), line.split_once(' ')?.1.parse().ok()?));
        Ok(text.lines().filter_map(pair).collect())
    }

    fn set_active(&self, active: &BTreeMap<String, u32>) -> io::Result<()> {
        let text: String = active.iter().map(|(name, pid)| format!("{name} {pid}\n")).collect();
        self.disk.write(ACTIVE, &text)
    }

    fn enabled(&self) -> io::Result<BTreeSet<String>> {
        Ok(self.disk.read(ENABLED)?.lines().map(str::to_owned).collect())
    }

    fn set_enabled(&self, enabled: &BTreeSet<String>) -> io::Result<()> {
        self.disk.write(ENABLED, &enabled.iter().map(|name| format!("{name}\n")).collect::<String>())
    }

    /// The text of a unit, of the administrator or of a package, with what we add to it.
    fn unit(&self, name: &str) -> io::Result<Option<String>> {
        let added = self.disk.read(&format!("/etc/systemd/system/{name}.d/airlock.conf"))?;
        for directory in ["/etc/systemd/system", "/usr/lib/systemd/system"] {
            let path = format!("{directory}/{name}");
            if self.disk.has(&path) {
                return self.disk.read(&path).map(|text| Some(text + &added));
            }
        }
        Ok(None)
    }

    fn systemctl(&self, state: &mut State, arguments: &[&str]) -> io::Result<Finished> {
        let names: Vec<&str> = arguments[1..].iter().filter(|word| !word.starts_with('-')).copied().collect();
        match arguments[0] {
            "show" => {
                let name = arguments[arguments.len() - 1];
                return self.show_restarting(state, name).map(|shown| well(&shown));
            }
            "enable" | "disable" => {
                let mut enabled = self.enabled()?;
                for name in &names {
                    let _ = match arguments[0] {
                        "enable" => enabled.insert((*name).to_owned()),
                        _ => enabled.remove(*name),
                    };
                }
                self.set_enabled(&enabled)?;
                if arguments.contains(&"--now") {
                    names.iter().try_for_each(|name| self.start(state, name))?;
                }
            }
            "start" => names.iter().try_for_each(|name| self.start(state, name))?,
            "stop" => names.iter().try_for_each(|name| self.stop(state, name))?,
            "restart" if arguments.contains(&"--no-block") => {
                let active = self.active()?;
                let (running, new): (Vec<&str>, Vec<&str>) =
                    names.iter().partition(|&&name| active.contains_key(name));
                state.jobs.extend(running.iter().map(|&name| (name.to_owned(), Job::Queued)));
                new.iter().try_for_each(|name| self.start(state, name))?;
            }
            "restart" => {
                for name in names {
                    self.stop(state, name)?;
                    self.start(state, name)?;
                }
            }
            "daemon-reload" | "reset-failed" => {}
            other => panic!("systemctl {other}"),
        }
        Ok(well(""))
    }

    /// What `show` says, and then the next part of a restart that nobody waits for.
    fn show_restarting(&self, state: &mut State, name: &str) -> io::Result<String> {
        let job = state.jobs.remove(name);
        if let Some(Job::Begun) = job {
            self.stop(state, name)?;
        }
        let shown = self.show(name)?;
        match job {
            Some(Job::Queued) => drop(state.jobs.insert(name.to_owned(), Job::Begun)),
            Some(Job::Begun) => self.start(state, name)?,
            None => {}
        }
        Ok(shown)
    }

    fn stop(&self, state: &mut State, name: &str) -> io::Result<()> {
        let mut active = self.active()?;
        if let Some(pid) = active.remove(name) {
            self.disk.remove(&format!("/proc/{pid}"))?;
            self.set_active(&active)?;
        }
        if name == REGISTRY
            && let Some((stop, ended, _socket)) = state.registry.take()
        {
            let _ = stop.send(());
            let _ = self.runtime.block_on(ended);
        }
        Ok(())
    }

    fn start(&self, state: &mut State, name: &str) -> io::Result<()> {
        let unit = self.unit(name)?.unwrap_or_else(|| panic!("there is no unit {name}"));
        if name.ends_with(".socket") {
            // systemd refuses a socket without a service: "Socket service … not loaded, refusing".
            assert!(unit.contains("Service=airlock-registry.service"));
            assert!(self.unit(REGISTRY)?.is_some());
        }
        let mut active = self.active()?;
        let pid = self.disk.read(LAST_PROCESS)?.parse().map_or(1000, |last: u32| last + 1);
        self.disk.write(LAST_PROCESS, &pid.to_string())?;
        let configuration: Vec<&str> =
            unit.lines().filter_map(|line| line.strip_prefix("Environment=")).collect();
        self.disk.write(&format!("/proc/{pid}/environ"), &configuration.join("\0"))?;
        if name == REGISTRY {
            state.registry = Some(self.serve()?);
        } else if name.starts_with("k3s") {
            K3S_FILES.iter().try_for_each(|file| self.disk.write(file, "of k3s"))?;
        }
        active.insert(name.to_owned(), pid);
        self.set_active(&active)
    }

    fn show(&self, name: &str) -> io::Result<String> {
        let file = match (self.enabled()?.contains(name), self.unit(name)?) {
            (true, _) => "enabled",
            (false, Some(_)) => "disabled",
            (false, None) => "",
        };
        let (active, pid) = match self.active()?.get(name) {
            Some(pid) => ("active", *pid),
            None => ("inactive", 0),
        };
        let since = "Sat 2026-11-21 17:11:25 UTC";
        Ok(format!(
            "ActiveState={active}\nSubState=running\nUnitFileState={file}\nMainPID={pid}\nNRestarts=0\n\
             InvocationID={pid:032x}\nActiveEnterTimestamp={since}\n"
        ))
    }

    fn serve(&self) -> io::Result<Serving> {
        let unit = self.unit(REGISTRY)?.unwrap_or_default();
        let socket = self.unit("airlock-registry.socket")?.unwrap_or_default();
        let port = socket.lines().find_map(|line| line.strip_prefix("ListenStream=")).unwrap_or("0");
        let store = Store::create(&self.disk.path("var/lib/airlock/store")).map_err(io::Error::other)?;
        let medium = unit.split_once("--in-place \"").map(|(_, rest)| rest.split('"').next().unwrap());
        let medium = medium.map(|path| {
            BundleContent::new(airlock::bundle::Bundle::open(Path::new(path))?.verify(&test_policy())?)
        });
        let medium = medium.transpose().map_err(io::Error::other)?;
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
        let listener = Listener::tcp(address, Some(self.tls()?)).map_err(io::Error::other)?;
        let Listener::Tcp(socket, _) = &listener else { unreachable!("it listens at an address") };
        let socket = ListeningSocket(socket.as_fd().try_clone_to_owned()?);
        let (stop, stopped) = oneshot::channel();
        let stopped = async move { drop(stopped.await) };
        let served = server::serve(registry, vec![listener], Limits::default(), stopped);
        Ok((stop, self.runtime.spawn(served), socket))
    }

    fn tls(&self) -> io::Result<Tls> {
        let certificates = || -> Result<Tls> {
            let authority = Authority::open(&self.disk.path("var/lib/airlock/registry"))?;
            let certificates =
                Arc::new(Certificates::new(authority, vec!["localhost".to_owned()], Vec::new())?);
            Ok(Tls { acceptor: tls::acceptor(certificates.clone())?, certificates: Some(certificates) })
        };
        certificates().map_err(io::Error::other)
    }
}

/// Switches a machine off and on again: nothing runs, and its kernel is new.
pub fn boot(root: &Path) -> io::Result<()> {
    let disk = Disk(root.to_owned());
    disk.remove("/run")?;
    fs_err::create_dir_all(disk.path("/run"))?;
    let number = disk.read("/state/boots")?.len() + 1;
    disk.write("/state/boots", &"I".repeat(number))?;
    disk.write("/proc/sys/kernel/random/boot_id", &format!("boot-{number}\n"))?;
    gpu::boot(&disk)
}

impl Programs for Systemd {
    fn run(&self, call: &Call) -> io::Result<Finished> {
        let mut state = self.state.lock().unwrap();
        state.calls.push(call.to_string());
        let arguments: Vec<&str> = call.arguments().iter().map(String::as_str).collect();
        let finished = match call.program() {
            "systemctl" => self.systemctl(&mut state, &arguments),
            _ => {
                let k3s_runs = self.active()?.keys().any(|name| name.starts_with("k3s"));
                programs::run(&self.disk, call, k3s_runs)
            }
        };
        match finished {
            Err(error) if error.kind() == io::ErrorKind::NotFound && error.get_ref().is_none() => Err(error),
            // A program whose own files cannot be written says so and fails.
            Err(error) => Ok(programs::failed(&format!("{}: {error}", call.program()))),
            finished => finished,
        }
    }
}
