//! Hosts over SSH, by the user's own OpenSSH: its configuration, agent, jump hosts and hardware keys count.
//!
//! The way to a host: its key must be known ([`host_key`]); a script of ours, the same for everybody, tells what the host
//! is ([`first_touch`]); our program is brought there if it is missing ([`scripts`]); it becomes root by `sudo`, and then
//! is the agent that runs one command after the other, each over a session of the same connection ([`connection`]).

mod causes;
mod connection;
mod delivery;
mod failure;
mod first_touch;
mod host_key;
mod openssh;
mod pin;
pub mod program;
mod scripts;
pub mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::rand;

use self::connection::{Caller, Connection, is_stopped};
use self::program::Programs;
use super::inventory::{self, Host, Ssh};
use super::local::Local;
use super::remote::{Answer, Command, Connect, Failure, Patience, Remote, talk};
use crate::error::{Error, Result, codes};
use crate::node::agent::directory::PrivateDirectory;
use crate::progress::Progress;
use crate::secret::Secret;

/// What holds for all connections.
pub struct Settings {
    /// The configuration of OpenSSH (`-F`) instead of the user's.
    pub configuration: Option<PathBuf>,
    /// Where a directory for sockets and host keys is made; its path should be short (`unix(7)`: at most 107 bytes).
    pub runtime: PathBuf,
    /// The programs that can be brought to hosts. The first is our own.
    pub programs: Programs,
    /// For `sudo` on hosts that have none of their own.
    pub sudo_password: Option<Secret<String>>,
    /// How long hosts may say nothing.
    pub patience: Patience,
    /// Whether everything is to stop.
    pub stop: Arc<AtomicBool>,
    /// Who is told what takes long.
    pub progress: Arc<dyn Progress>,
}

/// Knows the way to hosts by SSH, and to this machine.
pub struct Dialer {
    shared: Arc<Shared>,
    hosts: Mutex<BTreeMap<String, Arc<OverSsh>>>,
}

struct Shared {
    settings: Settings,
    directory: PrivateDirectory,
}

/// A host over SSH.
struct OverSsh {
    number: u32,
    host: Host,
    ssh: Ssh,
    shared: Arc<Shared>,
    connection: Mutex<Option<Connection>>,
}

impl Dialer {
    /// One that has not connected to anybody yet.
    ///
    /// # Errors
    /// [`codes::SSH_FAILED`] if there is no place for its sockets.
    pub fn new(settings: Settings) -> Result<Dialer> {
        let directory = PrivateDirectory::create(&settings.runtime, "airlock-ssh").map_err(|error| {
            let message =
                format!("a directory for connections cannot be made in `{}`", settings.runtime.display());
            Error::new(codes::SSH_FAILED, message)
                .with_help("see whether it is writable and has room: `df -h`, `ls -ld`")
                .with_source(error)
        })?;
        Ok(Dialer { shared: Arc::new(Shared { settings, directory }), hosts: Mutex::default() })
    }

    fn over_ssh(&self, host: &Host, ssh: &Ssh) -> Arc<OverSsh> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let number = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
        let new = || OverSsh {
            number,
            host: host.clone(),
            ssh: ssh.clone(),
            shared: self.shared.clone(),
            connection: Mutex::default(),
        };
        hosts.entry(host.name.clone()).or_insert_with(|| Arc::new(new())).clone()
    }

    fn local(&self, host: &Host, password: Option<&Secret<String>>) -> Result<Local> {
        let settings = &self.shared.settings;
        let program = settings.programs.iter().next().ok_or_else(|| {
            Error::new(codes::HOST_PROGRAM, "there is no program for this machine")
                .with_help("name one by `--program FILE`")
        })?;
        Ok(Local {
            name: host.name.clone(),
            program: program.path.clone(),
            sudo_password: password.or(settings.sudo_password.as_ref()).cloned(),
            patience: settings.patience,
            stop: settings.stop.clone(),
        })
    }
}

impl Connect for Dialer {
    fn connect(&self, host: &Host) -> Result<Arc<dyn Remote>> {
        match &host.connection {
            inventory::Connection::Local { sudo_password } => {
                Ok(Arc::new(self.local(host, sudo_password.as_ref())?))
            }
            inventory::Connection::Ssh(ssh) => {
                let remote = self.over_ssh(host, ssh);
                remote.connect()?;
                Ok(remote)
            }
        }
    }
}

impl OverSsh {
    fn caller(&self) -> Caller<'_> {
        let directory = self.shared.directory.path();
        Caller {
            number: self.number,
            host: &self.host,
            ssh: &self.ssh,
            settings: &self.shared.settings,
            control: directory.join(self.number.to_string()),
            known_hosts: directory.join(format!("known-{}", self.number)),
        }
    }

    fn password(&self) -> Option<&Secret<String>> {
        self.ssh.sudo_password.as_ref().or(self.shared.settings.sudo_password.as_ref())
    }

    fn connect(&self) -> Result<()> {
        self.with_connection(|_, _| Ok(()))
    }

    /// Does something with the connection, which is made anew if it has ended meanwhile.
    fn with_connection<T>(&self, work: impl FnOnce(&Caller<'_>, &mut Connection) -> Result<T>) -> Result<T> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let caller = self.caller();
        if is_stopped(&self.shared.settings.stop) {
            return Err(Failure::Stopped.into_error(&self.host.name));
        }
        if connection.as_mut().is_some_and(|connection| !connection.is_alive()) {
            *connection = None;
        }
        match &mut *connection {
            Some(connection) => work(&caller, connection),
            none => work(&caller, none.insert(caller.connect(self.password())?)),
        }
    }
}

impl Remote for OverSsh {
    fn run(&self, command: Command<'_>, listen: &mut dyn FnMut(&str)) -> Result<Answer> {
        let settings = &self.shared.settings;
        let mut agent =
            self.with_connection(|caller, connection| caller.agent(connection, self.password()))?;
        let told = talk(&mut agent, command, listen, settings.patience, &settings.stop);
        told.map_err(|failure| {
            let is_cut = matches!(failure, Failure::Ended(_));
            let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
            let master = connection.as_mut().map(Connection::master).filter(|_| is_cut);
            self.caller().failed(failure, master)
        })
    }
}

impl Settings {
    /// OpenSSH without a terminal: whatever would ask there fails, and says so.
    fn openssh(&self) -> process::Command {
        let mut command = process::Command::new("setsid");
        command.arg("ssh");
        if let Some(file) = &self.configuration {
            command.arg("-F").arg(file);
        }
        command.arg("-T").env("LC_ALL", "C").env("SSH_ASKPASS_REQUIRE", "never");
        command
    }

    /// Sixteen hexadecimal digits that nobody knows beforehand.
    fn mark(&self) -> Result<String> {
        let mut bytes = [0; 8];
        rand::fill(&mut bytes)
            .map_err(|_| Error::new(codes::RESOURCES, "the system gives no random bytes"))?;
        Ok(bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")))
    }
}
