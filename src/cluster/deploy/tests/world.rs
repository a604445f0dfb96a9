//! Hosts that are simulated.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use serde_json::{Value, json};

use crate::cluster::deploy::Carrier;
use crate::cluster::inventory::{Host, Inventory};
use crate::cluster::observe::tests::list;
use crate::cluster::remote::{Answer, Command, Connect, Remote};
use crate::cluster::survey::look::tests::facts;
use crate::cluster::transfer::Sent;
use crate::error::{Error, Result, codes};
use crate::node::agent::{Program, Request};
use crate::oci::digest::Digest;
use crate::progress::Progress;

/// What becomes of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It does what it is told.
    Work,
    /// Its k3s does not start.
    Fail,
    /// It cannot be reached.
    BeAway,
    /// It goes away while it is installed.
    Vanish,
    /// It needs a restart for its driver.
    NeedRestart,
    /// No restart is enough for it.
    NeedRestarts,
    /// Somebody stops the deployment while it is installed.
    Stop,
}

/// All hosts. Clones are the same world.
#[derive(Clone)]
pub(super) struct World(Arc<Mutex<State>>, Arc<Mutex<Option<Arc<Barrier>>>>);

#[derive(Default)]
struct State {
    hosts: BTreeMap<String, Simulated>,
    installed: Vec<String>,
    sent: Vec<String>,
    tokens: Vec<String>,
    said: Vec<String>,
    stop: Option<Arc<AtomicBool>>,
}

struct Simulated {
    fate: Fate,
    address: String,
    boot: u32,
    settings: Option<Value>,
    /// How often it still says that another command is changing it.
    busy: u32,
}

impl World {
    pub(super) fn of(inventory: &Inventory) -> World {
        let host = |(index, host): (usize, &Host)| {
            let address = format!("10.0.0.{}", index + 1);
            (host.name.clone(), Simulated { fate: Fate::Work, address, boot: 0, settings: None, busy: 0 })
        };
        let hosts = inventory.hosts.iter().enumerate().map(host).collect();
        World(Arc::new(Mutex::new(State { hosts, ..State::default() })), Arc::default())
    }

    pub(super) fn let_it(&self, host: &str, fate: Fate) {
        self.0.lock().unwrap().hosts.get_mut(host).unwrap().fate = fate;
    }

    /// Lets a host say so many times that another command is changing it.
    pub(super) fn let_be_busy(&self, host: &str, times: u32) {
        self.0.lock().unwrap().hosts.get_mut(host).unwrap().busy = times;
    }

    /// Makes installations of agents wait for one another.
    pub(super) fn meet(&self, count: usize) {
        *self.1.lock().unwrap() = Some(Arc::new(Barrier::new(count)));
    }

    /// Installations that have changed something: the host, where the bundle came from, what it joins, and how many
    /// authorities it got to know.
    pub(super) fn installed(&self) -> Vec<String> {
        self.0.lock().unwrap().installed.clone()
    }

    pub(super) fn sent(&self) -> Vec<String> {
        self.0.lock().unwrap().sent.clone()
    }

    pub(super) fn tokens(&self) -> Vec<String> {
        self.0.lock().unwrap().tokens.clone()
    }

    /// Every request.
    pub(super) fn everything_said(&self) -> Vec<String> {
        self.0.lock().unwrap().said.clone()
    }

    pub(super) fn forget(&self) {
        let mut state = self.0.lock().unwrap();
        (state.installed, state.sent) = Default::default();
    }

    /// Sets `stop` while a host is installed.
    pub(super) fn stop_after(&self, host: &str, stop: &Arc<AtomicBool>) {
        self.let_it(host, Fate::Stop);
        self.0.lock().unwrap().stop = Some(stop.clone());
    }
}

impl Connect for World {
    fn connect(&self, host: &Host) -> Result<Arc<dyn Remote>> {
        match self.0.lock().unwrap().hosts[&host.name].fate {
            Fate::BeAway => Err(away(&host.name)),
            _ => Ok(Arc::new(Machine { name: host.name.clone(), world: self.clone() })),
        }
    }
}

impl Carrier for World {
    fn send(&self, remote: &dyn Remote, _: &dyn Progress) -> Result<Sent> {
        let answer = remote.run(Command::airlock(["node", "receive"]), &mut |_| {})?;
        self.0.lock().unwrap().sent.push(answer.output);
        Ok(Sent { blobs: 1, bytes: 100, present_bytes: 0 })
    }
}

struct Machine {
    name: String,
    world: World,
}

fn away(host: &str) -> Error {
    Error::new(codes::REMOTE_COMMAND, format!("{host} is away"))
}

fn said(output: Value) -> Result<Answer> {
    Ok(Answer { status: 0, output: output.to_string(), errors: Vec::new() })
}

impl Remote for Machine {
    fn run(&self, command: Command<'_>, listen: &mut dyn FnMut(&str)) -> Result<Answer> {
        let words: Vec<&str> = command.request.arguments.iter().map(String::as_str).collect();
        self.world.0.lock().unwrap().said.push(format!("{:?}", command.request));
        if command.request.program == Program::K3s {
            return Ok(Answer { status: 0, output: self.nodes(), errors: Vec::new() });
        }
        match words[..] {
            ["node", "reach", "--listen", ..] => {
                listen(r#"{"event":"note","text":"listening"}"#);
                std::io::copy(command.input.unwrap(), &mut std::io::sink()).unwrap();
                said(self.reach(&words[3..], &[]))
            }
            ["node", "reach", "--connect", ..] => said(self.reach(&[], &words[3..])),
            ["node", "reach"] => said(self.reach(&[], &[])),
            ["node", "facts"] => {
                let address = self.of(|host| host.address.clone());
                said(serde_json::to_value(facts(&self.name, &address)).unwrap())
            }
            ["node", "status"] => said(self.status()),
            ["node", "preflight", ..] => said(json!({"findings": []})),
            ["node", "receive"] => Ok(Answer { status: 0, output: self.name.clone(), errors: Vec::new() }),
            ["node", "restart"] => said(json!({"boot": self.of(|host| {
                host.boot += 1;
                (host.boot - 1).to_string()
            })})),
            ["node", "token"] => said(json!({"token": "K10::canary", "registry": {"port": 5443,
                "fingerprint": "SHA256:x", "certificate": format!("PEM of {}\n", self.name)}})),
            ["install", ..] if words.contains(&"--plan") => said(self.plan(&command.request)),
            ["install", ..] => {
                let mut token = String::new();
                command.input.map(|input| input.read_to_string(&mut token).unwrap());
                self.install(&command.request, &token)
            }
            _ => panic!("nobody knows `{words:?}`"),
        }
    }
}

impl Machine {
    fn of<T>(&self, look: impl FnOnce(&mut Simulated) -> T) -> T {
        look(self.world.0.lock().unwrap().hosts.get_mut(&self.name).unwrap())
    }

    fn reach(&self, opened: &[&str], targets: &[&str]) -> Value {
        let reached = targets.iter().map(|target| json!({"target": target, "outcome": "open"}));
        json!({"now": jiff::Timestamp::now(), "boot": self.of(|host| host.boot.to_string()), "opened": opened,
            "taken": [], "reached": reached.collect::<Vec<_>>()})
    }

    fn status(&self) -> Value {
        let mut status = self.identity();
        let is_busy = self.of(|host| {
            let is_busy = host.busy > 0;
            host.busy = host.busy.saturating_sub(1);
            is_busy
        });
        if is_busy {
            status["running"] = json!({"pid": 7, "command": "node receive", "since": "2026-05-04T12:00:00Z"});
        }
        status
    }

    fn identity(&self) -> Value {
        let settings = self.of(|host| host.settings.clone());
        let Some(settings) = settings else { return json!({"isNode": false, "bundles": []}) };
        let installed =
            json!({"name": "lab-1", "channel": "lab", "serial": 1, "manifest": Digest::of(b"manifest")});
        json!({"isNode": true, "bundles": [installed],
            "identity": {"role": settings["settings"]["role"], "joined": settings["settings"]["join"]}})
    }

    /// What an installation would be: settings, source, authorities.
    fn wanted(request: &Request) -> Value {
        let settings: Value = serde_json::from_str(&request.files["settings"]).unwrap();
        let authorities = request.files.get("authorities").cloned().unwrap_or_default();
        json!({"settings": settings, "authorities": authorities})
    }

    fn plan(&self, request: &Request) -> Value {
        let is_same = self.of(|host| host.settings.clone()) == Some(Machine::wanted(request));
        let changes = if is_same { json!([]) } else { json!([{"verb": "replace", "what": "settings"}]) };
        json!({"steps": [{"name": "settings", "title": "Keep the settings", "changes": changes}]})
    }

    fn install(&self, request: &Request, token: &str) -> Result<Answer> {
        let wanted = Machine::wanted(request);
        let from = request.arguments.iter().skip_while(|word| *word != "--from").nth(1);
        let from = from.map_or("its store", String::as_str);
        let join = wanted["settings"]["join"].as_str().unwrap_or("nobody");
        let authorities = wanted["authorities"].as_str().unwrap_or_default().lines().count();
        let line = format!("{} from {from}, joins {join}, knows {authorities}", self.name);
        if !token.is_empty() {
            self.world.0.lock().unwrap().tokens.push(format!("{} {token}", self.name));
        }
        let (fate, boot) = self.of(|host| (host.fate, host.boot));
        match fate {
            Fate::Fail => return Ok(failed()),
            Fate::Vanish => return Err(away(&self.name)),
            Fate::NeedRestart if boot == 0 => {
                return said(json!({"changed": ["nouveau"], "rebootFor": "nouveau"}));
            }
            Fate::NeedRestarts => return said(json!({"changed": ["nouveau"], "rebootFor": "nouveau"})),
            Fate::Stop => {
                let stop = self.world.0.lock().unwrap().stop.clone();
                stop.unwrap().store(true, Ordering::Relaxed);
            }
            _ => {}
        }
        if self.name.starts_with('w') {
            let barrier = self.world.1.lock().unwrap().clone();
            if let Some(barrier) = barrier {
                barrier.wait();
            }
        }
        self.of(|host| host.settings = Some(wanted));
        self.world.0.lock().unwrap().installed.push(line);
        said(json!({"changed": ["k3s"], "rebootFor": null}))
    }

    fn nodes(&self) -> String {
        let state = self.world.0.lock().unwrap();
        let names = state.hosts.iter().filter(|(_, host)| host.settings.is_some());
        list(&names.map(|(name, _)| name.as_str()).collect::<Vec<_>>())
    }
}

fn failed() -> Answer {
    let error = json!({"code": "E1038", "message": "k3s does not start", "details": [], "causes": [], "help": "look"});
    Answer { status: 7, output: String::new(), errors: vec![error.to_string()] }
}
