//! `airlock node receive`: a bundle comes over the connection of `airlock cluster` into the store of this node.

use std::io::BufReader;
use std::os::fd::AsFd as _;

use serde::Serialize;

use crate::bundle::names::stem;
use crate::cli::bundle::trust_options::TrustOptions;
use crate::cli::install;
use crate::cli::install::consent::ConsentOptions;
use crate::cli::root;
use crate::cli::session::Session;
use crate::error::{Error, Result, codes};
use crate::node::machine::Machine;
use crate::node::receive::patience::{Patient, SILENCE};
use crate::node::receive::{
    self,
    stream::{self, Lacks},
};
use crate::store::receive::Received;
use crate::ui::human;
use crate::ui::text::escape;

/// Take a bundle from standard input into the store of this node, as `airlock cluster` sends it
///
/// The signature is checked first, against the signers of this node; what has arrived when the connection breaks is
/// kept, and the next run goes on there. Needs root.
#[derive(Debug, clap::Args)]
pub struct ReceiveArgs {
    /// Say what the store lacks of the bundle whose manifest comes in, and change nothing
    #[arg(long)]
    pub plan: bool,

    /// Options of first trust.
    #[command(flatten)]
    pub consent: ConsentOptions,

    /// Options of trust.
    #[command(flatten)]
    pub trust: TrustOptions,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    bundle: String,
    manifest: String,
    #[serde(flatten)]
    received: Received,
}

pub(super) fn run(arguments: ReceiveArgs, session: &Session) -> Result<()> {
    root::require("receiving a bundle", session)?;
    let machine = Machine::this();
    let mut input = BufReader::new(Patient::new(unbuffered_input()?, SILENCE));
    let signed = stream::read_beginning(&mut input)?;
    let verified = install::believe_sent(&signed, arguments.consent, arguments.trust, &machine, session)?;
    if arguments.plan {
        let lacks = receive::plan(&machine, &verified, session.progress())?;
        return session.print(&lacks, told);
    }
    let bundle = stem(&verified.manifest.name, &verified.manifest.version);
    let manifest = verified.digest.to_string();
    let received = receive::receive(&machine, signed, verified, Box::new(input), session.progress())?;
    session.print(&Outcome { bundle, manifest, received }, Outcome::human)
}

/// Standard input without the buffer of the standard library, in which bytes would wait that nobody knows of.
fn unbuffered_input() -> Result<std::fs::File> {
    let input = std::io::stdin().as_fd().try_clone_to_owned().map_err(|error| {
        Error::new(codes::FILE_READ, "there is no standard input").with_source(error).with_help("give it one")
    })?;
    Ok(input.into())
}

fn told(lacks: &Lacks) -> String {
    let Lacks { bundle, bytes, missing, .. } = lacks;
    let count = missing.iter().map(|range| range.count as u64).sum();
    let bundle = escape(bundle);
    match count {
        0 => format!("the store has all of {bundle}\n"),
        count => {
            format!("the store lacks {} of {bundle}, {}\n", human::count(count, "blob"), human::size(*bytes))
        }
    }
}

impl Outcome {
    fn human(&self) -> String {
        let Received { blobs, bytes } = self.received;
        let blobs = human::count(blobs, "blob");
        format!("received {}: {blobs}, {}\n", escape(&self.bundle), human::size(bytes))
    }
}
