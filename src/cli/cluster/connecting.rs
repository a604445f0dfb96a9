//! Options of every command that connects to hosts, and whoever connects with them.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::cli::session::Session;
use crate::cli::{passphrase, secret_file};
use crate::cluster::inventory::Host;
use crate::cluster::remote::Patience;
use crate::cluster::ssh::program::Programs;
use crate::cluster::ssh::{Dialer, Settings};
use crate::error::{Error, Result, codes};
use crate::secret::Secret;

/// Files for a thousand hosts, each with a connection and a command.
const FILES: u64 = 16 * 1024;

/// Where these options stand in the help. Said of each, since a heading of all of them would go on over what follows.
const HEADING: &str = "Connections";

/// How hosts are connected to.
#[derive(Clone, Debug, clap::Args)]
pub struct ConnectionOptions {
    /// Ask once for the password of sudo, for all hosts that have none of their own
    #[arg(long, short = 'K', conflicts_with = "sudo_password_file", help_heading = HEADING)]
    pub ask_sudo_password: bool,

    /// Read that password from FILE, which only you can read
    #[arg(long, value_name = "FILE", help_heading = HEADING)]
    pub sudo_password_file: Option<PathBuf>,

    /// The airlock program for hosts of another architecture, such as install-arm64 beside the bundle
    #[arg(long = "program", value_name = "FILE", help_heading = HEADING)]
    pub programs: Vec<PathBuf>,

    /// Configuration of OpenSSH instead of ~/.ssh/config
    #[arg(long, value_name = "FILE", help_heading = HEADING)]
    pub ssh_config: Option<PathBuf>,
}

impl ConnectionOptions {
    /// Somebody who connects to the `hosts`, until `stop` is set.
    ///
    /// # Errors
    /// If the password or a program cannot be read.
    pub fn dialer(&self, hosts: &[&Host], stop: Arc<AtomicBool>, session: &Session) -> Result<Dialer> {
        allow_many_files();
        let own = session.environment().program.clone();
        let programs: Vec<PathBuf> = own.into_iter().chain(self.programs.clone()).collect();
        Dialer::new(Settings {
            configuration: self.ssh_config.clone(),
            runtime: session.environment().runtime_directory.clone().unwrap_or_else(|| "/tmp".into()),
            programs: Programs::read(&programs)?,
            sudo_password: self.sudo_password(hosts, session)?,
            patience: Patience::default(),
            stop,
            progress: session.shared_progress(),
        })
    }

    fn sudo_password(&self, hosts: &[&Host], session: &Session) -> Result<Option<Secret<String>>> {
        if let Some(file) = &self.sudo_password_file {
            secret_file::require_closed(file, "change the password")?;
            return passphrase::from_file(file).map(Some);
        }
        let is_missing = hosts.iter().any(|host| host.connection.sudo_password().is_none());
        if !self.ask_sudo_password || !is_missing {
            return Ok(None);
        }
        if !std::io::stdin().is_terminal() {
            return Err(Error::new(
                codes::NO_TERMINAL,
                "there is no terminal to ask for the password of sudo",
            )
            .with_help("put it into a file of mode 0600 and give `--sudo-password-file FILE`"));
        }
        session.prompt().sudo_password().map(Some)
    }
}

/// Shells allow 1024 files, too few for some hundred hosts, and more to whoever asks.
fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < FILES) {
        limit.current = Some(limit.maximum.unwrap_or(FILES).min(FILES));
        // Without more of them fewer hosts are worked on.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}
