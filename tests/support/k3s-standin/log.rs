//! Log lines as k3s writes them: the text format of logrus, on stderr, from where systemd takes them.

use std::io::{self, Write as _};

/// Something that goes as it should.
pub fn info(message: &str) {
    line("info", message);
}

/// Something odd that does no harm.
pub fn warning(message: &str) {
    line("warning", message);
}

/// Something that is tried again.
pub fn error(message: &str) {
    line("error", message);
}

/// What ends the process.
pub fn fatal(message: &str) {
    line("fatal", message);
}

fn line(level: &str, message: &str) {
    let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    // Without a reader there is nobody to tell.
    let _ = writeln!(io::stderr(), "time=\"{time}\" level={level} msg={message:?}");
}
