//! Starts the registry of the node, and waits until it answers.

use std::path::Path;
use std::time::Duration;

use super::authority;
use super::peer::{Network, Peer};
use super::unit::Serving;
use super::{DIRECTORY, STORE};
use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::owned::Owned;
use crate::node::resource::{File, Resource as _, Service, enable, unit_state, with_log};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;
use crate::oci::digest::Digest;
use crate::quote::escape;
use crate::registry::access::token_file;
use crate::registry::tls;

/// The unit.
pub const UNIT: &str = "airlock-registry.service";

/// The socket over TCP.
const SOCKET: &str = "airlock-registry.socket";

/// How long it may take to start: a bundle in place is opened, and nothing of it copied.
const START: Duration = Duration::from_secs(60);

/// The step that starts the registry.
pub struct RegistryService {
    /// What it serves, and where.
    pub serving: Serving,
    /// The program that serves, and the bundle if that is served in place: with another one it starts anew.
    pub content: Vec<Digest>,
    /// Asks whether it does.
    pub network: Network,
}

impl RegistryService {
    fn service(&self) -> Result<Service> {
        let sockets = self.serving.sockets().map(|(_, text)| text.into_bytes());
        let content = self.content.iter().map(|digest| digest.bytes().to_vec());
        let configuration = sockets.into_iter().chain(content).collect();
        let unit = self.serving.service()?;
        Ok(Service { name: UNIT.to_owned(), unit, is_drop_in: false, configuration, deadline: START })
    }

    fn socket_files(&self) -> [File; 2] {
        self.serving.sockets().map(|(name, text)| File::new(format!("/etc/systemd/system/{name}"), text))
    }

    /// Why it does not answer at its own address, if it does not.
    fn look(&self, machine: &Machine) -> Result<Option<String>> {
        let Some(certificate) = machine.read(&authority::own())? else {
            return Ok(Some("it has no certificate".to_owned()));
        };
        let endpoint = format!("https://127.0.0.1:{}", self.serving.port);
        let peer = Peer::new(&endpoint, Some(&certificate), &self.network, false)?;
        Ok(peer.document("/healthz", 64 * 1024).err().map(|error| error.message().to_owned()))
    }

    /// Somebody else may listen at the port while our socket does not.
    fn check_port(&self, machine: &Machine) -> Result<()> {
        if unit_state(machine, SOCKET)?.active == "active" {
            return Ok(());
        }
        let port = self.serving.port;
        let filter = format!("sport = :{port}");
        let call = Call::new("ss").with(["--no-header", "--listening", "--tcp", "--numeric", "--processes"]);
        // Where there is no `ss`, systemd finds it out when it starts the socket.
        let Ok(found) = machine.run(&call.with([filter])) else { return Ok(()) };
        let Some(line) = found.output.lines().find(|line| !line.trim().is_empty()) else { return Ok(()) };
        let message = format!("port {port} is needed for the registry, and another program listens there");
        Err(Error::new(codes::PORT_TAKEN, message)
            .with_detail(escape(line.split_whitespace().last().unwrap_or(line)))
            .with_help("stop that program, or choose another port: `--registry-port PORT`"))
    }

    fn make_secrets(&self, work: &mut Work<'_>) -> Result<()> {
        work.own(Owned::Tree { path: DIRECTORY.to_owned() })?;
        work.own(Owned::Tree { path: STORE.to_owned() })?;
        work.make_directory(DIRECTORY, 0o700)?;
        let directory = work.machine().path(DIRECTORY);
        tls::Authority::open(&directory)?;
        token_file::read_or_make(&token(&directory)).map(drop)
    }

    /// New sockets need an end of the old ones: systemd does not change an address that it listens at. It does
    /// not listen at all before there is a service behind.
    fn start_sockets(&self, work: &mut Work<'_>) -> Result<()> {
        work.own(Owned::Unit { name: UNIT.to_owned() })?;
        self.service()?.file().make(work)?;
        for file in self.socket_files() {
            let name = file.path.rsplit('/').next().unwrap_or_default().to_owned();
            work.own(Owned::Unit { name })?;
            file.make(work)?;
        }
        let names = self.serving.sockets().map(|(name, _)| name);
        enable(work, names)?;
        work.machine().run(&Call::new("systemctl").with(["stop", UNIT]))?;
        let started = work.run(Call::new("systemctl").with(["restart"]).with(names));
        started.map(drop).map_err(|error| with_log(error, work.machine(), SOCKET))
    }
}

fn token(directory: &Path) -> std::path::PathBuf {
    directory.join("token")
}

impl Step for RegistryService {
    fn name(&self) -> &'static str {
        names::REGISTRY
    }

    fn title(&self) -> String {
        format!("Start the registry at port {}", self.serving.port)
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        if machine.metadata(&authority::own())?.is_none() {
            changes.push(Change::new(Verb::Create, DIRECTORY).with_detail("authority and token, 0700"));
        }
        for file in self.socket_files() {
            changes.extend(file.check(machine)?);
        }
        changes.extend(self.service()?.check(machine)?);
        if !changes.is_empty() {
            self.check_port(machine)?;
        } else if let Some(why) = self.look(machine)? {
            changes.push(Change::new(Verb::Restart, UNIT).with_detail(why));
        }
        Ok(changes)
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        self.make_secrets(work)?;
        self.start_sockets(work)?;
        self.service()?.make(work)?;
        let machine = work.machine();
        work.wait_for("the registry to answer", START, || Ok(self.look(machine)?.map_or(Ok(()), Err)))?;
        Ok(Outcome::Done)
    }
}
