//! What on a node is ours: recorded before it is made, so that a reset finds it whatever happened in between.

use serde::{Deserialize, Serialize};

use crate::oci::digest::Digest;

/// Something on the node that is there because of us.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Owned {
    /// A file or link of ours where nothing was before.
    File {
        /// Absolute path.
        path: String,
    },
    /// A file of ours in place of another one, which is kept for the reset.
    Replaced {
        /// Absolute path.
        path: String,
        /// SHA-256 of the file that was there.
        original: Digest,
        /// Its permission bits.
        mode: u32,
        /// Its owner and group.
        owner: (u32, u32),
    },
    /// A directory that was not there before; a reset removes it if it is empty then.
    Directory {
        /// Absolute path.
        path: String,
    },
    /// A directory with everything in it, whoever writes there.
    Tree {
        /// Absolute path.
        path: String,
    },
    /// Lines between our marks in a file of somebody else.
    Block {
        /// Absolute path of the file.
        path: String,
    },
    /// A systemd unit that was enabled or started by us.
    Unit {
        /// Its name, with suffix.
        name: String,
    },
    /// A package that was not installed before.
    Package {
        /// Name and architecture, as `dpkg` prints them: `nfs-common:amd64`.
        name: String,
    },
    /// A package that we hold at its version.
    Hold {
        /// Its name.
        name: String,
    },
    /// A driver that its own installer has put there: NVIDIA's `.run` file.
    Driver {
        /// Its version.
        version: String,
    },
    /// A kernel module that was loaded by us.
    Module {
        /// Its name, with `_`.
        name: String,
    },
    /// A kernel parameter that was changed by us.
    Sysctl {
        /// Its name, with `.`.
        name: String,
        /// Its value before.
        original: String,
    },
}

impl Owned {
    /// The path, for what has one.
    pub fn path(&self) -> Option<&str> {
        match self {
            Owned::File { path }
            | Owned::Replaced { path, .. }
            | Owned::Directory { path }
            | Owned::Tree { path }
            | Owned::Block { path } => Some(path),
            Owned::Unit { .. }
            | Owned::Package { .. }
            | Owned::Hold { .. }
            | Owned::Driver { .. }
            | Owned::Module { .. }
            | Owned::Sysctl { .. } => None,
        }
    }

    /// Whether this is a directory of which everything is ours, `path` among it.
    fn covers(&self, path: &str) -> bool {
        let Owned::Tree { path: tree } = self else { return false };
        path.strip_prefix(tree.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Whether both are about the same thing, so that the first record of it counts.
    fn is_about_the_same(&self, other: &Owned) -> bool {
        let whole_file = |owned: &Owned| matches!(owned, Owned::File { .. } | Owned::Replaced { .. });
        match (self, other) {
            (Owned::Sysctl { name: one, .. }, Owned::Sysctl { name: two, .. }) => one == two,
            _ if whole_file(self) && whole_file(other) => self.path() == other.path(),
            _ => self == other,
        }
    }
}

/// Everything that is ours, in the order in which it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Possessions(Vec<Owned>);

impl Possessions {
    /// Adds something, and tells whether it was new. What is known already keeps its first record: that one
    /// knows what was there before us. What lies in a tree of ours is ours already.
    pub fn add(&mut self, owned: Owned) -> bool {
        let is_covered = |known: &Owned| owned.path().is_some_and(|path| known.covers(path));
        let is_new = !self.0.iter().any(|known| known.is_about_the_same(&owned) || is_covered(known));
        if is_new {
            self.0.push(owned);
        }
        is_new
    }

    /// Takes something away that is ours no more.
    pub fn remove(&mut self, owned: &Owned) {
        self.0.retain(|known| known != owned);
    }

    /// All of it, the newest last.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Owned> {
        self.0.iter()
    }

    /// Whether there is a file of ours at `path`.
    pub fn has_file(&self, path: &str) -> bool {
        self.0.iter().any(|known| match known {
            Owned::File { .. } | Owned::Replaced { .. } => known.path() == Some(path),
            tree => tree.covers(path),
        })
    }

    /// Whether nothing is ours.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Owned {
        Owned::File { path: path.to_owned() }
    }

    #[test]
    fn the_first_record_of_a_thing_counts() {
        let mut possessions = Possessions::default();
        let replaced = Owned::Replaced {
            path: "/etc/hosts".to_owned(),
            original: Digest::of(b"before"),
            mode: 0o644,
            owner: (0, 0),
        };
        assert!(possessions.add(replaced.clone()));
        assert!(!possessions.add(file("/etc/hosts")));
        assert!(possessions.add(Owned::Block { path: "/etc/hosts".to_owned() }));
        let sysctl = |original: &str| Owned::Sysctl { name: "a.b".to_owned(), original: original.to_owned() };
        assert!(possessions.add(sysctl("0")) && !possessions.add(sysctl("1")));
        assert!(possessions.has_file("/etc/hosts") && !possessions.has_file("/etc"));
        possessions.remove(&replaced);
        assert_eq!(possessions.iter().count(), 2);
    }

    #[test]
    fn what_lies_in_a_tree_of_ours_is_ours() {
        let mut possessions = Possessions::default();
        possessions.add(Owned::Tree { path: "/a".to_owned() });
        assert!(!possessions.add(file("/a/b/c")) && possessions.has_file("/a/b/c"));
        assert!(possessions.add(file("/ab")) && !possessions.has_file("/a"));
        assert_eq!(possessions.iter().count(), 2);
    }

    #[test]
    fn it_is_written_as_plain_json() {
        let text = serde_json::to_string(&file("/a")).unwrap();
        assert_eq!(text, r#"{"kind":"file","path":"/a"}"#);
    }
}
