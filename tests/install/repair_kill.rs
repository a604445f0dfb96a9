//! Kills a repair at its system calls, as a power cut would. The next one brings it to an end and leaves nothing behind.

use std::path::Path;

use tempfile::TempDir;

use super::aftermath::leftovers;
use super::child::ROOT;
use super::machine::Host;
use super::repair::{damage, medium, mend};
use super::strace;
use super::verify::{check, lines};

/// Not a test of its own: the process that is killed.
#[test]
#[ignore = "started by the test below"]
#[expect(clippy::disallowed_methods, reason = "a test tells its child by a variable where to work")]
fn repairing() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let host = Host::again(Path::new(&root));
    let context = host.context(false);
    mend(&context, &host, medium(&context));
}

/// A node with damage everywhere, and no power.
fn damaged() -> TempDir {
    let host = Host::new();
    host.install(false).unwrap();
    damage(&host);
    host.into_directory()
}

#[test]
fn a_killed_repair_is_brought_to_an_end_by_the_next() {
    if !strace::works() {
        return;
    }
    let mut kills = 0;
    for (call, stride) in [("fsync,fdatasync", 8), ("?rename,?renameat,renameat2", 4)] {
        for number in (1..).step_by(stride) {
            let directory = damaged();
            if !strace::kills("repair_kill::repairing", call, number, directory.path()) {
                break;
            }
            kills += 1;
            let host = Host::booted(directory.path());
            let context = host.context(false);
            let repaired = mend(&context, &host, medium(&context));
            assert_eq!(lines(&check(&context)), [""; 0], "{call} {number}: {repaired:?}");
            assert_eq!(leftovers(&host.machine.path("/")), [""; 0], "{call} {number}");
        }
    }
    assert!(kills > 3, "only {kills} kills");
}
