//! `kubectl` of k3s on the node itself.

use std::time::Duration;

use super::paths;
use crate::node::machine::{Call, Finished};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(20);

/// A call with everything that the admin may do; only on servers.
pub fn admin<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Call {
    with(paths::KUBECONFIG, arguments)
}

/// A call with what the kubelet of this node may do: it may see its own node.
pub fn kubelet<'a>(data_directory: &str, arguments: impl IntoIterator<Item = &'a str>) -> Call {
    with(&format!("{data_directory}/agent/kubelet.kubeconfig"), arguments)
}

fn with<'a>(kubeconfig: &str, arguments: impl IntoIterator<Item = &'a str>) -> Call {
    Call::new(paths::PROGRAM).with(["kubectl", "--kubeconfig", kubeconfig]).with(arguments).within(ANSWER)
}

/// The line of a failed call that says why.
pub fn last_line(finished: &Finished) -> String {
    finished.errors.trim().lines().last().unwrap_or("kubectl failed and said nothing").to_owned()
}
