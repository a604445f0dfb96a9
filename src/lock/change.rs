//! How one lock follows another: the serial, and what a reader should be told.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::lock::{Image, K3s, Lock};

/// Gives `new` its serial and date: those of `old` when nothing else differs, else the next serial and `now`.
pub fn succeed(old: Option<&Lock>, mut new: Lock, now: &str) -> Lock {
    new.sort();
    let Some(old) = old else {
        new.serial = 1;
        new.created = now.to_owned();
        return new;
    };
    new.serial = old.serial;
    new.created.clone_from(&old.created);
    if new != *old {
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
        installers.chain(k3s).chain(images).chain(files).collect()
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
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Added { name, to } => write!(formatter, "+ {name}  {}", shorten(to)),
            Change::Removed { name } => write!(formatter, "- {name}"),
            Change::Moved { name, from, to } => {
                write!(formatter, "~ {name}  {} -> {}", shorten(from), shorten(to))
            }
        }
    }
}

/// `sha256:` and the first twelve digits; versions stay whole.
fn shorten(text: &str) -> &str {
    text.get(..19).filter(|_| text.starts_with("sha256:")).unwrap_or(text)
}

/// What changed from `old` to `new`: the bundle as a whole first, then its entries by name.
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
    head.chain(removed).chain(added_or_moved).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::lock::{Download, File, Image, ImagePlatform, Installer, K3s, VERSION};
    use crate::oci::digest::Digest;
    use crate::oci::platform::Platform;

    /// A small lock with one entry of each kind.
    pub(crate) fn example() -> Lock {
        let platform = Platform::LinuxAmd64;
        let download = |url: &str, platform| Download {
            platform,
            url: url.to_owned(),
            digest: Digest::of(url.as_bytes()),
            size: 9,
            authenticated_by: "TLS only".to_owned(),
        };
        Lock {
            lock_version: VERSION,
            serial: 3,
            created: "2026-11-21T07:00:00Z".to_owned(),
            name: "gpu-lab".to_owned(),
            version: "1.30".to_owned(),
            channel: "stable".to_owned(),
            platforms: vec![platform],
            hosts: vec!["debian-12".to_owned()],
            installers: vec![Installer {
                platform,
                version: "0.1.0".to_owned(),
                digest: Digest::of(b"a"),
                size: 1,
            }],
            k3s: Some(K3s {
                request: "channel stable".to_owned(),
                version: "v1.36.3+k3s1".to_owned(),
                binaries: vec![download(
                    "https://github.com/k3s-io/k3s/releases/download/v1.36.3%2Bk3s1/k3s",
                    Some(platform),
                )],
                image_list: None,
            }),
            images: vec![Image {
                name: "docker.io/library/busybox:1.36".to_owned(),
                origin: "registry".to_owned(),
                wanted_by: "bundle.yaml".to_owned(),
                media_type: "application/vnd.oci.image.index.v1+json".to_owned(),
                digest: Digest::of(b"index"),
                size: 5,
                authenticated_by: "tag over TLS".to_owned(),
                platforms: vec![ImagePlatform { platform, manifest: Digest::of(b"manifest") }],
                total_size: 1234,
                referrers: None,
            }],
            files: vec![File {
                path: "/opt/site/motd".to_owned(),
                mode: "0644".to_owned(),
                origin: "./motd".to_owned(),
                allow_secret: false,
                digest: Digest::of(b"motd"),
                size: 4,
                authenticated_by: "local file".to_owned(),
            }],
            apt: Vec::new(),
        }
    }

    #[test]
    fn the_serial_rises_exactly_when_something_changed() {
        let old = example();
        let unchanged =
            succeed(Some(&old), Lock { serial: 0, created: String::new(), ..old.clone() }, "later");
        assert_eq!(unchanged, old);
        let mut moved = old.clone();
        moved.images[0].digest = Digest::of(b"moved");
        let moved = succeed(Some(&old), moved, "later");
        assert_eq!((moved.serial, moved.created.as_str()), (4, "later"));
        assert_eq!(succeed(None, old, "first").serial, 1);
    }

    #[test]
    fn a_version_of_any_characters_is_shown() {
        let mut new = example();
        new.k3s.as_mut().unwrap().version = format!("sha256:x{}", "é".repeat(9));
        let lines: Vec<String> = changes(Some(&example()), &new).iter().map(ToString::to_string).collect();
        assert_eq!(lines, [format!("~ k3s  v1.36.3+k3s1 -> sha256:x{}", "é".repeat(9))]);
    }

    #[test]
    fn changes_name_what_came_went_and_moved() {
        let old = example();
        let mut new = old.clone();
        new.files.clear();
        new.images[0].digest = Digest::of(b"moved");
        let lines: Vec<String> = changes(Some(&old), &new).iter().map(ToString::to_string).collect();
        assert_eq!(lines[0], "- /opt/site/motd");
        assert!(
            lines[1].starts_with("~ docker.io/library/busybox:1.36  sha256:1bc04b5291c2 -> sha256:"),
            "{lines:?}"
        );
        assert_eq!(changes(None, &old).len(), 4);
        assert_eq!(changes(Some(&old), &old), []);
    }

    #[test]
    fn changes_without_another_digest_are_named_too() {
        let old = example();
        let mut new = old.clone();
        new.version = "1.31".to_owned();
        new.files[0].mode = "0600".to_owned();
        new.images[0].referrers = Some(Vec::new());
        let lines: Vec<String> = changes(Some(&old), &new).iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "~ version  1.30 -> 1.31",
                "~ /opt/site/motd  mode 0644 from ./motd -> mode 0600 from ./motd",
                "~ docker.io/library/busybox:1.36  \
                 linux/amd64 with no referrers from registry by bundle.yaml -> \
                 linux/amd64 with 0 referrers from registry by bundle.yaml",
            ]
        );
    }
}
