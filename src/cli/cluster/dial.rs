//! The way to the hosts of an inventory: options about SSH and sudo.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::cli::session::Session;
use crate::cli::{passphrase, secret_file};
use crate::cluster::remote::Patience;
use crate::cluster::ssh::program::Programs;
use crate::cluster::ssh::{self, Dialer};
use crate::error::{Error, Result, codes};
use crate::secret::Secret;

/// Where directories that live as long as a command are made; sockets below it have short paths.
const RUNTIME: &str = "/tmp";

/// Options about the way to the hosts.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Connection")]
pub struct DialOptions {
    /// Configuration of OpenSSH instead of ~/.ssh/config
    #[arg(long, value_name = "FILE")]
    pub ssh_config: Option<PathBuf>,

    /// Ask for the password for sudo, for hosts that have none in the inventory
    #[arg(long, short = 'K', conflicts_with = "sudo_password_file")]
    pub ask_sudo_password: bool,

    /// File with that password, mode 0600
    #[arg(long, value_name = "FILE")]
    pub sudo_password_file: Option<PathBuf>,

    /// The airlock program for hosts of another architecture than this machine; may be given several times
    #[arg(long, value_name = "FILE")]
    pub program: Vec<PathBuf>,
}

impl DialOptions {
    /// Knows the way to all hosts; connects to none yet.
    pub(super) fn dialer(&self, session: &Session, stop: &Arc<AtomicBool>) -> Result<Dialer> {
        Dialer::new(ssh::Settings {
            configuration: self.ssh_config.clone(),
            runtime: PathBuf::from(RUNTIME),
            programs: self.programs(session)?,
            sudo_password: self.sudo_password(session)?,
            patience: Patience::default(),
            stop: stop.clone(),
            progress: session.shared_progress(),
        })
    }

    fn programs(&self, session: &Session) -> Result<Programs> {
        let own = session.environment().program.clone().ok_or_else(|| {
            Error::new(codes::HOST_PROGRAM, "this program cannot find its own file, which the hosts need")
                .with_help("start it by its full path")
        })?;
        Programs::read(&[&[own], &self.program[..]].concat())
    }

    fn sudo_password(&self, session: &Session) -> Result<Option<Secret<String>>> {
        if self.ask_sudo_password {
            return session.prompt().question("Password for sudo on the hosts: ").map(Some);
        }
        self.sudo_password_file.as_deref().map(read_password).transpose()
    }
}

fn read_password(path: &Path) -> Result<Secret<String>> {
    secret_file::require_closed(path, "change the password on the hosts")?;
    passphrase::from_file(path)
}
