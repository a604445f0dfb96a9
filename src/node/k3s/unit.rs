//! The systemd unit of k3s, with the settings of upstream's own.

use super::paths;
use crate::node::settings::K3sRole;

/// The text of the unit; `[Service]` is its last section.
pub fn unit(role: K3sRole) -> String {
    let (name, command, program) = (role.unit(), role.command(), paths::PROGRAM);
    format!(
        "# Written by airlock.
[Unit]
Description=Lightweight Kubernetes ({command})
Documentation=https://k3s.io
Wants=network-online.target
After=network-online.target airlock-registry.service

[Install]
WantedBy=multi-user.target

[Service]
Type=notify
EnvironmentFile=-/etc/default/{name}
EnvironmentFile=-/etc/sysconfig/{name}
EnvironmentFile=-/etc/systemd/system/{name}.service.env
# Containers live on while k3s is restarted; `airlock node reset` ends them.
KillMode=process
Delegate=yes
User=root
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStart={program} {command}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_is_in_names_and_command() {
        let text = unit(K3sRole::Agent);
        assert!(text.contains("ExecStart=/usr/local/bin/k3s agent\n"));
        assert!(text.contains("/etc/default/k3s-agent\n"));
        assert!(text.ends_with('\n') && text.rfind("[Service]") > text.rfind("[Install]"));
    }
}
