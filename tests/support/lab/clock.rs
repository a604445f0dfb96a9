//! A wrong clock, as far as a node can have one: see [`super::node::Node::set_clock_offset`].
//!
//! libfaketime(1) is loaded by the sessions of sshd and by what sudo starts, and by nothing else: the sandbox of sshd
//! itself would not bear it.

use std::path::Path;

use fs_err as fs;

use super::Result;

/// Sets the environment of sessions (sshd_config(5)).
const SESSIONS: &str = "etc/ssh/sshd_config.d/clock.conf";
/// Says where the environment of what sudo starts is (sudoers(5), `env_file`); sudo cleans what it is given.
const SUDOERS: &str = "etc/sudoers.d/clock";
/// That environment.
const ENVIRONMENT: &str = "etc/clock.env";

/// Lets programs of the node with this root believe that it is this many seconds later. sshd reads it when it starts.
pub fn set_offset(root: &Path, seconds: i64) -> Result<()> {
    let library = format!("/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1", std::env::consts::ARCH);
    // As libfaketime has it: a sign, and seconds.
    let offset = format!("{seconds:+}");
    let files = [
        (SESSIONS, format!("SetEnv LD_PRELOAD={library} FAKETIME={offset}\n")),
        (SUDOERS, format!("Defaults env_file=/{ENVIRONMENT}\n")),
        (ENVIRONMENT, format!("LD_PRELOAD={library}\nFAKETIME={offset}\n")),
    ];
    for (name, text) in files {
        let file = root.join(name);
        if seconds != 0 {
            fs::write(file, text)?;
        } else if file.exists() {
            fs::remove_file(file)?;
        }
    }
    Ok(())
}
