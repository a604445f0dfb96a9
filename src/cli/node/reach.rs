//! `airlock node reach`: listens on ports, or connects to those of others.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use crate::cli::session::Session;
use crate::error::{Error, Result, codes};
use crate::node::availability;
use crate::node::driver;
use crate::node::machine::Machine;
use crate::node::reach::{self, LISTENING, Port, Reach, Reached, Target};
use crate::quote::escape;
use crate::ui::table::{Align, Table};

/// How long ports are open when nobody ends it.
const LONGEST: Duration = Duration::from_secs(300);

/// Find out which ports of other machines this one reaches
///
/// On one machine `--listen` opens the ports that nobody has; on another `--connect` tries them. Listening ends with
/// the standard input, or after five minutes. Without options it tells the time of this machine.
#[derive(Debug, clap::Args)]
#[command(hide = true, after_long_help = EXAMPLES)]
pub struct ReachArgs {
    /// Listen on this port, unless somebody does already
    #[arg(long, value_name = "PORT/PROTOCOL", num_args = 1..)]
    pub listen: Vec<Port>,

    /// Connect to this port of another machine
    #[arg(long, value_name = "ADDRESS:PORT/PROTOCOL", num_args = 1..)]
    pub connect: Vec<Target>,

    /// Ask which other machine on the segment has this address
    #[arg(long, value_name = "ADDRESS")]
    pub who_has: Option<IpAddr>,
}

const EXAMPLES: &str = "\
Examples:
  sudo airlock node reach --listen 6443/tcp 8472/udp            # on 10.0.0.1
  airlock node reach --connect 10.0.0.1:6443/tcp 10.0.0.1:8472/udp";

pub(super) async fn run(arguments: ReachArgs, session: Session) -> Result<()> {
    let reached = reach::connect(&arguments.connect).await;
    let (opened, taken) = match arguments.listen.is_empty() {
        true => (Vec::new(), Vec::new()),
        false => listen(&arguments.listen, &session).await,
    };
    let holder = match arguments.who_has {
        Some(address) => session.blocking(move |_| availability::who_has(address, &Machine::this())).await?,
        None => None,
    };
    let boot = driver::boot(&Machine::this())?;
    let failed = reached.iter().filter(|one| one.outcome != reach::Outcome::Open).count();
    let reach = Reach { now: Timestamp::now(), boot, opened, taken, reached, holder };
    session.print(&reach, human)?;
    // A program looks at each of them; a person at the end.
    if failed == 0 { Ok(()) } else { Err(unreached(failed)) }
}

/// The ports that were open, and those that could not be opened.
async fn listen(ports: &[Port], session: &Session) -> (Vec<Port>, Vec<Port>) {
    let listener = reach::open(ports).await;
    let result = (listener.opened().to_vec(), listener.taken().to_vec());
    session.note(LISTENING);
    let end = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin().lock(), &mut io::sink()));
    tokio::select! {
        () = listener.serve() => {}
        _ = end => {}
        () = tokio::time::sleep(LONGEST) => {}
    }
    result
}

fn human(reach: &Reach) -> String {
    let mut table = Table::new([("PORT", Align::Left), ("RESULT", Align::Left)]);
    for port in &reach.opened {
        table.row([&port.to_string(), "was open"]);
    }
    for port in &reach.taken {
        table.row([&port.to_string(), "another program has it"]);
    }
    for Reached { target, outcome } in &reach.reached {
        table.row([&target.to_string(), outcome.text()]);
    }
    if let Some(holder) = &reach.holder {
        table.row(["address", &format!("{} has it", escape(holder))]);
    }
    match table.is_empty() {
        true => format!("{}\n", reach.now),
        false => table.render(),
    }
}

fn unreached(failed: usize) -> Error {
    let ports = if failed == 1 { "1 port was" } else { &format!("{failed} ports were") };
    Error::new(codes::PORT_UNREACHED, format!("{ports} not reached"))
        .with_help("open them in the firewalls between the machines, and see that the other one listens")
}
