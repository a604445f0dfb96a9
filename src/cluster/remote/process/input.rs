//! What a process reads from us.

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

/// The standard input of a process. When it is dropped the process reads its end.
pub(in crate::cluster) struct Input(UnixStream);

impl Input {
    pub(super) fn of(connection: UnixStream) -> Input {
        Input(connection)
    }
}

impl Write for Input {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // The process that it belongs to has another end of ours.
        let _ = self.0.shutdown(Shutdown::Write);
    }
}
