//! What the names of variables mean.

use crate::spec::suggest::nearest;

/// What a variable is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    // How a host is reached.
    Host,
    User,
    Port,
    IdentityFile,
    Connection,
    SshArguments,
    HostKeyChecking,
    LoginPassword,
    SudoPassword,
    BecomeMethod,
    BecomeUser,
    // What a host is.
    Role,
    Address,
    Interface,
    Gpu,
    Labels,
    LabelsOfGroup,
    LabelsOfGpus,
    Taints,
    NfsServer,
    NfsExport,
    NfsPath,
    NfsOptions,
    // What is done with it.
    DriverWanted,
    DockerWanted,
    DockerRepository,
    Version,
    Arguments,
    // What holds for the cluster.
    Token,
    HttpPort,
    HttpsPort,
    RegistryPort,
    SiteRegistry,
    VirtualAddress,
    VirtualMode,
    VirtualPrefix,
    VirtualInterface,
    RouterId,
    ClusterCidr,
    ServiceCidr,
    DataDirectory,
    ServerNames,
    Disable,
    /// Of Ansible itself: how it works, not what it brings about.
    OfAnsible,
}

/// The known names.
const NAMES: &[(Field, &[&str])] = &[
    (Field::Host, &["ansible_host", "ansible_ssh_host"]),
    (Field::User, &["ansible_user", "ansible_ssh_user"]),
    (Field::Port, &["ansible_port", "ansible_ssh_port"]),
    (Field::IdentityFile, &["ansible_ssh_private_key_file", "ansible_private_key_file"]),
    (Field::Connection, &["ansible_connection"]),
    (Field::SshArguments, &["ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args"]),
    (Field::HostKeyChecking, &["ansible_host_key_checking", "ansible_ssh_host_key_checking"]),
    (Field::LoginPassword, &["ansible_password", "ansible_ssh_pass", "ansible_ssh_password"]),
    (
        Field::SudoPassword,
        &[
            "ansible_become_pass",
            "ansible_become_password",
            "ansible_sudo_pass",
            "ansible_sudo_password",
            "ansible_su_pass",
        ],
    ),
    (Field::BecomeMethod, &["ansible_become_method"]),
    (Field::BecomeUser, &["ansible_become_user", "ansible_sudo_user"]),
    (Field::Role, &["airlock_role"]),
    (Field::Address, &["node_ip", "k3s_node_ip", "ip", "internal_ip", "private_ip"]),
    (
        Field::Interface,
        &[
            "my_iface",
            "iface",
            "interface",
            "node_iface",
            "flannel_iface",
            "k3s_flannel_iface",
            "network_interface",
        ],
    ),
    (Field::Gpu, &["has_gpu", "gpu"]),
    (Field::Labels, &["label", "labels", "node_label", "node_labels", "k3s_node_labels", "kube_node_labels"]),
    (Field::LabelsOfGroup, &["kube_label_node_labels"]),
    (Field::LabelsOfGpus, &["kube_nvidia_gpu_node_labels"]),
    (Field::Taints, &["taint", "taints", "node_taint", "node_taints", "k3s_node_taints", "kube_node_taints"]),
    (Field::NfsServer, &["nfs_server", "nfs_host"]),
    (Field::NfsExport, &["nfs_export", "nfs_share", "nfs_path", "nfs_server_path"]),
    (Field::NfsPath, &["nfs_mount", "nfs_mount_path", "nfs_mount_point", "nfs_mount_dir"]),
    (Field::NfsOptions, &["nfs_options", "nfs_mount_options", "nfs_opts"]),
    (Field::DriverWanted, &["install_nvidia_driver"]),
    (Field::DockerWanted, &["install_docker"]),
    (Field::DockerRepository, &["docker_repo", "docker_registry"]),
    (Field::Version, &["k3s_version", "k3s_release_version", "kube_version", "k3s_channel"]),
    (
        Field::Arguments,
        &[
            "k3s_server_args",
            "extra_server_args",
            "extra_server_init_args",
            "k3s_agent_args",
            "extra_agent_args",
            "k3s_extra_args",
            "server_config_yaml",
        ],
    ),
    (
        Field::Token,
        &[
            "convect_token",
            "k3s_token",
            "k3s_cluster_token",
            "cluster_token",
            "k3s_control_token",
            "node_token",
            "token",
        ],
    ),
    (Field::HttpPort, &["http_port", "ingress_http_port"]),
    (Field::HttpsPort, &["https_port", "ingress_https_port"]),
    (Field::RegistryPort, &["registry_port"]),
    (Field::SiteRegistry, &["site_registry"]),
    (
        Field::VirtualAddress,
        &[
            "vip",
            "apiserver_vip",
            "api_vip",
            "kube_vip",
            "kube_vip_address",
            "cluster_vip",
            "virtual_ip",
            "vip_address",
            "lb_vip",
            "keepalived_vip",
        ],
    ),
    (Field::VirtualMode, &["vip_mode"]),
    (Field::VirtualPrefix, &["vip_prefix", "vip_netmask_bits"]),
    (Field::VirtualInterface, &["vip_interface", "keepalived_interface", "kube_vip_interface", "vip_iface"]),
    (Field::RouterId, &["virtual_router_id", "vip_router_id", "keepalived_router_id", "vrid"]),
    (Field::ClusterCidr, &["cluster_cidr", "pod_cidr", "pod_network_cidr", "kube_pods_subnet"]),
    (Field::ServiceCidr, &["service_cidr", "service_network_cidr", "kube_service_addresses"]),
    (Field::DataDirectory, &["data_dir", "k3s_data_dir", "k3s_server_location"]),
    (Field::ServerNames, &["tls_san", "tls_sans", "api_endpoint", "apiserver_endpoint", "server_names"]),
    (Field::Disable, &["k3s_disable", "disable"]),
    (
        Field::OfAnsible,
        &[
            "ansible_python_interpreter",
            "ansible_become",
            "ansible_sudo",
            "ansible_become_exe",
            "ansible_become_flags",
            "ansible_group_priority",
            "ansible_ssh_executable",
            "ansible_ssh_pipelining",
            "ansible_pipelining",
            "ansible_ssh_retries",
            "ansible_ssh_timeout",
            "ansible_timeout",
            "ansible_ssh_transfer_method",
            "ansible_scp_extra_args",
            "ansible_sftp_extra_args",
            "ansible_shell_type",
            "ansible_shell_executable",
            "ansible_remote_tmp",
            "ansible_user_id",
        ],
    ),
];

/// What a variable is about, if it is known.
pub(super) fn field(name: &str) -> Option<Field> {
    NAMES.iter().find(|(_, names)| names.contains(&name)).map(|(field, _)| *field)
}

/// The known name that is most like this one.
pub(super) fn like(name: &str) -> Option<&'static str> {
    nearest(name, NAMES.iter().flat_map(|(_, names)| names.iter().copied()))
}

/// Whether a variable holds for the cluster rather than for one host.
pub(super) fn is_of_cluster(field: Field) -> bool {
    (Field::Token..=Field::Disable).contains(&field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_means_one_thing() {
        let names: Vec<&str> = NAMES.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        for name in &names {
            assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name}");
        }
        assert_eq!(field("ansible_ssh_host"), Some(Field::Host));
        assert!(is_of_cluster(Field::Token) && is_of_cluster(Field::Disable) && !is_of_cluster(Field::Host));
    }
}
