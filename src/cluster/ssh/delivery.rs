//! Brings our program to a host.

use std::io;
use std::thread;
use std::time::Duration;

use super::connection::Caller;
use super::first_touch::FirstTouch;
use super::program::Program;
use super::scripts;
use crate::cluster::remote::Failure;
use crate::cluster::remote::failure::with_words;
use crate::error::{Error, Result, codes};
use crate::progress::Event;

/// How long the program may take on its way to a host.
const TRANSFER: Duration = Duration::from_secs(30 * 60);

impl Caller<'_> {
    /// Whether the host can say that everything has arrived.
    pub(super) fn check_can_receive(&self, touched: &FirstTouch) -> Result<()> {
        if touched.has_sha256sum {
            return Ok(());
        }
        Err(Error::new(
            codes::HOST_PROGRAM,
            format!("{} has no `sha256sum`, so nothing can be brought there safely", self.host.name),
        )
        .with_help("install the package `coreutils` on the host"))
    }

    /// Sends the program.
    pub(super) fn send(&self, program: &Program) -> Result<()> {
        let name = &self.host.name;
        let note = format!("{name}: airlock is copied there, {}", mebibytes(program.size));
        self.settings.progress.event(Event::Note { text: &note });
        let mut file = fs_err::File::open(&program.path).map_err(|error| unreadable(program, error))?;
        let mut process = self.session(&scripts::receive(program))?;
        let mut pipe = process.input.take();
        let (last, copied) = thread::scope(|scope| {
            // When the pipe is closed, the other side has all of it. Whoever does not read it says why.
            let pump = scope.spawn(move || pipe.take().map_or(Ok(0), |mut pipe| copy(&mut file, &mut pipe)));
            let last = self.end_of(&mut process, TRANSFER);
            process.kill();
            (last, pump.join())
        });
        let last = last?;
        match (last.status, copied) {
            (_, Ok(Err(error))) => Err(unreadable(program, error)),
            (Some(0), _) => Ok(()),
            (Some(255) | None, _) => Err(self.failed(Failure::Ended(last), None)),
            (Some(scripts::NO_PLACE), _) => Err(with_words(Error::new(codes::HOST_PROGRAM, format!("{name} has no place for the program ({})", mebibytes(program.size))), &last)
                .with_help("the home of the user, `/var/tmp`, `/run/user` and `/tmp` are full, read-only or `noexec`: make room, or mount one of them with `exec`")),
            _ => Err(with_words(Error::new(codes::HOST_PROGRAM, format!("the program was damaged on its way to {name}")), &last)
                .with_help("see whether the disk of the host is full or broken (`df -h`, `dmesg`); then run the same command again")),
        }
    }
}

/// Copies until the end. Errors of reading are errors; those of writing show at the other side.
fn copy(file: &mut fs_err::File, pipe: &mut impl io::Write) -> io::Result<u64> {
    use std::io::Read as _;
    let (mut buffer, mut total) = (vec![0; 128 * 1024], 0);
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 || pipe.write_all(&buffer[..count]).is_err() {
            return Ok(total);
        }
        total += count as u64;
    }
}

fn unreadable(program: &Program, error: io::Error) -> Error {
    Error::new(codes::HOST_PROGRAM, format!("the program `{}` cannot be read", program.path.display()))
        .with_help("name the file of an airlock program by `--program FILE`")
        .with_source(error)
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}
