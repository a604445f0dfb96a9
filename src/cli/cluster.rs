//! `airlock cluster`: many nodes from one inventory.

mod add;
mod change;
mod connect;
mod connecting;
mod cordon;
mod deploy;
mod drain;
mod etcd;
mod inventory;
mod kubeconfig;
mod label;
mod ping;
mod read;
mod record;
mod remove;
mod repair;
mod reset;
mod status;
mod terms;
mod upgrade;

use std::path::PathBuf;

pub(crate) use self::read::read_inventory;
use super::session::Session;
use super::signals::{self, Ending};
use crate::cluster::inventory::{Host, Inventory, Role};
use crate::error::{Error, Result, codes};
use crate::quote::quote;
use crate::spec::suggest::nearest;

/// Work on all machines of a cluster, from one inventory
///
/// The inventory is a `cluster.yaml`, or the Ansible inventory (INI) that is there already.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = false, after_long_help = EXAMPLES)]
pub struct Cluster {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
From an inventory to a cluster:
  airlock cluster ping -i hosts.ini
  airlock cluster deploy -i hosts.ini --bundle /media/stick --plan
  airlock cluster deploy -i hosts.ini --bundle /media/stick
  airlock cluster status -i hosts.ini

`-i` is not needed for a file that is called cluster.yaml. New hosts of the inventory are added by `deploy` as well.";

/// The commands of `airlock cluster`.
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the help is the doc comment of the arguments inside")]
pub enum Command {
    Inventory(inventory::InventoryCommand),
    Ping(ping::PingArgs),
    Deploy(Box<deploy::DeployArgs>),
    Add(Box<add::AddArgs>),
    #[command(flatten)]
    Operation(Operation),
}

/// What is done to a cluster that is there.
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the help is the doc comment of the arguments inside")]
pub enum Operation {
    Status(status::StatusArgs),
    Kubeconfig(kubeconfig::KubeconfigArgs),
    Label(label::LabelArgs),
    Cordon(cordon::CordonArgs),
    Uncordon(cordon::UncordonArgs),
    Drain(drain::DrainArgs),
    Remove(remove::RemoveArgs),
    Repair(repair::RepairArgs),
    Etcd(etcd::EtcdCommand),
    Upgrade(Box<upgrade::UpgradeArgs>),
    Reset(reset::ResetArgs),
}

/// Which inventory, and which of its hosts.
#[derive(Clone, Debug, clap::Args)]
pub struct InventoryOptions {
    /// The inventory: a cluster.yaml, or an Ansible inventory in INI
    #[arg(short, long, value_name = "FILE", default_value = "cluster.yaml")]
    pub inventory: PathBuf,

    /// Only these hosts: their names, or `servers`, `agents`, `balancers`
    #[arg(short, long, value_name = "HOST", value_delimiter = ',')]
    pub limit: Vec<String>,
}

impl InventoryOptions {
    /// The hosts that are meant, in the order of the inventory; all of them unless there is a limit.
    ///
    /// # Errors
    /// [`codes::USAGE`] if there is no such host.
    pub fn selected<'a>(&self, inventory: &'a Inventory) -> Result<Vec<&'a Host>> {
        for name in &self.limit {
            if role(name).is_none() && inventory.host(name).is_none() {
                let near = nearest(name, inventory.hosts.iter().map(|host| host.name.as_str()));
                let help = match near {
                    Some(near) => format!("did you mean `--limit {near}`?"),
                    None => "`airlock cluster inventory show` lists the hosts".to_owned(),
                };
                let message = format!("the inventory has no host `{}`", quote(name));
                return Err(Error::new(codes::USAGE, message).with_help(help));
            }
        }
        let is_meant = |host: &&Host| {
            self.limit.is_empty()
                || self.limit.iter().any(|name| *name == host.name || role(name) == Some(host.role))
        };
        Ok(inventory.hosts.iter().filter(is_meant).collect())
    }
}

/// The hosts of a role, as they are named together.
fn role(word: &str) -> Option<Role> {
    match word {
        "servers" => Some(Role::Server),
        "agents" => Some(Role::Agent),
        "balancers" => Some(Role::Balancer),
        _ => None,
    }
}

impl Cluster {
    /// Runs it until it ends or a signal arrives. Whatever was changing something then tells what it leaves.
    pub(super) fn run(self, session: Session) -> Ending {
        let interruption = session.interruption().clone();
        let work = async move { session.blocking(move |session| self.command.run(session)).await };
        signals::run_in_order(interruption, work)
    }
}

impl Command {
    fn run(self, session: &Session) -> Result<()> {
        match self {
            Command::Inventory(command) => command.run(session),
            Command::Ping(arguments) => ping::run(arguments, session),
            Command::Deploy(arguments) => deploy::run(&arguments, session),
            Command::Add(arguments) => add::run(&arguments, session),
            Command::Operation(operation) => operation.run(session),
        }
    }
}

impl Operation {
    fn run(&self, session: &Session) -> Result<()> {
        match self {
            Operation::Status(arguments) => status::run(arguments, session),
            Operation::Kubeconfig(arguments) => kubeconfig::run(arguments, session),
            Operation::Label(arguments) => label::run(arguments, session),
            Operation::Cordon(arguments) => cordon::run(arguments, true, session),
            Operation::Uncordon(arguments) => cordon::run(&arguments.nodes, false, session),
            Operation::Drain(arguments) => drain::run(arguments, session),
            Operation::Remove(arguments) => remove::run(arguments, session),
            Operation::Repair(arguments) => repair::run(arguments, session),
            Operation::Etcd(command) => command.run(session),
            Operation::Upgrade(arguments) => upgrade::run(arguments, session),
            Operation::Reset(arguments) => reset::run(arguments, session),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::inventory::tests::hosts;
    use crate::spec;

    #[test]
    fn a_limit_names_hosts_or_roles() {
        let text = b"apiVersion: airlock/v1\nkind: Cluster\nservers: [a, b, c]\nagents: [d, e]\n";
        let mut no_secret = |_: &std::path::Path| Err(Error::new(codes::INTERNAL, "none is named"));
        let read =
            spec::cluster::parse(text, "cluster.yaml", std::path::Path::new(""), &mut no_secret).unwrap();
        for (limit, names) in [("", "a b c d e"), ("d,a", "a d"), ("agents", "d e"), ("servers,e", "a b c e")]
        {
            let limit = limit.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
            let options = InventoryOptions { inventory: PathBuf::new(), limit };
            let selected = options.selected(&read.inventory).unwrap();
            let selected: Vec<&str> = selected.iter().map(|host| host.name.as_str()).collect();
            assert_eq!(selected.join(" "), names);
        }
        let unknown = InventoryOptions { inventory: PathBuf::new(), limit: vec!["nod1".to_owned()] };
        let inventory = Inventory { hosts: hosts(&["node1"]), ..read.inventory };
        let error = unknown.selected(&inventory).unwrap_err();
        assert_eq!((error.code(), error.help()), (codes::USAGE, Some("did you mean `--limit node1`?")));
    }
}
