//! Files of ours to which lines are added over time: settings, modules.

use crate::error::{Error, Result, codes};
use crate::node::MARKER;
use crate::node::change::{Change, Verb};
use crate::node::machine::Machine;
use crate::node::resource::Resource;
use crate::node::work::Work;

/// Lines that a file of ours has. Of lines that set the same name the new one stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lines {
    pub(super) path: &'static str,
    pub(super) lines: Vec<String>,
}

impl Lines {
    /// The text of the file, empty if there is none.
    fn text(&self, machine: &Machine) -> Result<String> {
        let Some(text) = machine.read_text(self.path)? else { return Ok(String::new()) };
        if text.lines().take(3).any(|line| line.contains(MARKER)) {
            return Ok(text);
        }
        let path = self.path;
        Err(Error::new(codes::PREFLIGHT_FIX, format!("{path} is there, and airlock has not written it"))
            .with_help(format!("move it away: `mv {path} {path}.old`, then run the command again")))
    }
}

impl Resource for Lines {
    fn check(&self, machine: &Machine) -> Result<Option<Change>> {
        let text = self.text(machine)?;
        let missing: Vec<&str> = self
            .lines
            .iter()
            .map(String::as_str)
            .filter(|line| !text.lines().any(|old| old == *line))
            .collect();
        let verb = if text.is_empty() { Verb::Create } else { Verb::Replace };
        Ok((!missing.is_empty()).then(|| Change::new(verb, self.path).with_detail(missing.join(", "))))
    }

    fn make(&self, work: &mut Work<'_>) -> Result<()> {
        let text = merged(&self.text(work.machine())?, &self.lines);
        work.write_file(self.path, text.as_bytes(), 0o644)
    }
}

/// What a line is about: the name before `=`, or all of it.
fn subject(line: &str) -> &str {
    line.split('=').next().unwrap_or_default().trim()
}

fn merged(old: &str, lines: &[String]) -> String {
    let is_renewed = |line: &&str| lines.iter().any(|new| subject(new) == subject(line));
    let kept = old.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut all: Vec<&str> = kept.filter(|line| !is_renewed(line)).collect();
    all.extend(lines.iter().map(String::as_str));
    all.sort_unstable();
    format!("# {MARKER}; `airlock node reset` deletes it.\n{}\n", all.join("\n"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::node::journal::Journal;
    use crate::node::machine::SystemPrograms;
    use crate::node::preflight::mend::SYSCTL_FILE;
    use crate::progress::Silent;

    fn make(machine: &Machine, lines: &[&str]) -> Result<()> {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        let lines = Lines { path: SYSCTL_FILE, lines };
        if lines.check(machine)?.is_none() {
            return Ok(());
        }
        let mut journal = Journal::open(machine)?;
        lines.make(&mut Work::new(machine, &mut journal, &Silent, Duration::from_secs(10)))?;
        assert_eq!(lines.check(machine)?, None);
        Ok(())
    }

    #[test]
    fn lines_are_added_and_renewed_and_a_second_time_changes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::new(root.path(), Arc::new(SystemPrograms));
        make(&machine, &["b = 1", "a = 1"]).unwrap();
        make(&machine, &["b = 2", "c = 3"]).unwrap();
        make(&machine, &["c = 3"]).unwrap();
        insta::assert_snapshot!(machine.read_text(SYSCTL_FILE).unwrap().unwrap(), @r"
        # Written by airlock; `airlock node reset` deletes it.
        a = 1
        b = 2
        c = 3
        ");
    }

    #[test]
    fn a_file_of_somebody_else_stays() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::new(root.path(), Arc::new(SystemPrograms));
        let path = machine.path(SYSCTL_FILE);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, "mine = 1\n").unwrap();
        assert_eq!(make(&machine, &["a = 1"]).unwrap_err().code(), codes::PREFLIGHT_FIX);
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "mine = 1\n");
    }
}
