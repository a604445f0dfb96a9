//! The gate between two servers: the datastore takes in one member at a time, and only while all others are well.

use std::time::Duration;

use super::Deployment;
use crate::cluster::fleet;
use crate::cluster::hearsay::OnHost;
use crate::cluster::observe::{self, Node, Part};
use crate::cluster::remote::Remote;
use crate::error::{Error, Result, codes};

/// A learner that stalls for five minutes is dropped.
const OPEN: Duration = Duration::from_secs(10 * 60);
/// How often it is looked at.
const INTERVAL: Duration = Duration::from_secs(3);

impl Deployment<'_> {
    /// Waits until a server is a member that works: ready, and voting in the datastore.
    pub(super) fn gate(&self, entry: &dyn Remote, server: &str) -> Result<()> {
        OnHost { host: server, progress: self.progress }.begins("gate", "Wait until the cluster is well");
        self.wait_for(entry, |nodes| match nodes.iter().find(|node| node.name == server) {
            // Its labels come a moment after itself: before them it looks like an agent.
            Some(Node { part: Part::Agent | Part::Server, ready: Ok(()), .. }) => {
                Some(format!("{server} is not a member of the datastore yet"))
            }
            Some(node) => node.trouble(),
            None => Some(format!("{server} has not registered yet")),
        })
    }

    /// Waits until all servers that are there work, besides the one that is to be changed.
    pub(super) fn gate_before(&self, entry: &dyn Remote, server: &str) -> Result<()> {
        self.wait_for(entry, |nodes| {
            let mut others = nodes.iter().filter(|node| node.part != Part::Agent && node.name != server);
            others.find_map(Node::trouble)
        })
    }

    fn wait_for(&self, entry: &dyn Remote, trouble: impl Fn(&[Node]) -> Option<String>) -> Result<()> {
        let until = self.pause.now() + OPEN;
        loop {
            let seen = observe::nodes(entry);
            let why = match &seen {
                Ok(nodes) => trouble(nodes),
                Err(error) => Some(error.message().to_owned()),
            };
            let Some(why) = why else { return Ok(()) };
            if self.pause.now() >= until {
                let error = unwell(&why);
                return Err(match seen {
                    Ok(_) => error,
                    Err(cause) => error.with_source(cause),
                });
            }
            fleet::go_on(self.stop)?;
            self.pause.wait(INTERVAL);
        }
    }
}

fn unwell(why: &str) -> Error {
    Error::new(codes::CLUSTER_UNHEALTHY, format!("the cluster is not well: {}", crate::quote::escape(why)))
        .with_help("`airlock cluster status` shows all of it, `airlock cluster repair NODE` puts a node right; then run the same command again")
}
