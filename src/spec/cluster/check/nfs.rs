//! Network file systems that a host mounts.

use super::value;
use crate::cluster::inventory::NfsMount;
use crate::error::Result;
use crate::node::nfs;
use crate::node::settings::grammar;
use crate::spec::check::{Check, lacking};
use crate::spec::cluster::raw;
use crate::spec::raw::Text;
use crate::spec::source::Source;
use crate::spec::yaml::{Given, Located};

/// Options, if the file says none.
pub(in crate::spec::cluster) const USUAL_OPTIONS: &str = "defaults";

/// One mount.
pub(super) fn mount(check: &mut Check<'_>, entry: &Located<raw::Nfs>) -> Option<NfsMount> {
    let server = required(check, entry, "source", "HOST:/path", &entry.value.source, source_of);
    let path = required(check, entry, "path", "/data", &entry.value.path, path);
    let options = check.optional(entry.value.options.as_ref(), options);
    Some(NfsMount {
        source: server?,
        path: path?,
        options: options?.unwrap_or_else(|| USUAL_OPTIONS.to_owned()),
    })
}

fn required(
    check: &mut Check<'_>,
    entry: &Located<raw::Nfs>,
    key: &str,
    example: &str,
    value: &Given<Text>,
    rule: fn(&Source<'_>, &Text) -> Result<String>,
) -> Option<String> {
    let source = check.source;
    check.keep(match value.as_ref() {
        Some(value) => rule(source, value),
        None => {
            let message = format!("a network file system has no `{key}`");
            Err(lacking(source, &entry.span, message, format!("add `{key}: {example}`")))
        }
    })
}

/// `HOST:/path`, an IPv6 address in brackets.
fn source_of(source: &Source<'_>, value: &Text) -> Result<String> {
    value::fitting(source, value, "the source of a network file system", |text| {
        let (host, path) = text.rsplit_once(":/").unwrap_or_default();
        let host_fits = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => grammar::check_host(host).is_ok() && !host.contains(':'),
        };
        let path_fits = path.is_empty() || grammar::check_path(&format!("/{path}")).is_ok();
        match host_fits && path_fits {
            true => Ok(()),
            false => Err("`HOST:/path`, such as `nas.lab:/export/data`"),
        }
    })
}

fn path(source: &Source<'_>, value: &Text) -> Result<String> {
    value::fitting(source, value, "a place to mount something", nfs::check_place)
}

fn options(source: &Source<'_>, value: &Text) -> Result<String> {
    value::fitting(source, value, "options of a network file system", |options| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"=,._:/-".contains(&byte);
        match !options.is_empty() && options.bytes().all(fits) && !options.starts_with('-') {
            true => Ok(()),
            false => Err("what nfs(5) lists, joined by commas without spaces: `rw,hard,nfsvers=4.2`"),
        }
    })
}
