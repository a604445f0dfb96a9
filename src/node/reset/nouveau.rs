//! nouveau may load again: our file goes, and the initial RAM disk is made without it.

use std::time::Duration;

use crate::error::{Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::Machine;
use crate::node::nvidia::nouveau::{PATH, is_kept_by_initial_disk, refresh_initial_disk};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// Making an initial RAM disk for every kernel takes a while.
const DEADLINE: Duration = Duration::from_secs(11 * 60);

/// The step that does so. The file stays in the journal until the initial RAM disk is made: [`super::files`]
/// disowns it.
pub(super) struct Nouveau;

impl Step for Nouveau {
    fn name(&self) -> &'static str {
        names::RESET_NOUVEAU
    }

    fn title(&self) -> String {
        "Let nouveau load again".to_owned()
    }

    fn deadline(&self) -> Duration {
        DEADLINE
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let file = machine.metadata(PATH)?.map(|_| Change::new(Verb::Remove, PATH));
        let is_kept = is_kept_by_initial_disk(machine)?;
        let disk = is_kept.then(|| Change::new(Verb::Run, refresh_initial_disk().to_string()));
        Ok(file.into_iter().chain(disk).collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        work.remove_file(PATH)?;
        if is_kept_by_initial_disk(work.machine())? {
            match work.run(refresh_initial_disk()) {
                // Whoever lists such a disk without being able to make one does not boot from it.
                Err(error) if error.code() == codes::NODE_PROGRAM_MISSING => {}
                made => drop(made?),
            }
        }
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::node::driver::execute;
    use crate::node::journal::Journal;
    use crate::node::machine::{Call, Finished, Programs};
    use crate::progress::Silent;

    /// Tools of an initial RAM disk that has our file, until it is made anew.
    #[derive(Default)]
    struct Tools {
        is_made: AtomicBool,
    }

    impl Programs for Tools {
        fn run(&self, call: &Call) -> io::Result<Finished> {
            let output = match call.program() {
                "lsinitramfs" if self.is_made.load(Ordering::Relaxed) => "bin/sh\n".to_owned(),
                "lsinitramfs" => format!("bin/sh\n{}\n", PATH.trim_start_matches('/')),
                "update-initramfs" => {
                    self.is_made.store(true, Ordering::Relaxed);
                    String::new()
                }
                _ => return Err(io::ErrorKind::NotFound.into()),
            };
            Ok(Finished { status: Some(0), output, ..Finished::default() })
        }
    }

    fn machine(root: &Path, has_disk: bool) -> Machine {
        for (path, content) in [("proc/sys/kernel/osrelease", "6.1.0\n"), (PATH.trim_start_matches('/'), "")]
        {
            let path = root.join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, content).unwrap();
        }
        if has_disk {
            fs_err::create_dir_all(root.join("boot")).unwrap();
            fs_err::write(root.join("boot/initrd.img-6.1.0"), "").unwrap();
        }
        Machine::new(root, Arc::new(Tools::default()))
    }

    #[test]
    fn the_initial_disk_is_made_without_our_file_even_if_the_file_went_before() {
        let planned = |machine: &Machine| -> Vec<String> {
            Nouveau.check(machine).unwrap().iter().map(ToString::to_string).collect()
        };
        let root = tempfile::tempdir().unwrap();
        let machine = machine(root.path(), true);
        let refresh = "run update-initramfs -u -k all".to_owned();
        assert_eq!(planned(&machine), [format!("remove {PATH}"), refresh.clone()]);
        fs_err::remove_file(machine.path(PATH)).unwrap();
        assert_eq!(planned(&machine), [refresh]);
        let steps: [Box<dyn Step>; 1] = [Box::new(Nouveau)];
        execute(&steps, &machine, &mut Journal::open(&machine).unwrap(), &Silent).unwrap();
        assert!(planned(&machine).is_empty());
    }

    #[test]
    fn without_an_initial_disk_the_file_is_all() {
        let root = tempfile::tempdir().unwrap();
        let machine = machine(root.path(), false);
        assert_eq!(Nouveau.check(&machine).unwrap().len(), 1);
        let steps: [Box<dyn Step>; 1] = [Box::new(Nouveau)];
        execute(&steps, &machine, &mut Journal::open(&machine).unwrap(), &Silent).unwrap();
        assert!(!machine.path(PATH).exists());
    }
}
