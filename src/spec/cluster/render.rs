//! Writes an [`Inventory`] as a `cluster.yaml` that means the same, as short as a person would.

mod common;
mod secrets;
mod text;

use std::path::Path;

use self::common::Common;
pub use self::secrets::SecretFiles;
use self::text::Writer;
use super::check::USUAL_OPTIONS;
use crate::cluster::inventory::{
    CONCURRENCY, Cluster, Connection, Host, Inventory, NfsMount, Role, Ssh, VirtualAddress,
    VirtualAddressMode, Vrrp,
};
use crate::node::settings::{Cidr, Gpu, REGISTRY_PORT, Settings};

/// The text of a `cluster.yaml` in `directory` that reads as `inventory`, if `secrets` lie beside it.
pub fn render(inventory: &Inventory, secrets: &SecretFiles, directory: &Path) -> String {
    let mut writer = Writer::new(directory);
    writer.line("apiVersion: airlock/v1");
    writer.line("kind: Cluster");
    let has_balancers = inventory.of_role(Role::Balancer).next().is_some();
    if let Some(address) = &inventory.cluster.virtual_address {
        virtual_address(&mut writer, address, has_balancers);
    }
    settings(&mut writer, &inventory.cluster, secrets);
    let common = Common::of(inventory, secrets);
    common.write(&mut writer);
    for (key, role) in [("servers", Role::Server), ("agents", Role::Agent), ("balancers", Role::Balancer)] {
        if inventory.of_role(role).next().is_none() {
            continue;
        }
        writer.line(&format!("{key}:"));
        for one in inventory.of_role(role) {
            host(&mut writer, one, &inventory.cluster, &common, secrets);
        }
    }
    writer.finish()
}

fn virtual_address(writer: &mut Writer, address: &VirtualAddress, has_balancers: bool) {
    writer.line("virtualAddress:");
    writer.indented(|writer| {
        writer.text("host", &address.host);
        match &address.mode {
            VirtualAddressMode::Keepalived(vrrp) => {
                writer.text("mode", "keepalived");
                self::vrrp(writer, vrrp);
            }
            VirtualAddressMode::Haproxy { vrrp, port, status_port } => {
                writer.text("mode", "haproxy");
                self::vrrp(writer, vrrp);
                let usual = if has_balancers { super::check::API_PORT } else { super::check::SERVER_PORT };
                writer.number_unless("port", *port, usual);
                writer.number_unless("statusPort", *status_port, super::check::STATUS_PORT);
            }
            VirtualAddressMode::KubeVip { interface } => {
                writer.text("mode", "kube-vip");
                writer.text_if("interface", interface.as_deref());
            }
            VirtualAddressMode::External { port } => {
                writer.text("mode", "external");
                writer.number_unless("port", *port, super::check::API_PORT);
            }
        }
    });
}

fn vrrp(writer: &mut Writer, vrrp: &Vrrp) {
    writer.plain_if("prefix", vrrp.prefix);
    writer.text_if("interface", vrrp.interface.as_deref());
    writer.plain_if("routerId", vrrp.router_id);
}

fn settings(writer: &mut Writer, cluster: &Cluster, secrets: &SecretFiles) {
    let usual = Settings::default();
    writer.text_if("tokenFile", secrets.token_file());
    writer.texts("serverNames", &cluster.server_names);
    writer.texts("disable", &cluster.disable);
    writer.number_unless("httpPort", cluster.http_port, usual.http_port);
    writer.number_unless("httpsPort", cluster.https_port, usual.https_port);
    writer.number_unless("registryPort", cluster.registry_port, REGISTRY_PORT);
    writer.text_if("siteRegistry", cluster.site_registry.as_deref());
    writer.plain_if("siteRegistryPullAuth", cluster.site_registry_pull_auth.then_some(true));
    for (key, cidr, usual) in [
        ("clusterCidr", cluster.cluster_cidr, Cidr::POD_DEFAULT),
        ("serviceCidr", cluster.service_cidr, Cidr::SERVICE_DEFAULT),
    ] {
        writer.text_if(key, (cidr != usual).then(|| cidr.to_string()).as_deref());
    }
    let directory =
        (cluster.data_directory != usual.data_directory).then_some(cluster.data_directory.as_str());
    writer.text_if("dataDirectory", directory);
    writer.plain_if("shareImages", cluster.share_images);
    writer.plain_if("packages", (cluster.packages != usual.packages).then_some(cluster.packages));
    writer.text_if("target", cluster.target.as_deref());
    writer.plain_if("concurrency", (cluster.concurrency != CONCURRENCY).then_some(cluster.concurrency));
}

fn host(writer: &mut Writer, host: &Host, cluster: &Cluster, common: &Common<'_>, secrets: &SecretFiles) {
    writer.entry(&host.name, |writer| {
        match &host.connection {
            Connection::Local { .. } => writer.plain_if("local", Some(true)),
            Connection::Ssh(ssh) => connection(writer, host, ssh, common),
        }
        let file = secrets.sudo_password_file(host);
        writer.text_if("sudoPasswordFile", file.filter(|_| common.sudo_password_file.is_none()));
        writer.text_if("address", host.address.map(|address| address.to_string()).as_deref());
        writer.text_if("interface", host.interface.as_deref().filter(|_| common.interface.is_none()));
        writer.map("labels", &host.labels);
        let taints: Vec<&str> = host.taints.iter().map(|taint| taint.as_str()).collect();
        writer.texts("taints", &taints);
        let has_own_gpu = host.role != Role::Balancer && common.gpu.is_none();
        gpu(writer, Some(host.gpu).filter(|_| has_own_gpu));
        let usual = host.role == Role::Server && cluster.site_registry.is_none();
        writer.plain_if("registry", (host.has_registry != usual).then_some(host.has_registry));
        if common.nfs.is_none() {
            nfs(writer, &host.nfs);
        }
    });
}

fn connection(writer: &mut Writer, host: &Host, ssh: &Ssh, common: &Common<'_>) {
    writer.text_if("host", (ssh.host != host.name).then_some(ssh.host.as_str()));
    writer.text_if("user", ssh.user.as_deref().filter(|_| common.user.is_none()));
    writer.plain_if("port", ssh.port.filter(|_| common.port.is_none()));
    writer.path_if("identityFile", ssh.identity_file.as_deref().filter(|_| common.identity_file.is_none()));
    writer.text_if("jump", ssh.jump.as_deref().filter(|_| common.jump.is_none()));
    writer.texts("hostKeys", &ssh.host_keys);
}

/// Writes whether there is a GPU, unless it is found out on the host.
fn gpu(writer: &mut Writer, gpu: Option<Gpu>) {
    let wanted = match gpu {
        None | Some(Gpu::Auto) => None,
        Some(Gpu::Yes) => Some(true),
        Some(Gpu::No) => Some(false),
    };
    writer.plain_if("gpu", wanted);
}

fn nfs(writer: &mut Writer, mounts: &[NfsMount]) {
    if mounts.is_empty() {
        return;
    }
    writer.line("nfs:");
    for mount in mounts {
        writer.item("source", &mount.source, |writer| {
            writer.text("path", &mount.path);
            let options = (mount.options != USUAL_OPTIONS).then_some(mount.options.as_str());
            writer.text_if("options", options);
        });
    }
}
