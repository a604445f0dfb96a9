//! The journal of a node: what was begun, what came of it, and what is ours (`bundle-spec/journal.md`).
//!
//! One JSON object a line, only ever appended, on the disk before what it announces happens. A line that a power
//! cut has torn is the last one and says nothing. The journal is never asked whether something is done.

use std::io::{self, Read as _, Write as _};
use std::path::Path;

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
    /// Where the last whole line ends.
    length: u64,
    owned: Possessions,
    last: Vec<Entry>,
}

impl Journal {
    /// Opens the journal of a machine, makes it if it is missing, and cuts off a torn last line. The caller
    /// holds the [`lock`](super::lock) of the node.
    ///
    /// # Errors
    /// [`codes::NODE_JOURNAL`] if a line cannot be understood, [`codes::NODE_FILE`] and the like if it cannot be
    /// read or made.
    pub fn open(machine: &Machine) -> Result<Journal> {
        let file =
            open_or_make(&machine.path(PATH)).map_err(|error| machine::failed("write", PATH, error))?;
        let bytes = read_whole_lines(&file).map_err(|error| machine::failed("read", PATH, error))?;
        let length = bytes.len() as u64;
        file.set_len(length).map_err(|error| machine::failed("write", PATH, error))?;
        let mut journal = Journal { file, length, owned: Possessions::default(), last: Vec::new() };
        for entry in parse(&bytes)? {
            journal.remember(entry);
        }
        Ok(journal)
    }

    /// What the journal of a machine says, without changing it; for `status` and `preflight`.
    ///
    /// # Errors
    /// As for [`Journal::open`].
    pub fn read(machine: &Machine) -> Result<Vec<Entry>> {
        let read = || read_whole_lines(&fs::File::open(machine.path(PATH))?);
        match read() {
            Ok(bytes) => parse(&bytes),
            Err(error) if machine::is_missing(&error) => Ok(Vec::new()),
            Err(error) => Err(machine::failed("read", PATH, error)),
        }
    }

    /// Everything that is ours on a machine, without changing anything.
    ///
    /// # Errors
    /// As for [`Journal::open`].
    pub fn possessions(machine: &Machine) -> Result<Possessions> {
        Journal::read(machine).map(possessions)
    }

    /// Adds a line and waits until it is on the disk. Where that fails nothing of the line stays.
    ///
    /// # Errors
    /// [`codes::NODE_FILE`], [`codes::NO_SPACE`], [`codes::NODE_DISK`].
    pub fn add(&mut self, entry: Entry) -> Result<()> {
        let mut line = serde_json::to_vec(&entry)
            .map_err(|error| Error::new(codes::INTERNAL, "an entry is no JSON").with_source(error))?;
        line.push(b'\n');
        self.append(&line).map_err(|error| machine::failed("write", PATH, error))?;
        self.remember(entry);
        Ok(())
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        // A part of an earlier line may still be there, if it could not be cut off then.
        if self.file.metadata()?.len() != self.length {
            self.file.set_len(self.length)?;
        }
        let written = self.file.write_all(line).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => self.length += line.len() as u64,
            // A disk that was full in the middle of the line may have space for the next one.
            Err(_) => drop(self.file.set_len(self.length)),
        }
        written
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

    /// Whether nothing has ever been written: it is new.
    pub fn is_empty(&self) -> bool {
        self.length == 0
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

/// A new one is in its directory for good before its first line is: what it announces may be seen after a power cut.
fn open_or_make(path: &Path) -> io::Result<fs::File> {
    use fs::os::unix::fs::OpenOptionsExt as _;
    let mut options = fs::OpenOptions::new();
    options.read(true).append(true);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    let above = path.parent().unwrap_or(path);
    fs::create_dir_all(above)?;
    let file = options.create(true).mode(0o600).open(path)?;
    let directories = [Some(above), above.parent()];
    directories.into_iter().flatten().try_for_each(|directory| fs::File::open(directory)?.sync_all())?;
    Ok(file)
}

/// What is ours by these entries.
pub fn possessions(entries: impl IntoIterator<Item = Entry>) -> Possessions {
    let mut ours = Possessions::default();
    for entry in entries {
        match entry {
            Entry::Owns { owned } => drop(ours.add(owned)),
            Entry::Disowns { owned } => ours.remove(&owned),
            _ => {}
        }
    }
    ours
}

/// Everything up to the last end of a line.
fn read_whole_lines(file: &fs::File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_LENGTH + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_LENGTH {
        return Err(io::Error::other("it is larger than 64 MiB"));
    }
    bytes.truncate(bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1));
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Result<Vec<Entry>> {
    let lines = bytes.split_inclusive(|&byte| byte == b'\n').enumerate();
    lines
        .map(|(index, line)| serde_json::from_slice(line).map_err(|error| unreadable(index + 1, error)))
        .collect()
}

/// Nobody guesses what a line has said: what is ours would be forgotten.
fn unreadable(number: usize, error: serde_json::Error) -> Error {
    let (what, help) = match error.classify() {
        serde_json::error::Category::Data => (
            "cannot be understood",
            "a newer airlock may have written it: use that one, or the airlock of the medium".to_owned(),
        ),
        _ => (
            "is damaged",
            format!(
                "see what is left of it, `sed -n {number}p {PATH}`, and remove it, `sed -i {number}d {PATH}`; then run \
                 the same command again. A reset does not know of what that line alone has named"
            ),
        ),
    };
    Error::new(codes::NODE_JOURNAL, format!("line {number} of {PATH} {what}"))
        .with_help(help)
        .with_source(error)
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
        let newer = &b"{\"event\":\"teleport\"}"[..];
        for (line, help) in [
            (newer, "a newer airlock"),
            (b"{\"event\":\"fin", "`sed -i 2d /var/lib/airlock/journal`"),
            (b"\0\0\0\0", "`sed -i 2d"),
            (b"\xff\xfe", "`sed -i 2d"),
            (b"", "`sed -i 2d"),
        ] {
            let finished = &b"{\"event\":\"finished\"}\n"[..];
            let bytes = [finished, line, b"\n", finished].concat();
            fs::write(&path, &bytes).unwrap();
            for error in
                [Journal::open(&machine(&directory)).err(), Journal::read(&machine(&directory)).err()]
            {
                let error = error.unwrap();
                assert_eq!((error.code(), error.kind().exit_status()), (codes::NODE_JOURNAL, 3));
                assert!(error.message().contains("line 2"), "{error}");
                assert!(error.help().unwrap().contains(help), "{:?}", error.help());
            }
            assert_eq!(fs::read(&path).unwrap(), bytes, "nothing is mended by guessing");
        }
    }

    #[test]
    fn a_line_that_did_not_fit_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(&machine(&directory)).unwrap();
        journal.add(run("install")).unwrap();
        // What a failed write leaves that could not be cut off at once.
        let path = directory.path().join(PATH.trim_start_matches('/'));
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"event\":\"beg").unwrap();
        journal.add(Entry::Finished).unwrap();
        assert_eq!(Journal::read(&machine(&directory)).unwrap(), [run("install"), Entry::Finished]);
    }
}
