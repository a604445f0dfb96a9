//! `airlock store repair`: replace what is damaged.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::repair_source::RepairSource;
use super::{StoreOptions, all_cores};
use crate::cli::bundle::opened;
use crate::cli::bundle::trust_options::TrustOptions;
use crate::cli::fetching;
use crate::cli::session::Session;
use crate::error::{Error, Result, codes};
use crate::fetch::Client;
use crate::spec::HostSettings;
use crate::store::repair::{Remote, Repaired, Source};
use crate::ui::human;

/// Find what is damaged or missing in the store, and replace it from somewhere else
///
/// Reads everything first, as `airlock store verify` does. What replaces a blob is compared with its digest,
/// so it does not matter whom it comes from. Who has to log in to a server does so with `docker login` or
/// `podman login`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct RepairArgs {
    /// Where good blobs are: a bundle, `https://NODE`, `registry://HOST[/PATH]`, or `registry`
    #[arg(long, value_name = "WHERE")]
    pub from: RepairSource,

    /// Certificate authorities to trust for that server, besides those of this machine (PEM)
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
Sources:
  PATH                    a bundle: its directory or one of its volumes
  https://NODE:5000       another node that serves its store
  registry://HOST[/PATH]  any registry with copies, named with the host of their origin or without
  registry                the registries that the images came from
  http://, registry+http://  the same without TLS

Examples:
  airlock store repair --from /media/stick
  airlock store repair --from https://node-2:5000 --ca /etc/airlock/ca.crt
  airlock store repair --from registry://harbor.lab/mirror";

pub(super) fn run(arguments: RepairArgs, session: &Session) -> Result<()> {
    let store = arguments.store.open()?;
    let source = source(&arguments, session)?;
    let report = store.verify(all_cores(), session.progress())?;
    let runtime = tokio::runtime::Handle::current();
    let repaired = store.repair(&report.damage, &source, &runtime, session.progress())?;
    session.print(&repaired, |repaired: &Repaired| match repaired.repaired.len() {
        0 if repaired.left.is_empty() => "the store is intact\n".to_owned(),
        0 => String::new(),
        count => format!("repaired {}\n", human::count(count as u64, "blob")),
    })?;
    repaired.into_result().map(drop)
}

fn source(arguments: &RepairArgs, session: &Session) -> Result<Source> {
    let hosts = host_settings(arguments)?;
    let servers = match &arguments.from {
        RepairSource::Bundle(path) => {
            let trust = arguments.trust.clone().check(session.environment());
            return Ok(Source::Bundle(Arc::new(opened::open(path, &trust, session)?)));
        }
        RepairSource::Encrypted(servers) | RepairSource::Plain(servers) => servers.clone(),
    };
    Ok(Source::Remote(Remote::new(servers, Client::new(fetching::settings(hosts, session)?))))
}

/// How to reach the server that was named.
fn host_settings(arguments: &RepairArgs) -> Result<BTreeMap<String, HostSettings>> {
    let Some(host) = arguments.from.host() else {
        return match &arguments.ca {
            None => Ok(BTreeMap::new()),
            Some(_) => Err(Error::new(codes::USAGE, "--ca is for a server, and --from names none")
                .with_help("leave --ca out, or name a server: `--from https://NODE:5000`")),
        };
    };
    let plain_http = matches!(arguments.from, RepairSource::Plain(_));
    let settings = HostSettings { ca: arguments.ca.clone(), plain_http, ..HostSettings::default() };
    Ok(BTreeMap::from([(host.to_owned(), settings)]))
}
