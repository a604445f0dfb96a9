//! What the variables of one host say about it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::document::{Host, Variable};
use super::literal::Value;
use super::notes::Notes;
use super::roles::Meaning;
use super::variables::Field;
use super::{ssh_arguments, values};
use crate::error::{Error, Result, codes};
use crate::quote::quote;
use crate::secret::Secret;
use crate::spec::cluster::raw;
use crate::spec::raw::Text;
use crate::spec::raw::either::Switch;
use crate::spec::source::Source;
use crate::spec::yaml::{Entries, Located};

/// The variables of a host, by what they are about.
pub(super) type Fields<'a> = BTreeMap<Field, &'a Variable>;

/// One host, as far as it is known what it is.
pub(super) struct Subject<'a> {
    /// Its name in the inventory.
    pub alias: &'a str,
    pub host: &'a Host,
    pub fields: &'a Fields<'a>,
    pub meanings: &'a BTreeSet<Meaning>,
    pub is_balancer: bool,
}

impl Subject<'_> {
    /// The host as a `cluster.yaml` would have it. The place of a password is left in `secret`.
    pub fn translate(
        &self,
        source: &Source<'_>,
        notes: &mut Notes<'_>,
        secret: &mut Option<Range<usize>>,
    ) -> Result<raw::Host> {
        self.nothing_impossible(source, notes)?;
        let name = self.node_name(notes);
        let mut raw = raw::Host { name: Some(name).into(), ..raw::Host::default() };
        self.connection(source, &mut raw, notes)?;
        raw.sudo_password = self.sudo_password(source, secret)?;
        raw.address = self.text(source, Field::Address)?.into();
        raw.interface = self.text(source, Field::Interface)?.into();
        raw.nfs = self.nfs(source, notes)?.map(|mount| vec![mount]).into();
        if !self.is_balancer {
            raw.labels = Some(Entries(self.labels(source)?)).filter(|labels| !labels.0.is_empty()).into();
            raw.taints = self.taints(source)?.into();
            raw.gpu = self.gpu(source)?.into();
            let is_registry = self.meanings.contains(&Meaning::Registry);
            raw.registry = is_registry.then(|| Located { value: true, span: self.host.span.clone() }).into();
        }
        Ok(raw)
    }

    fn text(&self, source: &Source<'_>, field: Field) -> Result<Option<Text>> {
        self.fields.get(&field).map(|variable| values::text(source, variable)).transpose()
    }

    fn flag(&self, source: &Source<'_>, field: Field) -> Result<Option<bool>> {
        self.fields.get(&field).map(|variable| values::flag(source, variable)).transpose()
    }

    /// The name in the cluster: small letters, digits and `-`, as Kubernetes wants it.
    fn node_name(&self, notes: &mut Notes<'_>) -> Text {
        let plain = self.alias.trim_matches(['[', ']']).to_ascii_lowercase().replace('_', "-");
        let is_address = plain.parse::<std::net::Ipv6Addr>().is_ok();
        let name = if is_address { plain.replace(':', "-") } else { plain };
        if name != self.alias {
            notes.add(
                &format!("name {}", self.alias),
                &self.host.span,
                format!(
                    "`{}` becomes `{}` in the cluster and on the command line",
                    quote(self.alias),
                    quote(&name)
                ),
                "Kubernetes allows small letters, digits and `-`; nothing has to be done",
            );
        }
        Located { value: name, span: self.host.span.clone() }
    }

    fn connection(&self, source: &Source<'_>, raw: &mut raw::Host, notes: &mut Notes<'_>) -> Result<()> {
        let kind = self.text(source, Field::Connection)?;
        match kind.as_ref().map(|kind| kind.value.as_str()) {
            None | Some("ssh" | "smart" | "paramiko" | "paramiko_ssh" | "ansible.builtin.ssh") => {}
            // Ansible does not look at the variables of SSH either.
            Some("local" | "ansible.builtin.local") => {
                let span = kind.map_or_else(|| self.host.span.clone(), |kind| kind.span);
                raw.local = Some(Located { value: true, span }).into();
                return Ok(());
            }
            Some(other) => {
                let message = format!("airlock does not connect by `{}`", quote(other));
                let span = kind.as_ref().map_or(&self.host.span, |kind| &kind.span);
                return Err(refused(
                    source,
                    span,
                    message,
                    "delete `ansible_connection`, or set it to `ssh` or `local`",
                ));
            }
        }
        let alias = Located { value: self.alias.to_owned(), span: self.host.span.clone() };
        raw.host = Some(self.text(source, Field::Host)?.unwrap_or(alias)).into();
        raw.user = self.text(source, Field::User)?.into();
        raw.port = self.text(source, Field::Port)?.into();
        raw.identity_file = self.text(source, Field::IdentityFile)?.into();
        if let Some(arguments) = self.text(source, Field::SshArguments)? {
            raw.jump = ssh_arguments::jump(source, &arguments, notes)?.into();
        }
        Ok(())
    }

    fn sudo_password(
        &self,
        source: &Source<'_>,
        secret: &mut Option<Range<usize>>,
    ) -> Result<Option<Secret<String>>> {
        let login = self.fields.get(&Field::LoginPassword);
        let password = self.fields.get(&Field::SudoPassword);
        for variable in login.into_iter().chain(password) {
            values::remember_first(secret, &variable.span);
        }
        password.map(|variable| values::secret(source, variable)).transpose()
    }

    /// Refuses what would make the node another one than the inventory says, and names what has no meaning.
    fn nothing_impossible(&self, source: &Source<'_>, notes: &mut Notes<'_>) -> Result<()> {
        if let Some(method) =
            self.text(source, Field::BecomeMethod)?.filter(|method| !method.value.ends_with("sudo"))
        {
            let message = format!("airlock becomes root by sudo, not by `{}`", quote(&method.value));
            return Err(refused(
                source,
                &method.span,
                message,
                "let the user use sudo, or log in as root, and delete this",
            ));
        }
        if let Some(user) = self.text(source, Field::BecomeUser)?.filter(|user| user.value != "root") {
            let message = format!("a node is installed as root, not as `{}`", quote(&user.value));
            return Err(refused(source, &user.span, message, "delete this; who logs in is `ansible_user`"));
        }
        if let Some(docker) = self.fields.get(&Field::DockerWanted).filter(|_| !self.is_balancer)
            && values::flag(source, docker)?
        {
            let message = "`install_docker` asks for docker, and k3s brings containerd instead";
            let help = "set it to `false`; if programs on the node need docker, put `docker.io` under `apt` in \
                        `bundle.yaml`";
            return Err(refused(source, &docker.span, message, help));
        }
        if let Some(arguments) = self.fields.get(&Field::Arguments) {
            let message = format!("arguments for k3s in `{}` are not understood", quote(&arguments.name));
            let help = "write what they should bring about as variables that airlock knows, and delete this; \
                        docs/cluster-yaml.md lists them";
            return Err(refused(source, &arguments.span, message, help));
        }
        self.name_what_has_no_meaning(notes);
        Ok(())
    }

    fn name_what_has_no_meaning(&self, notes: &mut Notes<'_>) {
        for (field, message, help) in [
            (
                Field::LoginPassword,
                "airlock logs in with keys; passwords for SSH are left out",
                "run `ssh-copy-id USER@HOST` once for each host",
            ),
            (
                Field::HostKeyChecking,
                "keys of hosts are always checked",
                "connect to each host once with `ssh`, which asks and remembers",
            ),
            (
                Field::Version,
                "the bundle decides which k3s is installed",
                "write the version under `k3s` in `bundle.yaml`, and delete it here",
            ),
            (
                Field::DockerRepository,
                "images come from the bundle, so a repository for docker is left out",
                "if it is a registry of the site that nodes should pull from, set `site_registry=https://HOST/PROJECT`",
            ),
        ] {
            if let Some(variable) = self.fields.get(&field) {
                notes.add(message, &variable.span, format!("`{}`: {message}", quote(&variable.name)), help);
            }
        }
    }

    fn labels(&self, source: &Source<'_>) -> Result<Vec<(Text, Text)>> {
        let of_group = [(Field::LabelsOfGroup, Meaning::Labelled), (Field::LabelsOfGpus, Meaning::Gpu)];
        let of_group = of_group.into_iter().filter(|(_, meaning)| self.meanings.contains(meaning));
        let fields = of_group.map(|(field, _)| field).chain([Field::Labels]);
        let mut labels: Vec<(Text, Text)> = Vec::new();
        for variable in fields.filter_map(|field| self.fields.get(&field)) {
            labels.extend(values::pairs(source, variable)?);
        }
        Ok(labels)
    }

    fn taints(&self, source: &Source<'_>) -> Result<Option<Located<Vec<Text>>>> {
        let Some(variable) = self.fields.get(&Field::Taints) else { return Ok(None) };
        let value = values::list(source, variable)?;
        Ok(Some(Located { value, span: variable.span.clone() }))
    }

    fn gpu(&self, source: &Source<'_>) -> Result<Option<Located<Switch>>> {
        let said = self.fields.get(&Field::Gpu);
        let in_group = self.meanings.contains(&Meaning::Gpu);
        let gpu = match said {
            Some(variable) if in_group && self.is_own(variable) && !values::flag(source, variable)? => {
                let message =
                    format!("`{}` is in a group of nodes with GPUs, and has none", quote(self.alias));
                return Err(refused(
                    source,
                    &variable.span,
                    message,
                    "take the host out of the group, or delete this",
                ));
            }
            _ if in_group => Some(Located { value: Switch::Wanted(true), span: self.host.span.clone() }),
            Some(variable) if variable.value == Value::Text("auto".to_owned()) => None,
            Some(variable) => Some(Located {
                value: Switch::Wanted(values::flag(source, variable)?),
                span: variable.span.clone(),
            }),
            None => None,
        };
        let has_gpu = gpu.as_ref().is_some_and(|gpu| matches!(gpu.value, Switch::Wanted(true)));
        if has_gpu && self.flag(source, Field::DriverWanted)? == Some(false) {
            let span =
                self.fields.get(&Field::DriverWanted).map_or(&self.host.span, |variable| &variable.span);
            let message = format!("`{}` has a GPU, and its driver is not to be installed", quote(self.alias));
            let help = "the bundle decides that: leave `driver` out under `nvidia` in `bundle.yaml`, and delete this";
            return Err(refused(source, span, message, help));
        }
        Ok(gpu)
    }

    /// Whether a variable stands on a line of the host itself.
    fn is_own(&self, variable: &Variable) -> bool {
        self.host.lines.iter().flat_map(|line| line.iter()).any(|own| std::ptr::eq(own, variable))
    }

    fn nfs(&self, source: &Source<'_>, notes: &mut Notes<'_>) -> Result<Option<Located<raw::Nfs>>> {
        let Some(server) = self.text(source, Field::NfsServer)? else { return Ok(None) };
        let own = self.text(source, Field::Host)?.map(|host| host.value);
        if server.value == self.alias || Some(&server.value) == own.as_ref() {
            let message = format!(
                "`{}` is the server of a network file system, and does not mount it",
                quote(self.alias)
            );
            notes.add(&message, &self.host.span, message.clone(), "nothing has to be done");
            return Ok(None);
        }
        let required = |field: Field, name: &str, what: &str| {
            self.text(source, field)?.ok_or_else(|| {
                let message = format!("there is a server of a network file system, but not {what}");
                refused(source, &server.span, message, &format!("set `{name}=/…`, or delete `nfs_server`"))
            })
        };
        let export = required(Field::NfsExport, "nfs_export", "the directory that it exports")?;
        let path = required(Field::NfsPath, "nfs_mount_path", "where it is mounted")?;
        let host = match server.value.parse::<std::net::Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => server.value.clone(),
        };
        let nfs = raw::Nfs {
            source: Some(Located { value: format!("{host}:{}", export.value), span: export.span }).into(),
            path: Some(path).into(),
            options: self.text(source, Field::NfsOptions)?.into(),
        };
        Ok(Some(Located { value: nfs, span: server.span }))
    }
}

/// The error about something that cannot be done, and must not be left out.
pub(super) fn refused(
    source: &Source<'_>,
    span: &Range<usize>,
    message: impl Into<String>,
    help: &str,
) -> Error {
    source.error(codes::INVENTORY_NOT_UNDERSTOOD, message, span, "").with_help(help)
}
