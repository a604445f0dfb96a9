//! What all hosts have in common, which is written once, under `defaults`.

use std::path::Path;

use super::secrets::SecretFiles;
use super::text::Writer;
use crate::cluster::inventory::{Connection, Host, Inventory, NfsMount, Role, Ssh};
use crate::node::settings::Gpu;

/// What is the same for all hosts, of the things that can be.
#[derive(Default)]
pub(super) struct Common<'a> {
    pub user: Option<&'a str>,
    pub port: Option<u16>,
    pub identity_file: Option<&'a Path>,
    pub jump: Option<&'a str>,
    pub sudo_password_file: Option<&'a str>,
    pub interface: Option<&'a str>,
    pub gpu: Option<Gpu>,
    pub nfs: Option<&'a [NfsMount]>,
}

impl<'a> Common<'a> {
    /// What the hosts have in common; nothing if there is only one.
    pub fn of(inventory: &'a Inventory, secrets: &'a SecretFiles) -> Common<'a> {
        let hosts = &inventory.hosts;
        if hosts.len() < 2 {
            return Common::default();
        }
        let of_ssh = || hosts.iter().filter_map(ssh);
        let nodes = hosts.iter().filter(|host| host.role != Role::Balancer);
        Common {
            user: same(of_ssh().map(|ssh| ssh.user.as_deref())),
            port: same(of_ssh().map(|ssh| ssh.port)),
            identity_file: same(of_ssh().map(|ssh| ssh.identity_file.as_deref())),
            jump: same(of_ssh().map(|ssh| ssh.jump.as_deref())),
            sudo_password_file: same(hosts.iter().map(|host| secrets.sudo_password_file(host))),
            interface: same(hosts.iter().map(|host| host.interface.as_deref())),
            gpu: same(nodes.map(|host| Some(host.gpu))).filter(|gpu| *gpu != Gpu::Auto),
            nfs: same(hosts.iter().map(|host| Some(host.nfs.as_slice()))).filter(|nfs| !nfs.is_empty()),
        }
    }

    /// Writes the section, if there is anything in it.
    pub fn write(&self, writer: &mut Writer) {
        writer.section("defaults", |writer| {
            writer.text_if("user", self.user);
            writer.plain_if("port", self.port);
            writer.path_if("identityFile", self.identity_file);
            writer.text_if("jump", self.jump);
            writer.text_if("sudoPasswordFile", self.sudo_password_file);
            writer.text_if("interface", self.interface);
            super::gpu(writer, self.gpu);
            super::nfs(writer, self.nfs.unwrap_or_default());
        });
    }
}

fn ssh(host: &Host) -> Option<&Ssh> {
    match &host.connection {
        Connection::Ssh(ssh) => Some(ssh),
        Connection::Local { .. } => None,
    }
}

/// What all of them are, if all of them are the same and something.
fn same<T: PartialEq>(mut values: impl Iterator<Item = Option<T>>) -> Option<T> {
    let first = values.next()??;
    values.all(|value| value.as_ref() == Some(&first)).then_some(first)
}
