//! `airlock cluster etcd restore`: the cluster goes back to a snapshot, or goes on with what one server has.

use std::path::{Path, PathBuf};

use fs_err as fs;
use jiff::Timestamp;
use serde::Deserialize;

use super::{looks, warn_of_silent};
use crate::cli::cluster::change::{ChangeOptions, ConfirmOption, SiteOptions, carry_out};
use crate::cli::cluster::connect::with_site;
use crate::cli::session::Session;
use crate::cluster::inventory::Role;
use crate::cluster::observe::Node;
use crate::cluster::operation::etcd::{self, Held, Observed, Source};
use crate::cluster::operation::execute::Deliver;
use crate::cluster::operation::node::Answers;
use crate::cluster::operation::site::Site;
use crate::cluster::operation::{Action, LONG, Part, Place, Stage, Work};
use crate::cluster::remote::{self, Command, Remote};
use crate::error::{Error, Result, codes};
use crate::node::recovery::{Look, Snapshot};
use crate::progress::Progress;
use crate::quote::quote;
use crate::store::cache::hash_file;

/// Go back to a snapshot, or go on with the data of one server where the quorum is lost
///
/// All servers stop. One of them gets the data; then the others join it one after the other, and what they had is moved
/// aside, not deleted. Agents and their containers run on. It asks for the name of the first server. If it is interrupted,
/// run it again: it goes on with the servers that have not joined yet, and says so where nothing is left to do.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct RestoreArgs {
    /// Name of a snapshot on a server, or a file here
    #[arg(value_name = "SNAPSHOT", required_unless_present = "data_of")]
    pub snapshot: Option<String>,

    /// Use the data that this server has, instead of a snapshot: for a quorum that is lost for good
    #[arg(long, value_name = "SERVER", conflicts_with = "snapshot")]
    pub data_of: Option<String>,

    /// The server that begins, for a file [default: the first that can be reached]
    #[arg(long, value_name = "SERVER", conflicts_with = "data_of")]
    pub server: Option<String>,

    /// Go back once more, although the cluster has these data already: what was changed since is lost
    #[arg(long)]
    pub again: bool,

    /// Which inventory, and how its hosts are connected to.
    #[command(flatten)]
    pub file: SiteOptions,

    /// Options of the change.
    #[command(flatten)]
    pub change: ChangeOptions,

    /// The typed consent.
    #[command(flatten)]
    pub confirm: ConfirmOption,
}

const EXAMPLES: &str = "\
Examples:
  airlock cluster etcd restore on-demand-server1-1767225600 --plan
  airlock cluster etcd restore /backup/etcd-2026-05-04
  airlock cluster etcd restore --data-of server2 --confirm server1";

pub(super) fn run(arguments: &RestoreArgs, session: &Session) -> Result<()> {
    with_site(&arguments.file, session, |site| {
        let looks = looks(site);
        warn_of_silent(&looks, session);
        let source = source(arguments, site, &looks)?;
        let nodes = nodes(site)?;
        let observed = Observed { inventory: site.inventory, looks: &looks, nodes: nodes.as_deref() };
        let mut plan = etcd::restore(&observed, &source, arguments.again)?;
        let bringing = bringing(arguments, &source);
        if let (Some(bringing), false) = (&bringing, plan.is_empty()) {
            plan.stages.insert(0, bringing.stage());
        }
        let deliver = bringing.as_ref().map(|bringing| bringing as &dyn Deliver);
        let confirmed = arguments.confirm.confirm.as_deref();
        carry_out(&plan, (&arguments.change, confirmed), site, deliver, session)?;
        if !arguments.change.plan {
            name_stale(site, session);
        }
        Ok(())
    })
}

/// The nodes of the cluster; nothing if no server can tell, which is why somebody restores it.
fn nodes(site: &Site<'_>) -> Result<Option<Vec<Node>>> {
    match site.nodes() {
        Ok(nodes) => Ok(Some(nodes)),
        Err(error) if error.code() == codes::INTERRUPTED => Err(error),
        Err(_) => Ok(None),
    }
}

fn source(arguments: &RestoreArgs, site: &Site<'_>, looks: &Answers<Look>) -> Result<Source> {
    match (&arguments.data_of, &arguments.snapshot) {
        (Some(server), _) => Ok(Source::Server(site.host(server)?.name.clone())),
        (None, Some(path)) if is_file(path) => {
            of_file(Path::new(path), arguments, site, looks).map(Source::Snapshot)
        }
        (None, name) => etcd::named(looks, name.as_deref().unwrap_or_default()).map(Source::Snapshot),
    }
}

fn is_file(text: &str) -> bool {
    text.contains('/') || Path::new(text).is_file()
}

/// The snapshot as it will lie on the server that begins.
fn of_file(path: &Path, arguments: &RestoreArgs, site: &Site<'_>, looks: &Answers<Look>) -> Result<Held> {
    let unreadable = |error: std::io::Error| {
        Error::new(
            codes::FILE_READ,
            format!("the snapshot `{}` cannot be read", quote(&path.to_string_lossy())),
        )
        .with_help("name a file that is there, or a snapshot of `airlock cluster etcd snapshot list`")
        .with_source(error)
    };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    let (digest, _) = hash_file(path).map_err(unreadable)?;
    // Files with one name may be many, and each is another restore.
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = format!("{}-{name}", &digest.hex()[..12]);
    let answers = |name: &str| matches!(looks.get(name), Some(Ok(look)) if look.is_node);
    let server = match &arguments.server {
        Some(server) => site.host(server)?.name.clone(),
        None => site
            .inventory
            .of_role(Role::Server)
            .find(|host| answers(&host.name))
            .map(|host| host.name.clone())
            .ok_or_else(|| {
                Error::new(codes::CLUSTER_UNREACHABLE, "no server can be reached that could begin")
                    .with_help("`airlock cluster ping` says why")
            })?,
    };
    let at = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok()).unwrap_or_default();
    let snapshot = Snapshot {
        path: format!("{}/{name}", crate::node::recovery::SNAPSHOTS),
        name,
        size: metadata.len(),
        at,
    };
    Ok(Held { server, snapshot })
}

/// A file of this machine that goes to the server that begins; it keeps it, and has it the next time.
struct Bringing<'a> {
    path: PathBuf,
    held: &'a Held,
}

fn bringing<'a>(arguments: &RestoreArgs, source: &'a Source) -> Option<Bringing<'a>> {
    let path = arguments.snapshot.as_ref().filter(|path| is_file(path))?;
    match source {
        Source::Snapshot(held) => Some(Bringing { path: path.into(), held }),
        Source::Server(_) => None,
    }
}

impl Bringing<'_> {
    fn stage(&self) -> Stage {
        let Held { server, snapshot } = self.held;
        let title = format!("send {} to {server}", snapshot.name);
        Stage::essential(Part::new(
            server,
            vec![Action { title, place: Place::host(server), work: Work::Deliver }],
        ))
    }
}

impl Deliver for Bringing<'_> {
    fn deliver(&self, remote: &dyn Remote, _: &dyn Progress) -> Result<()> {
        #[derive(Deserialize)]
        struct Kept {
            path: String,
        }
        let unreadable = |error: std::io::Error| {
            Error::new(codes::FILE_READ, "the snapshot cannot be read")
                .with_help("run it again")
                .with_source(error)
        };
        let (digest, size) = hash_file(&self.path).map_err(unreadable)?;
        let mut file = fs::File::open(&self.path).map_err(unreadable)?;
        let (size, digest) = (size.to_string(), digest.to_string());
        let snapshot = &self.held.snapshot;
        let words = ["node", "recover", "keep", &snapshot.name, "--size", &size, "--digest", &digest];
        let kept: Kept = remote::ask(remote, Command::airlock(words).with_input(&mut file).within(LONG))?;
        match kept.path == snapshot.path {
            true => Ok(()),
            false => Err(Error::new(
                codes::REMOTE_ANSWER,
                format!("the snapshot was kept as `{}`", quote(&kept.path)),
            )
            .with_help("the host has another version of the program: upgrade it, or restore there by hand")),
        }
    }
}

/// The data that came back may know nodes that have gone since. If nobody answers, the restore was not agreed to.
fn name_stale(site: &Site<'_>, session: &Session) {
    for name in etcd::stale(site.inventory, &site.nodes().unwrap_or_default()) {
        session.warn(&format!(
            "{name} is in the data and not in the inventory: `airlock cluster remove {name}`"
        ));
    }
}
