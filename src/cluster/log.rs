//! Logs: what was run on each host and what it said, one file a host, for its administrator alone.
//!
//! Standard output is not kept, since a token may be in it, and neither is what a command reads.

use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use fs_err::os::unix::fs::OpenOptionsExt as _;
use jiff::Timestamp;

use super::inventory::Host;
use super::remote::{Answer, Command, Connect, Remote};
use crate::error::{Error, Result, codes};
use crate::node::agent::Program;
use crate::quote::{escape, quote};

/// Longest log of a host, in bytes. Whoever says more says the same for ever, and the disk here is not his.
const LONGEST: u64 = 256 * 1024 * 1024;

/// Goes another way, and writes down what is said there.
pub struct Logged<'a> {
    connect: &'a dyn Connect,
    directory: PathBuf,
}

impl<'a> Logged<'a> {
    /// Logs below this directory, which is made.
    ///
    /// # Errors
    /// [`codes::FILE_WRITE`].
    pub fn new(connect: &'a dyn Connect, directory: &Path) -> Result<Logged<'a>> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| not_written(directory, error))?;
        Ok(Logged { connect, directory: directory.to_owned() })
    }
}

impl Connect for Logged<'_> {
    fn connect(&self, host: &Host) -> Result<Arc<dyn Remote>> {
        let path = self.directory.join(format!("{}.log", host.name));
        let mut options = fs_err::OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).open(&path);
        let file = file.map_err(|error| not_written(&path, error))?;
        let log = Log(Arc::new(Mutex::new(file)));
        match self.connect.connect(host) {
            Ok(remote) => Ok(Arc::new(Listening { remote, log })),
            Err(error) => {
                log.line(&format!("{}: {}", error.code(), error.message()));
                error.details().iter().for_each(|detail| log.line(detail));
                Err(error)
            }
        }
    }
}

/// The log of one host.
#[derive(Clone)]
struct Log(Arc<Mutex<fs_err::File>>);

impl Log {
    /// A full disk here is no reason to stop there.
    fn line(&self, text: &str) {
        if let Ok(mut file) = self.0.lock()
            && file.metadata().is_ok_and(|found| found.len() < LONGEST)
        {
            let _ = writeln!(file, "{:.3} {}", Timestamp::now(), escape(text));
        }
    }
}

struct Listening {
    remote: Arc<dyn Remote>,
    log: Log,
}

impl Remote for Listening {
    fn run(&self, command: Command<'_>, listen: &mut dyn FnMut(&str)) -> Result<Answer> {
        let program = match command.request.program {
            Program::Airlock => "airlock",
            Program::K3s => "k3s",
        };
        self.log.line(&format!("$ {program} {}", command.request.arguments.join(" ")));
        let answer = self.remote.run(command, &mut |line| {
            self.log.line(line);
            listen(line);
        });
        match &answer {
            Ok(answer) => self.log.line(&format!("ended with {}", answer.status)),
            Err(error) => self.log.line(&format!("{}: {}", error.code(), error.message())),
        }
        answer
    }
}

fn not_written(path: &Path, error: std::io::Error) -> Error {
    Error::new(codes::FILE_WRITE, format!("the log `{}` cannot be written", quote(&path.to_string_lossy())))
        .with_help("choose another directory for logs: `--log-dir DIR`")
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::cluster::inventory::tests::hosts;
    use crate::cluster::remote::tests::Scripted;

    struct Way;

    impl Connect for Way {
        fn connect(&self, host: &Host) -> Result<Arc<dyn Remote>> {
            match host.name.as_str() {
                "s1" => {
                    let host =
                        Scripted::default().answering("airlock node token", 0, "canary", "\u{1b}[31mred");
                    Ok(Arc::new(host))
                }
                _ => Err(Error::new(codes::REMOTE_COMMAND, "no route").with_detail("tried 10.0.0.2")),
            }
        }
    }

    #[test]
    fn a_host_does_not_fill_the_disk_here() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("s1.log");
        fs_err::File::create(&log).unwrap().set_len(LONGEST).unwrap();
        let logged = Logged::new(&Way, directory.path()).unwrap();
        let remote = logged.connect(&hosts(&["s1"])[0]).unwrap();
        remote.run(Command::airlock(["node", "token"]), &mut |_| {}).unwrap();
        assert_eq!(fs_err::metadata(&log).unwrap().len(), LONGEST);
    }

    #[test]
    fn logs_hold_what_was_said_and_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let logs = directory.path().join("a/b");
        let logged = Logged::new(&Way, &logs).unwrap();
        let hosts = hosts(&["s1", "w1"]);
        let remote = logged.connect(&hosts[0]).unwrap();
        let mut input = "canary".as_bytes();
        remote.run(Command::airlock(["node", "token"]).with_input(&mut input), &mut |_| {}).unwrap();
        assert!(logged.connect(&hosts[1]).is_err());
        let text = |host: &str| fs_err::read_to_string(logs.join(host)).unwrap();
        let one = text("s1.log");
        assert!(
            one.contains("$ airlock node token")
                && one.contains("\\u{1b}[31mred")
                && one.contains("ended with 0")
        );
        assert!(!one.contains("canary"), "{one}");
        assert!(text("w1.log").contains("no route") && text("w1.log").contains("10.0.0.2"));
        let mode = |path: &Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&logs), mode(&logs.join("s1.log"))), (0o700, 0o600));
    }
}
