//! `kubectl` of k3s on the node itself.

use std::time::Duration;

use super::paths;
use crate::error::Result;
use crate::node::machine::{Call, Finished, Machine};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(20);

/// A call with everything that the admin may do; only on servers.
pub fn admin<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Call {
    with(paths::KUBECONFIG, arguments)
}

/// A call with what the kubelet of this node may do: it may see its own node.
pub fn kubelet<'a>(data_directory: &str, arguments: impl IntoIterator<Item = &'a str>) -> Call {
    with(&kubelet_config(data_directory), arguments)
}

/// The kubeconfig of the kubelet, which an agent has when it has joined.
pub fn kubelet_config(data_directory: &str) -> String {
    format!("{data_directory}/agent/kubelet.kubeconfig")
}

/// Whether k3s is in place and has never run with this kubeconfig. Then it is not to be asked: whatever it is called
/// for, it first unpacks itself into its data directory, which would be there before the installation has taken it for its
/// own, and would outlive a reset.
///
/// # Errors
/// [`NODE_FILE`](crate::error::codes::NODE_FILE) if that cannot be seen.
pub fn is_to_be_left(machine: &Machine, kubeconfig: &str) -> Result<bool> {
    Ok(machine.metadata(paths::PROGRAM)?.is_some() && machine.metadata(kubeconfig)?.is_none())
}

fn with<'a>(kubeconfig: &str, arguments: impl IntoIterator<Item = &'a str>) -> Call {
    Call::new(paths::PROGRAM).with(["kubectl", "--kubeconfig", kubeconfig]).with(arguments).within(ANSWER)
}

/// The line of a failed call that says why.
pub fn last_line(finished: &Finished) -> String {
    finished.errors.trim().lines().last().unwrap_or("kubectl failed and said nothing").to_owned()
}
