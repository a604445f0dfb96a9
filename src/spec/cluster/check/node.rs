//! What a host is in the cluster: interface, labels, taints, GPU, mounts.

use std::collections::BTreeMap;

use super::host::Effective;
use super::value;
use crate::cluster::inventory::NfsMount;
use crate::error::Result;
use crate::node::settings::{Gpu, Taint, grammar};
use crate::quote::quote;
use crate::spec::check::text::text;
use crate::spec::check::{Check, again, refused};
use crate::spec::raw::Text;
use crate::spec::raw::either::Switch;
use crate::spec::source::Source;
use crate::spec::yaml::Located;

pub(super) fn interface(source: &Source<'_>, value: &Text) -> Result<String> {
    value::fitting(source, value, "the name of an interface", |name| {
        grammar::check_interface(name)
            .map_err(|_| "a name such as `eth1`, up to 15 characters; `ip link` lists them")
    })
}

/// Labels of all hosts and of this one, which come first.
pub(super) fn labels(check: &mut Check<'_>, effective: &Effective<'_>) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    for host in effective.defaults.into_iter().chain([effective.own]) {
        for (key, value) in host.labels.as_ref().map(|labels| labels.0.as_slice()).unwrap_or_default() {
            let label = check.keep(label(check.source, key, value))?;
            labels.insert(label.0, label.1);
        }
    }
    Some(labels)
}

fn label(source: &Source<'_>, key: &Text, value: &Text) -> Result<(String, String)> {
    let (name, content) = (text(source, key)?, label_value(source, value)?);
    match grammar::check_label(name, content) {
        Ok(()) => Ok((name.to_owned(), content.to_owned())),
        Err(why) => {
            let message = format!("`{}={}` cannot be a label", quote(name), quote(content));
            let help = format!("the rule of Kubernetes: {why}");
            Err(refused(source, &value.span, message, help))
        }
    }
}

/// A label may be empty.
fn label_value<'a>(source: &Source<'_>, value: &'a Text) -> Result<&'a str> {
    if value.value.is_empty() { Ok("") } else { text(source, value) }
}

pub(super) fn taints(check: &mut Check<'_>, effective: &Effective<'_>) -> Option<Vec<Taint>> {
    let list = effective.get(|host| &host.taints).map(|list| list.value.as_slice()).unwrap_or_default();
    let mut seen: Vec<Taint> = Vec::new();
    for value in list {
        let help =
            "Kubernetes allows `KEY=VALUE:EFFECT`, each part with up to 63 letters, digits, `-`, `_` and `.`";
        let taint: Taint = check.keep(value::parsed(check.source, value, help))?;
        if seen.iter().any(|other| other.identity() == taint.identity()) {
            let message = format!("a taint `{}` stands twice", quote(&taint.identity()));
            return check.keep(Err(again(check.source, &value.span, message, "delete one of the two")));
        }
        seen.push(taint);
    }
    Some(seen)
}

pub(super) fn gpu(source: &Source<'_>, value: &Located<Switch>) -> Result<Gpu> {
    let word = match &value.value {
        Switch::Wanted(true) => return Ok(Gpu::Yes),
        Switch::Wanted(false) => return Ok(Gpu::No),
        Switch::This(word) => word,
    };
    match word.to_ascii_lowercase().as_str() {
        "auto" => Ok(Gpu::Auto),
        "yes" | "true" => Ok(Gpu::Yes),
        "no" | "false" => Ok(Gpu::No),
        _ => {
            let message = format!("`{}` does not say whether the node has a GPU", quote(word));
            Err(refused(source, &value.span, message, "write `true`, `false` or `auto`"))
        }
    }
}

pub(super) fn nfs(check: &mut Check<'_>, effective: &Effective<'_>) -> Option<Vec<NfsMount>> {
    let list = effective.get(|host| &host.nfs).map(Vec::as_slice).unwrap_or_default();
    let mut mounts: Vec<NfsMount> = Vec::new();
    for entry in list {
        let mount = super::nfs::mount(check, entry)?;
        if mounts.iter().any(|other| other.path == mount.path) {
            let message = format!("`{}` is mounted twice", quote(&mount.path));
            return check.keep(Err(again(check.source, &entry.span, message, "delete one of the two")));
        }
        mounts.push(mount);
    }
    Some(mounts)
}
