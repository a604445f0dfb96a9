//! `airlock cluster ping`: which hosts can be worked on?

use jiff::Timestamp;
use serde::Serialize;

use super::connecting::ConnectionOptions;
use super::{InventoryOptions, read_inventory};
use crate::cli::session::Session;
use crate::cluster::fleet;
use crate::cluster::ping::{Pong, Reached, ping};
use crate::error::{Error, Result, codes};
use crate::ui::report::{self, Style};
use crate::ui::table::{Align, Table};

/// Connect to every host, and say what keeps us from working on it
///
/// Tells for each host whether it is reached, lets us in, lets us be root, what it runs, and how far its
/// clock is from ours; and for each that cannot be worked on what to do. The program is copied there if it
/// is missing; nothing else is changed.
///
/// Ends with 9 if some hosts cannot be worked on.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct PingArgs {
    /// Only these hosts, as for --limit
    #[arg(value_name = "HOST")]
    pub hosts: Vec<String>,

    /// Which inventory.
    #[command(flatten)]
    pub inventory: InventoryOptions,

    /// How to connect.
    #[command(flatten)]
    pub connection: ConnectionOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock cluster ping
  airlock cluster ping -i hosts.ini --ask-sudo-password node1 node2
  airlock cluster ping --json | jq -r '.[] | select(.error) | .name'";

/// What is told of one host.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    reachable: bool,
    login: bool,
    root: bool,
    #[serde(flatten)]
    pong: Option<Pong>,
    /// As every command prints it with --json.
    error: Option<serde_json::Value>,
    #[serde(skip)]
    told: String,
}

pub(super) fn run(arguments: PingArgs, session: &Session) -> Result<()> {
    let options = InventoryOptions {
        limit: [arguments.inventory.limit, arguments.hosts].concat(),
        ..arguments.inventory
    };
    let inventory = read_inventory(&options.inventory, session)?.inventory;
    let hosts = options.selected(&inventory)?;
    let stop = session.interruption().stop();
    let dialer = arguments.connection.dialer(&hosts, stop.clone(), session)?;
    let outcomes =
        fleet::each(&hosts, inventory.cluster.concurrency, stop, |host| ping(&dialer, host, Timestamp::now));
    let rows: Vec<Row> = outcomes.0.into_iter().map(|(host, outcome)| row(&host.name, outcome)).collect();
    session.print(&rows, |rows| render(rows))?;
    let bad = rows.iter().filter(|row| row.error.is_some()).count();
    match bad {
        0 => Ok(()),
        _ => Err(Error::new(
            codes::FLEET_PARTIAL,
            format!("{bad} of {} hosts cannot be worked on", rows.len()),
        )
        .with_help("do what stands below each of them, then run the command again")),
    }
}

fn row(name: &str, outcome: Result<Pong>) -> Row {
    let (pong, error) = match outcome {
        Ok(pong) => {
            let error = pong.clock_error(name);
            (Some(pong), error)
        }
        Err(error) => (None, Some(error)),
    };
    let reached = error.as_ref().map_or(Reached::Root, |error| Reached::before(error.code()));
    Row {
        name: name.to_owned(),
        reachable: reached >= Reached::Host,
        login: reached >= Reached::Login,
        root: reached >= Reached::Root,
        pong,
        told: error.as_ref().map(|error| rendered(error, Style::Plain)).unwrap_or_default(),
        error: error.and_then(|error| serde_json::from_str(&rendered(&error, Style::Json)).ok()),
    }
}

fn rendered(error: &Error, style: Style) -> String {
    let mut text = Vec::new();
    report::print(&mut text, error, error.kind().exit_status(), style);
    String::from_utf8_lossy(&text).into_owned()
}

fn render(rows: &[Row]) -> String {
    let columns =
        ["HOST", "REACHED", "LOGIN", "ROOT", "SYSTEM", "ARCH", "CLOCK"].map(|head| (head, Align::Left));
    let mut table = Table::new(columns);
    for row in rows {
        let yes = |is: bool| if is { "yes" } else { "no" };
        let pong = row.pong.as_ref();
        let system = pong.and_then(|pong| pong.system.as_deref()).unwrap_or("-");
        let architecture = pong.map_or("-", |pong| pong.architecture.as_str());
        let clock = pong
            .and_then(|pong| pong.clock_ahead)
            .map_or_else(|| "-".to_owned(), |ahead| format!("{ahead:+.0} s"));
        table.row([
            &row.name,
            yes(row.reachable),
            yes(row.login),
            yes(row.root),
            system,
            architecture,
            &clock,
        ]);
    }
    rows.iter()
        .filter(|row| !row.told.is_empty())
        .fold(table.render(), |text, row| format!("{text}\n{}: {}", row.name, row.told))
}
