//! How one lock follows another: the serial, and what a reader should be told.

mod packages;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::bundle::diff::packages::PackageChange;
use crate::lock::{Image, K3s, Lock};

/// How many changed packages of one target a reader is shown.
const MOST_PACKAGES: usize = 20;

/// Gives `new` its serial and date: those of `old` when it stands for the same content, else the next serial
/// and `now`.
pub fn succeed(old: Option<&Lock>, mut new: Lock, now: &str) -> Lock {
    new.sort();
    packages::keep_evidence(old, &mut new);
    let Some(old) = old else {
        new.serial = 1;
        new.created = now.to_owned();
        return new;
    };
    new.serial = old.serial;
    new.created.clone_from(&old.created);
    if !new.is_same_content(old) {
        new.serial = old.serial.saturating_add(1);
        new.created = now.to_owned();
    }
    new
}

impl Lock {
    /// Brings every list into the order of the file format.
    pub fn sort(&mut self) {
        self.installers.sort_by_key(|installer| installer.platform);
        self.images.sort_by(|a, b| a.name.cmp(&b.name));
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        self.apt.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// Whether both stand for the same bundle. What `--prove` found out about it is not part of it.
    pub fn is_same_content(&self, other: &Lock) -> bool {
        self.without_evidence() == other.without_evidence()
    }

    fn without_evidence(&self) -> Lock {
        let mut lock = self.clone();
        lock.apt.iter_mut().for_each(|apt| apt.evidence = None);
        lock
    }

    /// Every entry by its name.
    fn entries(&self) -> BTreeMap<String, Entry> {
        let installers = self.installers.iter().map(|entry| {
            let more = format!("airlock {}", entry.version);
            (format!("airlock {}", entry.platform), Entry { pin: entry.digest.to_string(), more })
        });
        let k3s = self.k3s.iter().map(|entry| ("k3s".to_owned(), Entry::of_k3s(entry)));
        let images = self.images.iter().map(|entry| (entry.name.clone(), Entry::of_image(entry)));
        let files = self.files.iter().map(|entry| {
            let secret = if entry.allow_secret { ", may be a secret" } else { "" };
            let more = format!("mode {} from {}{secret}", entry.mode, entry.origin);
            (entry.path.clone(), Entry { pin: entry.digest.to_string(), more })
        });
        let apt = self.apt.iter().map(|entry| (format!("apt:{}", entry.name), Entry::of_apt(entry)));
        installers.chain(k3s).chain(images).chain(files).chain(apt).collect()
    }

    /// What belongs to the bundle as a whole, with the keys of the spec.
    fn head(&self) -> [(&'static str, String); 5] {
        [
            ("name", self.name.clone()),
            ("version", self.version.clone()),
            ("channel", self.channel.clone()),
            ("platforms", joined(&self.platforms)),
            ("hosts", joined(&self.hosts)),
        ]
    }
}

/// What two locks are compared by.
#[derive(Clone, PartialEq, Eq)]
struct Entry {
    /// Its digest or version.
    pin: String,
    /// What else a reader should hear of, when the pin is the same.
    more: String,
}

impl Entry {
    fn of_k3s(k3s: &K3s) -> Entry {
        let platforms: Vec<_> = k3s.binaries.iter().filter_map(|binary| binary.platform).collect();
        let images = if k3s.image_list.is_some() { "with" } else { "without" };
        let url = k3s.binaries.first().map_or("", |binary| &binary.url);
        let more = format!("{} for {} {images} images from {url}", k3s.request, joined(&platforms));
        Entry { pin: k3s.version.clone(), more }
    }

    fn of_image(image: &Image) -> Entry {
        let platforms: Vec<_> = image.platforms.iter().map(|entry| entry.platform).collect();
        let referrers = match &image.referrers {
            Some(found) => format!("{} referrers", found.len()),
            None => "no referrers".to_owned(),
        };
        let Image { origin, wanted_by, .. } = image;
        let more = format!("{} with {referrers} from {origin} by {wanted_by}", joined(&platforms));
        Entry { pin: image.digest.to_string(), more }
    }

    fn change(&self, name: &str, before: Option<&Entry>) -> Option<Change> {
        let name = name.to_owned();
        let moved = |from: &str, to: &str| Change::Moved {
            name: name.clone(),
            from: from.to_owned(),
            to: to.to_owned(),
        };
        match before {
            None => Some(Change::Added { name, to: self.pin.clone() }),
            Some(before) if before.pin != self.pin => Some(moved(&before.pin, &self.pin)),
            Some(before) if before.more != self.more => Some(moved(&before.more, &self.more)),
            Some(_) => None,
        }
    }
}

fn joined(values: &[impl fmt::Display]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// One difference between two locks, as a line for the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "camelCase")]
#[expect(missing_docs, reason = "the text of a variant explains its fields")]
pub enum Change {
    /// The entry is new; `to` is its digest or version.
    Added { name: String, to: String },
    /// The entry is gone.
    Removed { name: String },
    /// The entry moved.
    Moved { name: String, from: String, to: String },
    /// A package of an apt target came, went or moved.
    #[serde(untagged)]
    Package {
        target: String,
        #[serde(flatten)]
        change: PackageChange,
    },
}

impl Change {
    /// The apt target whose package this is about.
    fn target(&self) -> Option<&str> {
        match self {
            Change::Package { target, .. } => Some(target),
            _ => None,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Added { name, to } => write!(formatter, "+ {name}  {}", shorten(to)),
            Change::Removed { name } => write!(formatter, "- {name}"),
            Change::Moved { name, from, to } => {
                write!(formatter, "~ {name}  {} -> {}", shorten(from), shorten(to))
            }
            Change::Package { target, change } => packages::write_line(formatter, target, change),
        }
    }
}

/// `sha256:` and the first twelve digits; versions stay whole.
fn shorten(text: &str) -> &str {
    text.get(..19).filter(|_| text.starts_with("sha256:")).unwrap_or(text)
}

/// What changed from `old` to `new`: the bundle as a whole first, then its entries by name, then the packages of
/// each target.
pub fn changes(old: Option<&Lock>, new: &Lock) -> Vec<Change> {
    let before = old.map(Lock::entries).unwrap_or_default();
    let after = new.entries();
    let heads = old.into_iter().flat_map(|old| old.head().into_iter().zip(new.head()));
    let head = heads.filter(|(before, after)| before != after).map(|((name, from), (_, to))| Change::Moved {
        name: name.to_owned(),
        from,
        to,
    });
    let removed = before
        .keys()
        .filter(|name| !after.contains_key(*name))
        .map(|name| Change::Removed { name: name.clone() });
    let added_or_moved = after.iter().filter_map(|(name, entry)| entry.change(name, before.get(name)));
    head.chain(removed).chain(added_or_moved).chain(packages::changes(old, new)).collect()
}

/// The changes as lines for people. Of the packages of one target at most [`MOST_PACKAGES`] are shown, the others
/// counted: an update of a distribution moves hundreds.
pub fn lines(changes: &[Change]) -> Vec<String> {
    let by_target = changes.chunk_by(|a, b| a.target().is_some() && a.target() == b.target());
    by_target.flat_map(lines_of_target).collect()
}

fn lines_of_target(changes: &[Change]) -> impl Iterator<Item = String> {
    // One line more is better than one that says that there is one more.
    let shown = if changes.len() > MOST_PACKAGES + 1 { MOST_PACKAGES } else { changes.len() };
    let target = changes.first().and_then(Change::target).filter(|_| shown < changes.len());
    let rest = target.map(|target| format!("  {target}: and {} more packages", changes.len() - shown));
    changes[..shown].iter().map(ToString::to_string).chain(rest)
}

#[cfg(test)]
pub(crate) mod tests;
