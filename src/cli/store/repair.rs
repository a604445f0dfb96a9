//! `airlock store repair`: replace what is damaged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{StoreOptions, all_cores};
use crate::cli::bundle::opened;
use crate::cli::bundle::trust_options::TrustOptions;
use crate::cli::session::Session;
use crate::error::Result;
use crate::fetch::{Client, Proxies, Settings, Url};
use crate::oci::registry::Registry;
use crate::spec::HostSettings;
use crate::store::repair::{Origin, Repaired};
use crate::ui::human;

/// Find what is damaged or missing in the store, and replace it from somewhere else
///
/// Reads everything first, as `airlock store verify` does. What replaces a blob is compared with its digest,
/// so it does not matter whom it comes from.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct RepairArgs {
    /// Where good blobs are: a bundle, the address of another node or registry, or `registry` for the
    /// registries that the images came from
    #[arg(long, value_name = "WHERE")]
    pub from: String,

    /// Certificate authorities to trust for the address, besides those of this machine (PEM)
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// Which store.
    #[command(flatten)]
    pub store: StoreOptions,

    /// Options of trust.
    #[command(flatten)]
    pub trust: TrustOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock store repair --from /media/stick
  airlock store repair --from https://node-2:5000 --ca /etc/airlock/ca.pem";

pub(super) fn run(arguments: RepairArgs, session: &Session) -> Result<()> {
    let store = arguments.store.open()?;
    let origin = origin(&arguments, session)?;
    let report = store.verify(all_cores(), session.progress())?;
    let runtime = tokio::runtime::Handle::current();
    let repaired = store.repair(&report.damage, &origin, &runtime, session.progress())?;
    session.print(&repaired, |repaired: &Repaired| match repaired.repaired.len() {
        0 if repaired.left.is_empty() => "the store is intact\n".to_owned(),
        0 => String::new(),
        count => format!("repaired {}\n", human::count(count as u64, "blob")),
    })?;
    repaired.into_result().map(drop)
}

fn origin(arguments: &RepairArgs, session: &Session) -> Result<Origin> {
    let from = arguments.from.as_str();
    if from == "registry" {
        let client = client(BTreeMap::new(), session)?;
        return Ok(Origin::Registries(Registry::new(client.clone()), client));
    }
    match Url::parse(from).ok().filter(|url| matches!(url.scheme(), "http" | "https")) {
        Some(url) => {
            let settings = HostSettings { ca: arguments.ca.clone(), ..HostSettings::default() };
            let hosts = host(&url).map(|host| (host, settings)).into_iter().collect();
            Ok(Origin::Peer(client(hosts, session)?, from.to_owned()))
        }
        None => {
            let trust = arguments.trust.clone().check(session.environment());
            Ok(Origin::Bundle(Box::new(opened::open(Path::new(from), &trust, session)?)))
        }
    }
}

/// The host of an address, with its port if that is not the usual one.
fn host(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

fn client(hosts: BTreeMap<String, HostSettings>, session: &Session) -> Result<Client> {
    let proxies = &session.environment().proxies;
    Ok(Client::new(Settings {
        hosts,
        proxies: Proxies::new(proxies.http.as_deref(), proxies.https.as_deref(), proxies.none.as_deref())?,
        progress: session.shared_progress(),
        ..Settings::default()
    }))
}
