//! What `airlock node preflight --fix` has made: it writes no journal, its files say themselves that they are ours.

use crate::error::Result;
use crate::node::MARKER;
use crate::node::machine::Machine;
use crate::node::owned::{Owned, Possessions};
use crate::node::preflight::mend::{MODULES_FILE, ROUTE_UNIT, SYSCTL_FILE};

/// Adds those that are there. A file under one of the names that does not begin with our mark is somebody else's.
pub(super) fn add(owned: &mut Possessions, machine: &Machine) -> Result<()> {
    for path in [SYSCTL_FILE, MODULES_FILE, ROUTE_UNIT] {
        let text = machine.read_text(path)?.unwrap_or_default();
        if !text.lines().next().is_some_and(|line| line.starts_with('#') && line.contains(MARKER)) {
            continue;
        }
        owned.add(Owned::File { path: path.to_owned() });
        if path == ROUTE_UNIT {
            owned.add(Owned::Unit { name: ROUTE_UNIT.rsplit('/').next().unwrap_or_default().to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::node::machine::SystemPrograms;

    #[test]
    fn only_files_that_begin_with_our_mark_are_ours() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::new(root.path(), Arc::new(SystemPrograms));
        for (path, text) in [
            (
                SYSCTL_FILE,
                "# Written by airlock (node preflight --fix); `airlock node reset` deletes it.\na = 1\n",
            ),
            (MODULES_FILE, "# of the site; replaces what was Written by airlock once\nvxlan\n"),
            (ROUTE_UNIT, "# Written by airlock: k3s needs a default route, and this machine had none.\n"),
        ] {
            let path = machine.path(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        fs_err::write(machine.path(MODULES_FILE), "vxlan\n# Written by airlock\n").unwrap();
        let mut owned = Possessions::default();
        add(&mut owned, &machine).unwrap();
        let file = |path: &str| Owned::File { path: path.to_owned() };
        let unit = Owned::Unit { name: "airlock-default-route.service".to_owned() };
        assert_eq!(owned.iter().cloned().collect::<Vec<_>>(), [file(SYSCTL_FILE), file(ROUTE_UNIT), unit]);
    }
}
