//! The journal of a node: what was begun, what came of it, and what is ours (`bundle-spec/journal.md`).
//!
//! One JSON object a line, only ever appended, on the disk before what it announces happens. A line that a power
//! cut has torn is the last one and says nothing. The journal is never asked whether something is done.

use std::io::{self, Write as _};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::machine::{self, Machine};
use super::owned::{Owned, Possessions};
use crate::error::{Error, Result, codes};

/// Where it lies.
pub const PATH: &str = "/var/lib/airlock/journal";

/// Largest journal that is read, in bytes.
const MAX_LENGTH: u64 = 64 * 1024 * 1024;

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase", deny_unknown_fields)]
pub enum Entry {
    /// A command begins to change the node.
    Run {
        /// `install`, `reset`, …
        command: String,
        /// Version of the program.
        version: String,
        /// When, RFC 3339 in UTC, by the clock of the node.
        at: String,
    },
    /// A step begins.
    Begin {
        /// Its name.
        step: String,
    },
    /// A step has ended, and the world is as it should be.
    End {
        /// Its name.
        step: String,
    },
    /// A step could not be ended.
    Failed {
        /// Its name.
        step: String,
        /// The code of the error.
        code: String,
    },
    /// The machine is to be restarted before the next step.
    Reboot {
        /// The boot that has to end: `/proc/sys/kernel/random/boot_id`.
        boot: String,
    },
    /// Something is about to be made that is ours from then on.
    Owns {
        /// What.
        owned: Owned,
    },
    /// The program that the last step has put in place goes on, with a run of its own.
    Handover,
    /// Something is ours no more: it is gone.
    Disowns {
        /// What.
        owned: Owned,
    },
    /// The command has done everything.
    Finished,
}

/// The journal, open for writing.
pub struct Journal {
    file: fs::File,
    owned: Possessions,
    last: Vec<Entry>,
}

impl Journal {
    /// Opens the journal of a machine, makes it if it is missing, and cuts off a torn last line. The caller
    /// holds the [`lock`](super::lock) of the node.
    ///
    /// # Errors
    /// [`codes::NODE_JOURNAL`] if a line cannot be understood, [`codes::NODE_FILE`] if it cannot be read.
    pub fn open(machine: &Machine) -> Result<Journal> {
        use fs::os::unix::fs::OpenOptionsExt as _;
        let path = machine.path(PATH);
        let open = || -> io::Result<(fs::File, String)> {
            if let Some(above) = path.parent() {
                fs::create_dir_all(above)?;
            }
            let mut options = fs::OpenOptions::new();
            let file = options.read(true).append(true).create(true).mode(0o600).open(&path)?;
            let text = whole_lines(&file)?;
            Ok((file, text))
        };
        let (file, text) = open().map_err(|error| machine::failed("read", PATH, error))?;
        let mut journal = Journal { file, owned: Possessions::default(), last: Vec::new() };
        for entry in parse(&text)? {
            journal.remember(entry);
        }
        Ok(journal)
    }

    /// What the journal of a machine says, without changing it; for `status` and `preflight`.
    ///
    /// # Errors
    /// As for [`Journal::open`].
    pub fn read(machine: &Machine) -> Result<Vec<Entry>> {
        let text = machine.read_text(PATH)?.unwrap_or_default();
        parse(&text[..text.rfind('\n').map_or(0, |end| end + 1)])
    }

    /// Everything that is ours on a machine, without changing anything.
    ///
    /// # Errors
    /// As for [`Journal::open`].
    pub fn possessions(machine: &Machine) -> Result<Possessions> {
        let mut ours = Possessions::default();
        for entry in Journal::read(machine)? {
            match entry {
                Entry::Owns { owned } => drop(ours.add(owned)),
                Entry::Disowns { owned } => ours.remove(&owned),
                _ => {}
            }
        }
        Ok(ours)
    }

    /// Adds a line and waits until it is on the disk.
    ///
    /// # Errors
    /// [`codes::NODE_FILE`].
    pub fn add(&mut self, entry: Entry) -> Result<()> {
        let mut line = serde_json::to_vec(&entry)
            .map_err(|error| Error::new(codes::INTERNAL, "an entry is no JSON").with_source(error))?;
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        written.map_err(|error| machine::failed("write", PATH, error))?;
        self.remember(entry);
        Ok(())
    }

    /// Records that something is ours, unless that is known.
    ///
    /// # Errors
    /// [`codes::NODE_FILE`].
    pub fn own(&mut self, owned: Owned) -> Result<()> {
        match self.owned.clone().add(owned.clone()) {
            true => self.add(Entry::Owns { owned }),
            false => Ok(()),
        }
    }

    /// Everything that is ours.
    pub fn owned(&self) -> &Possessions {
        &self.owned
    }

    /// What happened since the last run began, that included.
    pub fn last_run(&self) -> &[Entry] {
        &self.last
    }

    fn remember(&mut self, entry: Entry) {
        match &entry {
            Entry::Run { .. } => self.last.clear(),
            Entry::Owns { owned } => drop(self.owned.add(owned.clone())),
            Entry::Disowns { owned } => self.owned.remove(owned),
            _ => {}
        }
        self.last.push(entry);
    }
}

/// Everything up to the last end of a line; what is behind it is cut off.
fn whole_lines(file: &fs::File) -> io::Result<String> {
    use std::io::Read as _;
    if file.metadata()?.len() > MAX_LENGTH {
        return Err(io::Error::other("it is larger than 64 MiB"));
    }
    let mut bytes = Vec::new();
    let mut reader = file;
    reader.read_to_end(&mut bytes)?;
    let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    if end < bytes.len() {
        file.set_len(end as u64)?;
        bytes.truncate(end);
    }
    String::from_utf8(bytes).map_err(io::Error::other)
}

fn parse(text: &str) -> Result<Vec<Entry>> {
    let parse = |(index, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| {
            Error::new(codes::NODE_JOURNAL, format!("line {} of {PATH} cannot be understood", index + 1))
                .with_help("a newer airlock may have written it: use that one, or the airlock of the medium")
                .with_source(error)
        })
    };
    text.lines().enumerate().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::node::machine::SystemPrograms;

    fn machine(directory: &tempfile::TempDir) -> Machine {
        Machine::new(directory.path(), Arc::new(SystemPrograms))
    }

    fn run(command: &str) -> Entry {
        Entry::Run {
            command: command.to_owned(),
            version: "1".to_owned(),
            at: "2026-01-01T00:00:00Z".to_owned(),
        }
    }

    #[test]
    fn what_was_written_is_known_to_the_next_run() {
        let directory = tempfile::tempdir().unwrap();
        let owned = Owned::File { path: "/a".to_owned() };
        let mut journal = Journal::open(&machine(&directory)).unwrap();
        journal.add(run("install")).unwrap();
        journal.own(owned.clone()).unwrap();
        journal.own(owned.clone()).unwrap();
        journal.add(Entry::Finished).unwrap();
        journal.add(run("reset")).unwrap();
        drop(journal);
        let mut journal = Journal::open(&machine(&directory)).unwrap();
        assert!(journal.owned().has_file("/a"));
        assert_eq!(journal.last_run(), [run("reset")]);
        assert_eq!(Journal::read(&machine(&directory)).unwrap().len(), 4, "owned once");
        journal.add(Entry::Disowns { owned }).unwrap();
        assert!(Journal::open(&machine(&directory)).unwrap().owned().is_empty());
    }

    #[test]
    fn a_torn_line_is_cut_off_at_every_length() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(PATH.trim_start_matches('/'));
        let mut journal = Journal::open(&machine(&directory)).unwrap();
        journal.add(run("install")).unwrap();
        let first = fs::read(&path).unwrap();
        journal.add(Entry::Begin { step: "signers".to_owned() }).unwrap();
        let both = fs::read(&path).unwrap();
        for length in first.len()..both.len() {
            fs::write(&path, &both[..length]).unwrap();
            assert_eq!(Journal::read(&machine(&directory)).unwrap().len(), 1);
            assert_eq!(Journal::open(&machine(&directory)).unwrap().last_run(), [run("install")]);
            assert_eq!(fs::read(&path).unwrap(), first);
        }
    }

    #[test]
    fn a_line_that_nobody_understands_is_an_error_with_its_number() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(PATH.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "{\"event\":\"finished\"}\n{\"event\":\"teleport\"}\n").unwrap();
        let error = Journal::open(&machine(&directory)).err().unwrap();
        assert_eq!(error.code(), codes::NODE_JOURNAL);
        assert!(error.message().contains("line 2"));
    }
}
