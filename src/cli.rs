//! The command line: clap arguments whose doc comments are the help, then one call into the library.
//!
//! Arguments have two layers. The structs that clap fills hold what was typed; each command turns its own
//! into a checked struct, with defaults from [`environment::Environment`] filled in, before anything happens.
//! Results go to stdout, everything else to stderr.

pub mod bundle;
pub mod cluster;
pub mod environment;
mod fetching;
mod files;
pub mod install;
pub mod key;
pub mod node;
mod options;
mod passphrase;
pub mod registry;
mod root;
mod secret_file;
mod session;
mod signals;
mod site_policy;
pub mod store;
mod usage;
mod values;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use self::environment::Environment;
pub use self::options::GlobalOptions;
pub use self::session::Session;
use self::signals::Ending;
use self::usage::Parsed;
use crate::ui::report::{self, Style};

/// Carry a Kubernetes platform across an air gap
///
/// On a machine with internet, `airlock bundle build` fetches container images, k3s and files into one
/// signed, checksummed bundle. The bundle crosses the gap on a USB stick or by scp; `airlock bundle verify`
/// checks it on the other side, `airlock install` makes a machine a node of a cluster with it, and `airlock
/// cluster` does so with many machines over SSH.
///
/// Results go to standard output, progress and errors to standard error. Every command may be interrupted
/// at any moment and simply be run again.
#[derive(Debug, Parser)]
#[command(name = "airlock", version, subcommand_required = true, arg_required_else_help = false, after_long_help = EXIT_STATUS)]
pub struct Airlock {
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalOptions,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_STATUS: &str = "\
Exit status:
   0  success
   1  internal error
   2  the command line cannot be understood
   3  an input file cannot be used
   4  corrupt: bytes differ from what was signed, or a volume is missing
   5  untrusted: signature missing, invalid or of an unknown key
   6  refused because it is older
   7  the machine lacks something
   8  a registry or server is unreachable or misbehaves
   9  some parts failed
  10  another process is at work
  11  could not check, because reading failed
 130, 143  interrupted; the same command continues";

/// The commands.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "the help is the doc comment of the arguments inside")]
pub enum Command {
    Bundle(bundle::Bundle),
    Cluster(cluster::Cluster),
    Install(Box<install::InstallArgs>),
    Key(key::Key),
    Node(node::Node),
    Registry(registry::Registry),
    Store(store::Store),
}

impl Command {
    /// Runs it until it ends or a signal arrives. Servers end in order when one does.
    fn run(self, session: Session) -> Ending {
        match self {
            Command::Bundle(bundle) => signals::run_until_stopped(bundle.run(session)),
            Command::Cluster(cluster) => cluster.run(session),
            Command::Install(arguments) => signals::run_until_stopped(async move {
                session.blocking(|session| install::run(*arguments, session)).await
            }),
            Command::Key(key) => signals::run_until_stopped(key.run(session)),
            Command::Node(node) if node.is_server() => signals::run_server(|stop| node.serve(session, stop)),
            Command::Node(node) => signals::run_until_stopped(node.run(session)),
            Command::Registry(registry) => signals::run_server(|stop| registry.run(session, stop)),
            Command::Store(store) => signals::run_until_stopped(store.run(session)),
        }
    }
}

/// Runs the program: reads arguments and environment of the process, and tells how it ended.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let environment = Environment::read();
    let airlock = match usage::parse(arguments.clone()) {
        Ok(Parsed::Command(airlock)) => airlock,
        Ok(Parsed::Text(text)) => return print_text(&text, &environment),
        Err(error) => {
            let options = GlobalOptions::guess(&arguments);
            let exit = error.kind().exit_status();
            report::print(&mut std::io::stderr(), &error, exit, options.style(&environment));
            return exit.into();
        }
    };
    let style = airlock.global.style(&environment);
    let session = Session::new(&airlock.global, environment);
    let ending = airlock.command.run(session.clone());
    session.close();
    finish(ending, style)
}

/// The definition of the whole command line, for the reference documentation.
pub fn command() -> clap::Command {
    Airlock::command()
}

fn print_text(text: &clap::builder::StyledStr, environment: &Environment) -> ExitCode {
    let coloured = environment.allows_colour(&std::io::stdout());
    let mut text = if coloured { text.ansi().to_string() } else { text.to_string() };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    match crate::ui::printer::Printer::stdout(false).text(&text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => finish(Ending::Finished(Err(error)), Style::Plain),
    }
}

fn finish(ending: Ending, style: Style) -> ExitCode {
    let (error, exit) = match ending {
        Ending::Finished(Ok(())) => return ExitCode::SUCCESS,
        Ending::Finished(Err(error)) => {
            let exit = error.kind().exit_status();
            (error, exit)
        }
        Ending::Stopped(signal, error) => (error, signal.exit_status()),
    };
    report::print(&mut std::io::stderr(), &error, exit, style);
    exit.into()
}
