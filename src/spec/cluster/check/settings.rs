//! What holds for the whole cluster, value by value.

use super::value::{self, fitting};
use super::{Secrets, virtual_address};
use crate::cluster::inventory::{CONCURRENCY, Cluster};
use crate::error::Result;
use crate::node::k3s::token::Token;
use crate::node::settings::{Cidr, REGISTRY_PORT, Settings, grammar};
use crate::push::Target;
use crate::quote::quote;
use crate::secret::Secret;
use crate::spec::check::list::list;
use crate::spec::check::text::text;
use crate::spec::check::{Check, refused};
use crate::spec::cluster::raw;
use crate::spec::raw::Text;
use crate::spec::source::Source;

/// Ports that k3s, etcd and the kubelet use (`k3s.md` 4.1).
const TAKEN_PORTS: [std::ops::RangeInclusive<u16>; 6] =
    [22..=22, 2379..=2382, 5001..=5001, 6443..=6444, 10010..=10010, 10248..=10259];

/// Whether k3s, etcd, the kubelet or SSH have a port.
pub(super) fn is_taken(port: u16) -> bool {
    TAKEN_PORTS.iter().any(|taken| taken.contains(&port))
}

/// Everything but the hosts.
pub(super) fn cluster(
    check: &mut Check<'_>,
    raw: &raw::Cluster,
    secrets: &mut Secrets<'_>,
) -> Option<Cluster> {
    let usual = Settings::default();
    let token = token(check, raw, secrets);
    let virtual_address = virtual_address::virtual_address(check, raw);
    let server_names = words(check, "serverNames", raw.server_names.as_ref(), server_name);
    let disable = words(check, "disable", raw.disable.as_ref(), component);
    let ports = ports(check, raw, &usual);
    let site_registry = check.optional(raw.site_registry.as_ref(), site_registry);
    let site_registry_pull_auth = pull_auth(check, raw);
    let networks = networks(check, raw);
    let data_directory = check.optional(raw.data_directory.as_ref(), data_directory);
    let target = check.optional(raw.target.as_ref(), target);
    let concurrency = check.optional(raw.concurrency.as_ref(), |source, value| {
        value::number::<usize>(source, value, "a number of commands", 1..=1000)
    });
    let (http_port, https_port, registry_port) = ports?;
    let (cluster_cidr, service_cidr) = networks?;
    Some(Cluster {
        token: token?,
        virtual_address: virtual_address?,
        server_names: server_names?,
        disable: disable?,
        http_port,
        https_port,
        registry_port,
        site_registry: site_registry?,
        site_registry_pull_auth: site_registry_pull_auth?,
        cluster_cidr,
        service_cidr,
        data_directory: data_directory?.unwrap_or(usual.data_directory),
        share_images: *raw.share_images,
        packages: raw.packages.unwrap_or(usual.packages),
        target: target?,
        concurrency: concurrency?.unwrap_or(CONCURRENCY),
    })
}

fn token(
    check: &mut Check<'_>,
    raw: &raw::Cluster,
    secrets: &mut Secrets<'_>,
) -> Option<Option<Secret<String>>> {
    if let Some(token) = &raw.token {
        return Some(Some(token.clone()));
    }
    let directory = check.directory;
    check.optional(raw.token_file.as_ref(), |source, path| {
        let secret = value::secret(source, directory, path, secrets)?;
        Token::parse(secret.reveal()).map_err(|error| error.with_location(source.location(&path.span, "")))
    })
}

fn words(
    check: &mut Check<'_>,
    key: &str,
    words: Option<&crate::spec::yaml::Located<Vec<Text>>>,
    rule: fn(&Source<'_>, &Text) -> Result<String>,
) -> Option<Vec<String>> {
    words.map_or(Some(Vec::new()), |words| list(check, key, words, rule))
}

fn server_name(source: &Source<'_>, value: &Text) -> Result<String> {
    fitting(source, value, "a name of the servers", |name| {
        grammar::check_host(name)
            .map_err(|_| "an IP address, or a name in small letters such as `k3s.lab.example`")
    })
}

fn component(source: &Source<'_>, value: &Text) -> Result<String> {
    fitting(source, value, "a part of k3s", |name| {
        grammar::check_component(name)
            .map_err(|_| "a name such as `traefik`, `servicelb` or `metrics-server`")
    })
}

fn data_directory(source: &Source<'_>, value: &Text) -> Result<String> {
    fitting(source, value, "the directory of k3s", grammar::check_path)
}

fn target(source: &Source<'_>, value: &Text) -> Result<String> {
    fitting(source, value, "a target of `apt`", |name| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        match (1..=63).contains(&name.len()) && name.bytes().all(fits) && !name.starts_with('-') {
            true => Ok(()),
            false => Err("the name of a target in `bundle.yaml`: a-z, 0-9, `.`, `_` and `-`"),
        }
    })
}

fn site_registry(source: &Source<'_>, value: &Text) -> Result<String> {
    let typed = text(source, value)?;
    let target =
        Target::parse(typed).map_err(|error| error.with_location(source.location(&value.span, "")))?;
    drop(target);
    Ok(typed.to_owned())
}

/// Whether nodes log in to the registry of the site, if there is one.
fn pull_auth(check: &mut Check<'_>, raw: &raw::Cluster) -> Option<bool> {
    let Some(wanted) = raw.site_registry_pull_auth.as_ref().filter(|wanted| wanted.value) else {
        return Some(false);
    };
    if raw.site_registry.is_some() {
        return Some(true);
    }
    let message = "nodes are to log in to the registry of the site, and none is named";
    let help = "name it: `siteRegistry: https://HOST/PROJECT`, or delete this";
    check.keep(Err(refused(check.source, &wanted.span, message, help)))
}

/// The ports for HTTP, HTTPS and the registry: none that is taken, none twice.
fn ports(check: &mut Check<'_>, raw: &raw::Cluster, usual: &Settings) -> Option<(u16, u16, u16)> {
    let wanted = [
        ("httpPort", raw.http_port.as_ref(), usual.http_port),
        ("httpsPort", raw.https_port.as_ref(), usual.https_port),
        ("registryPort", raw.registry_port.as_ref(), REGISTRY_PORT),
    ];
    let mut seen: Vec<(&str, u16, Option<&Text>)> = Vec::new();
    for (key, value, usual) in wanted {
        let port = check.optional(value, value::port)?.unwrap_or(usual);
        let other = seen.iter().find(|(_, other, _)| *other == port);
        // Of two that are the same, the one that was written is meant.
        let culprit = value.or_else(|| other.and_then(|(_, _, value)| *value));
        if let Some(culprit) = culprit.filter(|_| is_taken(port) || other.is_some()) {
            let user = other.map_or("k3s, etcd or SSH".to_owned(), |(other, _, _)| format!("`{other}`"));
            let name = if value.is_some() { key } else { other.map_or(key, |(other, _, _)| other) };
            let user = if value.is_some() { user } else { format!("`{key}`") };
            let message = format!("port {port} of `{name}` is used for {user} on the nodes");
            return check.keep(Err(refused(check.source, &culprit.span, message, "choose another port")));
        }
        seen.push((key, port, value));
    }
    match seen.as_slice() {
        [(_, http, _), (_, https, _), (_, registry, _)] => Some((*http, *https, *registry)),
        _ => None,
    }
}

/// The networks of pods and services, which must not overlap.
fn networks(check: &mut Check<'_>, raw: &raw::Cluster) -> Option<(Cidr, Cidr)> {
    let help = "write the first address and the length of its prefix, such as `10.42.0.0/16`";
    let cidr = |source: &Source<'_>, value: &Text| value::parsed::<Cidr>(source, value, help);
    let pods = check.optional(raw.cluster_cidr.as_ref(), cidr);
    let services = check.optional(raw.service_cidr.as_ref(), cidr);
    let (pods, services) = (pods?.unwrap_or(Cidr::POD_DEFAULT), services?.unwrap_or(Cidr::SERVICE_DEFAULT));
    let culprit = raw.service_cidr.as_ref().or(raw.cluster_cidr.as_ref());
    if let Some(culprit) = culprit.filter(|_| pods.overlaps(&services)) {
        let message = format!("the networks of pods, {pods}, and services, {services}, overlap");
        return check.keep(Err(refused(
            check.source,
            &culprit.span,
            quote(&message),
            "choose another network",
        )));
    }
    Some((pods, services))
}
