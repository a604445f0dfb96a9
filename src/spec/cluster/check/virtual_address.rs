//! The address in front of the servers.

use super::{host, value};
use crate::cluster::inventory::{VirtualAddress, VirtualAddressMode, Vrrp};
use crate::error::{Result, codes};
use crate::node::settings::grammar;
use crate::quote::quote;
use crate::spec::check::list::one_of;
use crate::spec::check::{Check, lacking, refused};
use crate::spec::cluster::raw;
use crate::spec::raw::Text;
use crate::spec::raw::either::TextOr;
use crate::spec::source::Source;
use crate::spec::yaml::Located;

/// Port of the Kubernetes API.
pub(in crate::spec::cluster) const API_PORT: u16 = 6443;
/// Where haproxy listens on servers, where [`API_PORT`] is taken.
pub(in crate::spec::cluster) const SERVER_PORT: u16 = 8443;
/// Port of the status page of haproxy.
pub(in crate::spec::cluster) const STATUS_PORT: u16 = 8404;

/// The modes as they are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Keepalived,
    Haproxy,
    KubeVip,
    External,
}

const MODES: [(&str, Mode); 4] = [
    ("keepalived", Mode::Keepalived),
    ("haproxy", Mode::Haproxy),
    ("kube-vip", Mode::KubeVip),
    ("external", Mode::External),
];

/// `Some(None)` if there is none, `None` if it is wrong.
pub(super) fn virtual_address(check: &mut Check<'_>, raw: &raw::Cluster) -> Option<Option<VirtualAddress>> {
    let Some(entry) = raw.virtual_address.as_ref() else { return Some(None) };
    let source = check.source;
    let balancers = raw.balancers.as_ref().is_some_and(|balancers| !balancers.value.is_empty());
    let named;
    let fields = match &entry.value {
        TextOr::Map(fields) => fields,
        TextOr::Text(host) => {
            let host = Located { value: host.clone(), span: entry.span.clone() };
            named = raw::VirtualAddress { host: Some(host).into(), ..raw::VirtualAddress::default() };
            &named
        }
    };
    let Some(host) = fields.host.as_ref() else {
        let help = "add `host: ADDRESS`: one that no machine has yet";
        return check.keep(Err(lacking(source, &entry.span, "the virtual address has no `host`", help)));
    };
    let mode = check.optional(fields.mode.as_ref(), |source, mode| one_of(source, "mode", mode, &MODES))?;
    let mode = mode.unwrap_or(if balancers { Mode::Haproxy } else { Mode::Keepalived });
    if balancers && mode != Mode::Haproxy {
        let span = fields.mode.as_ref().map_or(&entry.span, |mode| &mode.span);
        let message = "there are balancers, which only the mode `haproxy` uses";
        return check.keep(Err(refused(
            source,
            span,
            message,
            "write `mode: haproxy`, or delete the balancers",
        )));
    }
    check.keep(nothing_for_another_mode(source, fields, mode))?;
    let host = check.keep(address(source, host, mode));
    let mode = with_details(check, fields, mode, balancers, host.as_deref());
    Some(Some(VirtualAddress { host: host?, mode: mode? }))
}

/// An address; a load balancer of the site may have a name.
fn address(source: &Source<'_>, host: &Text, mode: Mode) -> Result<String> {
    if mode == Mode::External {
        return value::fitting(source, host, "the address of a load balancer", |name| {
            grammar::check_host(value::unbracketed(name))
                .map_err(|_| "an IP address, or a name in small letters")
        })
        .map(|name| value::unbracketed(&name).to_owned());
    }
    value::address(source, host).map(|address| address.to_string())
}

/// Refuses keys that have no meaning in a mode.
fn nothing_for_another_mode(source: &Source<'_>, fields: &raw::VirtualAddress, mode: Mode) -> Result<()> {
    use Mode::{External, Haproxy, Keepalived, KubeVip};
    let keys: [(&str, Option<&Text>, &[Mode]); 5] = [
        ("prefix", fields.prefix.as_ref(), &[Keepalived, Haproxy]),
        ("interface", fields.interface.as_ref(), &[Keepalived, Haproxy, KubeVip]),
        ("routerId", fields.router_id.as_ref(), &[Keepalived, Haproxy]),
        ("port", fields.port.as_ref(), &[Haproxy, External]),
        ("statusPort", fields.status_port.as_ref(), &[Haproxy]),
    ];
    let word = |mode: Mode| MODES.iter().find(|(_, known)| *known == mode).map_or("", |(word, _)| *word);
    for (key, value, modes) in keys {
        if let Some(value) = value.filter(|_| !modes.contains(&mode)) {
            let message = format!("`{key}` has no meaning for a virtual address of mode `{}`", word(mode));
            let help = format!("delete `{key}`, or choose another mode");
            return Err(source.error(codes::SPEC_VALUE, message, &value.span, "").with_help(help));
        }
    }
    Ok(())
}

fn with_details(
    check: &mut Check<'_>,
    fields: &raw::VirtualAddress,
    mode: Mode,
    balancers: bool,
    host: Option<&str>,
) -> Option<VirtualAddressMode> {
    let width = if host.is_some_and(|host| host.contains(':')) { 128 } else { 32 };
    let interface = check.optional(fields.interface.as_ref(), host::interface);
    let prefix = check.optional(fields.prefix.as_ref(), |source, value| {
        value::number(source, value, "the length of a prefix", 1..=width)
    });
    let router_id = check.optional(fields.router_id.as_ref(), |source, value| {
        value::number(source, value, "the number of a virtual router", 1..=255)
    });
    let port = check.optional(fields.port.as_ref(), value::port)?;
    let status_port = check.optional(fields.status_port.as_ref(), value::port)?.unwrap_or(STATUS_PORT);
    let vrrp = Vrrp { prefix: prefix?, interface: interface?, router_id: router_id? };
    Some(match mode {
        Mode::Keepalived => VirtualAddressMode::Keepalived(vrrp),
        Mode::KubeVip => VirtualAddressMode::KubeVip { interface: vrrp.interface },
        Mode::External => VirtualAddressMode::External { port: port.unwrap_or(API_PORT) },
        Mode::Haproxy => {
            let port = port.unwrap_or(if balancers { API_PORT } else { SERVER_PORT });
            check.keep(separate_ports(check.source, fields, port, status_port, balancers))?;
            VirtualAddressMode::Haproxy { vrrp, port, status_port }
        }
    })
}

/// haproxy and its status page listen on ports of their own; on servers the port of the API is taken.
fn separate_ports(
    source: &Source<'_>,
    fields: &raw::VirtualAddress,
    port: u16,
    status_port: u16,
    balancers: bool,
) -> Result<()> {
    let culprit = if port == status_port {
        fields.status_port.as_ref().or(fields.port.as_ref())
    } else {
        fields.port.as_ref().filter(|_| !balancers && (port == API_PORT || port == API_PORT + 1))
    };
    match culprit {
        None => Ok(()),
        Some(culprit) => {
            let message =
                format!("port {} is used for something else on the same hosts", quote(&culprit.value));
            Err(refused(source, &culprit.span, message, format!("choose another one, such as {SERVER_PORT}")))
        }
    }
}
