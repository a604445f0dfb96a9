//! Settings of the kernel, now and at every start.

use super::SYSCTL_FILE;
use super::lines::Lines;
use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::Machine;
use crate::node::owned::Owned;
use crate::node::resource::Resource as _;
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// The step that gives them these values.
pub(super) struct Parameters {
    pub(super) values: Vec<(String, u64)>,
}

impl Parameters {
    fn file(&self) -> Lines {
        let lines = self.values.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        Lines { path: SYSCTL_FILE, lines }
    }

    /// Those that the kernel has with another value: name, value, present value.
    fn different(&self, machine: &Machine) -> Result<Vec<(&str, u64, String)>> {
        let mut different = Vec::new();
        for (name, value) in &self.values {
            let present = machine.read_text(&place(name))?.map(|text| text.trim().to_owned());
            different.extend(
                present
                    .filter(|present| *present != value.to_string())
                    .map(|present| (name.as_str(), *value, present)),
            );
        }
        Ok(different)
    }
}

fn place(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}

/// Whether we may write it; nobody may where it is mounted read-only.
pub(super) fn may_be_set(machine: &Machine, name: &str) -> bool {
    rustix::fs::access(machine.path(&place(name)), rustix::fs::Access::WRITE_OK).is_ok()
}

impl Step for Parameters {
    fn name(&self) -> &'static str {
        names::KERNEL_PARAMETERS
    }

    fn title(&self) -> String {
        "Set kernel parameters".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let set = |(name, value, present)| {
            Change::new(Verb::Replace, name).with_detail(format!("{present} becomes {value}"))
        };
        let file = self.file().check(machine)?;
        Ok(file.into_iter().chain(self.different(machine)?.into_iter().map(set)).collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        if self.file().check(work.machine())?.is_some() {
            self.file().make(work)?;
        }
        let different = self.different(work.machine())?;
        // All of them before the first is set: some change others, such as ip_forward does.
        for (name, _, original) in &different {
            work.own(Owned::Sysctl { name: (*name).to_owned(), original: original.clone() })?;
        }
        for (name, value, _) in different {
            let path = work.machine().path(&place(name));
            fs_err::write(path, value.to_string()).map_err(|error| refused(name, value, error))?;
        }
        Ok(Outcome::Done)
    }
}

fn refused(name: &str, value: u64, error: std::io::Error) -> Error {
    Error::new(codes::PREFLIGHT_FIX, format!("the kernel does not take {value} for {name}"))
        .with_help(format!("see what `sysctl -w {name}={value}` says; in a container the host has to set it"))
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::node::driver::execute;
    use crate::node::journal::Journal;
    use crate::node::machine::SystemPrograms;
    use crate::progress::Silent;

    #[test]
    fn the_values_before_us_are_known_before_the_first_is_set() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::new(root.path(), Arc::new(SystemPrograms));
        for (name, value) in [("a.one", "0\n"), ("a.two", "7\n"), ("a.good", "1\n")] {
            let path = machine.path(&place(name));
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, value).unwrap();
        }
        fs_err::create_dir_all(machine.path("/proc/sys/kernel/random")).unwrap();
        let values = ["a.good", "a.none", "a.one", "a.two"].map(|name| (name.to_owned(), 1)).to_vec();
        let steps: [Box<dyn Step>; 1] = [Box::new(Parameters { values })];
        let mut journal = Journal::open(&machine).unwrap();
        execute(&steps, &machine, &mut journal, &Silent).unwrap();
        let sysctl = |name: &str, original: &str| Owned::Sysctl {
            name: name.to_owned(),
            original: original.to_owned(),
        };
        let owned: Vec<Owned> =
            journal.owned().iter().filter(|owned| matches!(owned, Owned::Sysctl { .. })).cloned().collect();
        assert_eq!(owned, [sysctl("a.one", "0"), sysctl("a.two", "7")]);
        assert_eq!(machine.read_text("/proc/sys/a/two").unwrap().unwrap(), "1");
        let again = execute(&steps, &machine, &mut journal, &Silent).unwrap();
        assert!(again.changed.is_empty());
    }
}
