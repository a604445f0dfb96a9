//! What keeps a machine from being installed at all, looked for before anything is planned.

use crate::error::{Error, Result, codes};
use crate::node::availability;
use crate::node::journal::Journal;
use crate::node::k3s::paths;
use crate::node::machine::Machine;
use crate::node::owned::Owned;
use crate::node::settings::Settings;

/// Files that k3s, RKE2 and kubeadm have on every node of theirs.
const FOREIGN: [(&str, &str); 8] = [
    (paths::PROGRAM, "k3s"),
    ("/etc/systemd/system/k3s.service", "k3s"),
    ("/etc/systemd/system/k3s-agent.service", "k3s"),
    ("/usr/local/bin/rke2", "RKE2"),
    ("/usr/bin/rke2", "RKE2"),
    ("/etc/kubernetes/kubelet.conf", "kubeadm"),
    ("/var/snap/microk8s/current", "MicroK8s"),
    ("/etc/k0s/k0s.yaml", "k0s"),
];

/// Stops where a cluster was installed by somebody else: two of them on a machine break each other.
///
/// # Errors
/// [`codes::FOREIGN_CLUSTER`].
pub fn foreign_cluster(machine: &Machine) -> Result<()> {
    let ours = Journal::possessions(machine)?;
    for (path, who) in FOREIGN {
        if machine.metadata(path)?.is_some() && !ours.has_file(path) {
            let message = format!("this machine has {who} already, which airlock has not installed");
            return Err(Error::new(codes::FOREIGN_CLUSTER, message)
                .with_detail(format!("found `{path}`"))
                .with_help(match who {
                    "k3s" => {
                        "if it is not needed any more, remove it with `k3s-uninstall.sh` or \
                              `k3s-agent-uninstall.sh`"
                    }
                    _ => "if it is not needed any more, remove it with its own uninstaller",
                }));
        }
    }
    Ok(())
}

/// Stops where an installed node would become something that it cannot be turned into.
///
/// # Errors
/// [`codes::NODE_CHANGE`].
pub fn change(machine: &Machine, before: Option<&Settings>, now: &Settings) -> Result<()> {
    let Some(before) = before else { return Ok(()) };
    let units = units(before);
    let is_installed = |owned: &Owned| matches!(owned, Owned::Unit { name } if units.contains(name));
    if !Journal::possessions(machine)?.iter().any(is_installed) {
        return Ok(());
    }
    let fixed = [
        ("--role", before.role.name().to_owned(), now.role.name().to_owned()),
        ("--data-dir", before.data_directory.clone(), now.data_directory.clone()),
        ("--cluster-cidr", before.cluster_cidr.to_string(), now.cluster_cidr.to_string()),
        ("--service-cidr", before.service_cidr.to_string(), now.service_cidr.to_string()),
    ];
    match fixed.into_iter().find(|(_, before, now)| before != now) {
        Some((option, before, now)) => {
            let message =
                format!("this node was installed with `{option} {before}`, and cannot become `{now}`");
            Err(Error::new(codes::NODE_CHANGE, message).with_help(format!(
                "leave `{option}` out; or take the node out of the cluster, `airlock node reset`, and install it anew"
            )))
        }
        None => Ok(()),
    }
}

/// Units of which one runs once a node is what it was to be.
fn units(settings: &Settings) -> Vec<String> {
    match settings.role.k3s() {
        Some(role) => vec![format!("{}.service", role.unit())],
        None => {
            let units = settings.virtual_address.iter().flat_map(availability::units);
            units.map(str::to_owned).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::node::machine::SystemPrograms;
    use crate::node::settings::Role;

    fn machine(root: &tempfile::TempDir) -> Machine {
        Machine::new(root.path(), Arc::new(SystemPrograms))
    }

    #[test]
    fn what_somebody_else_has_installed_is_in_the_way() {
        let root = tempfile::tempdir().unwrap();
        let machine = machine(&root);
        foreign_cluster(&machine).unwrap();
        let path = machine.path(paths::PROGRAM);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, "").unwrap();
        let error = foreign_cluster(&machine).unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::FOREIGN_CLUSTER, 7));
        assert!(error.help().unwrap().contains("k3s-uninstall.sh"));
        let mut journal = Journal::open(&machine).unwrap();
        journal.own(Owned::File { path: paths::PROGRAM.to_owned() }).unwrap();
        foreign_cluster(&machine).unwrap();
    }

    #[test]
    fn a_server_never_becomes_an_agent() {
        let root = tempfile::tempdir().unwrap();
        let machine = machine(&root);
        let before = Settings::default();
        let agent = Settings { role: Role::Agent, join: Some("https://a:6443".to_owned()), ..before.clone() };
        change(&machine, None, &agent).unwrap();
        change(&machine, Some(&before), &agent).unwrap();
        let mut journal = Journal::open(&machine).unwrap();
        journal.own(Owned::Unit { name: "k3s.service".to_owned() }).unwrap();
        let error = change(&machine, Some(&before), &agent).unwrap_err();
        assert!(error.message().contains("--role server") && error.message().contains("`agent`"), "{error}");
        let other = Settings { http_port: 8080, ..before.clone() };
        change(&machine, Some(&before), &other).unwrap();
    }
}
