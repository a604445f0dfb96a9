//! A stream that ends in an error when nothing comes any more: the sender is gone, and TCP would not tell for a quarter of
//! an hour (tcp(7), `tcp_retries2`), in which the node would stay locked.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How long nothing may come. A sender that has nothing to say yet sends an empty line (`bundle-spec/receive.md`).
pub const SILENCE: Duration = Duration::from_secs(60);

/// Reads what comes in, and waits for it no longer than that.
pub struct Patient<R> {
    input: R,
    silence: Duration,
}

impl<R> Patient<R> {
    /// Reads from `input`, in which nothing may be buffered.
    pub fn new(input: R, silence: Duration) -> Patient<R> {
        Patient { input, silence }
    }
}

impl<R: Read + AsFd> Read for Patient<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let seconds = i64::try_from(self.silence.as_secs()).unwrap_or(i64::MAX);
        let silence = Timespec { tv_sec: seconds, tv_nsec: i64::from(self.silence.subsec_nanos()) };
        match poll(&mut [PollFd::new(&self.input, PollFlags::IN)], Some(&silence)) {
            // Whoever reads tries again.
            Err(Errno::INTR) => Err(io::ErrorKind::Interrupted.into()),
            Err(error) => Err(error.into()),
            Ok(0) => {
                let told = format!("nothing has come for {} s", self.silence.as_secs());
                Err(io::Error::new(io::ErrorKind::TimedOut, told))
            }
            Ok(_) => self.input.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_comes_is_read_and_silence_is_an_error() {
        let (reader, mut writer) = io::pipe().unwrap();
        let mut patient = Patient::new(reader, Duration::from_millis(20));
        writer.write_all(b"abc").unwrap();
        let mut buffer = [0; 8];
        assert_eq!(patient.read(&mut buffer).unwrap(), 3);
        assert_eq!(patient.read(&mut buffer).unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(writer);
        assert_eq!(patient.read(&mut buffer).unwrap(), 0);
    }
}
