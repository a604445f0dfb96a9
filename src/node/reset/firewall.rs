//! Rules and chains of iptables that kube-proxy, the network plugins and flannel have left behind.

use crate::error::{Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Finished, Machine};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// Both families, each with what saves and restores it.
const FAMILIES: [(&str, &str); 2] =
    [("iptables-save", "iptables-restore"), ("ip6tables-save", "ip6tables-restore")];

/// What is in every line of theirs. The chains of flannel are in capitals, the comments of its rules are not.
const MARKS: [&str; 4] = ["KUBE-", "CNI-", "flannel", "FLANNEL-"];

/// The step that removes them.
pub(super) struct Firewall {
    pub(super) data_directory: String,
}

impl Firewall {
    /// The program of the host, or that which k3s brings for hosts without one.
    fn places(&self, program: &str) -> [String; 2] {
        [program.to_owned(), format!("{}/data/current/bin/aux/{program}", self.data_directory)]
    }

    /// What the program that saves the rules of a family says, and how it was called; nothing where there is none.
    fn save(&self, machine: &Machine, save: &str) -> Result<Option<(Call, Finished)>> {
        for program in self.places(save) {
            let call = Call::new(program);
            match machine.run(&call) {
                Ok(finished) => return Ok(Some((call, finished))),
                Err(error) if error.code() == codes::NODE_PROGRAM_MISSING => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn restore(&self, work: &Work<'_>, restore: &str, rules: &str) -> Result<()> {
        let [own, of_k3s] = self.places(restore);
        match work.run(Call::new(own).input(rules)) {
            Err(error) if error.code() == codes::NODE_PROGRAM_MISSING => {
                work.run(Call::new(of_k3s).input(rules)).map(drop)
            }
            restored => restored.map(drop),
        }
    }
}

fn is_ours(line: &str) -> bool {
    !line.starts_with('#') && MARKS.iter().any(|mark| line.contains(mark))
}

impl Step for Firewall {
    fn name(&self) -> &'static str {
        names::RESET_FIREWALL
    }

    fn title(&self) -> String {
        "Remove firewall rules of k3s".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for (save, _) in FAMILIES {
            // It fails where the kernel does not have this family.
            let saved = self.save(machine, save)?.filter(|(_, finished)| finished.is_well());
            let count =
                saved.map_or(0, |(_, rules)| rules.output.lines().filter(|line| is_ours(line)).count());
            if count > 0 {
                let what = save.trim_end_matches("-save");
                changes
                    .push(Change::new(Verb::Remove, what).with_detail(format!("{count} rules and chains")));
            }
        }
        Ok(changes)
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let mut failure = None;
        for (save, restore) in FAMILIES {
            let Some((call, finished)) = self.save(work.machine(), save)? else { continue };
            if !finished.is_well() {
                failure.get_or_insert(finished.into_error(&call));
                continue;
            }
            let rules = finished.output;
            if rules.lines().any(is_ours) {
                let kept: String =
                    rules.lines().filter(|line| !is_ours(line)).map(|line| format!("{line}\n")).collect();
                self.restore(work, restore, &kept)?;
            }
        }
        match failure {
            Some(error) if !self.check(work.machine())?.is_empty() => Err(error),
            _ => Ok(Outcome::Done),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::node::driver::execute;
    use crate::node::journal::Journal;
    use crate::node::machine::Programs;
    use crate::progress::Silent;

    const RULES: &str = "# a comment about KUBE- things\n*filter\n:INPUT ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n\
        :FLANNEL-FWD - [0:0]\n:SITE - [0:0]\n-A INPUT -j KUBE-SERVICES\n-A INPUT -m comment --comment \"flannel forward\" -j ACCEPT\n\
        -A INPUT -j SITE\nCOMMIT\n";

    /// The iptables in a directory, for IPv4 only.
    struct Iptables {
        directory: &'static str,
        rules: Mutex<String>,
    }

    impl Programs for Iptables {
        fn run(&self, call: &Call) -> io::Result<Finished> {
            let mut rules = self.rules.lock().unwrap();
            match call.program().strip_prefix(self.directory) {
                Some("iptables-save") => {}
                Some("iptables-restore") => {
                    *rules = String::from_utf8(call.standard_input().unwrap().to_vec()).unwrap();
                }
                _ => return Err(io::ErrorKind::NotFound.into()),
            }
            Ok(Finished { status: Some(0), output: rules.clone(), ..Finished::default() })
        }
    }

    #[test]
    fn rules_of_the_site_stay_and_hosts_without_iptables_use_that_of_k3s() {
        for directory in ["", "/var/lib/rancher/k3s/data/current/bin/aux/"] {
            let root = tempfile::tempdir().unwrap();
            let iptables = Arc::new(Iptables { directory, rules: Mutex::new(RULES.to_owned()) });
            let machine = Machine::new(root.path(), iptables.clone());
            let firewall = Firewall { data_directory: "/var/lib/rancher/k3s".to_owned() };
            let planned = firewall.check(&machine).unwrap();
            assert_eq!(planned[0].to_string(), "remove iptables (4 rules and chains)");
            let steps: [Box<dyn Step>; 1] = [Box::new(firewall)];
            execute(&steps, &machine, &mut Journal::open(&machine).unwrap(), &Silent).unwrap();
            let left = iptables.rules.lock().unwrap().clone();
            assert!(!left.lines().any(is_ours) && left.contains("-A INPUT -j SITE\nCOMMIT\n"), "{left}");
        }
    }

    /// Its second call fails, and it has none of IPv6 at all.
    #[derive(Default)]
    struct Failing(Mutex<usize>);

    impl Programs for Failing {
        fn run(&self, call: &Call) -> io::Result<Finished> {
            let mut calls = self.0.lock().unwrap();
            let failed =
                |words: &str| Finished { status: Some(1), errors: words.to_owned(), ..Finished::default() };
            if call.program() != "iptables-save" {
                return Ok(failed("no such family"));
            }
            *calls += 1;
            Ok(match *calls {
                2 => failed("cannot allocate memory"),
                _ => Finished { status: Some(0), output: RULES.to_owned(), ..Finished::default() },
            })
        }
    }

    #[test]
    fn a_program_that_fails_between_is_told_with_its_words() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::new(root.path(), Arc::new(Failing::default()));
        let firewall = Firewall { data_directory: "/var/lib/rancher/k3s".to_owned() };
        assert_eq!(firewall.check(&machine).unwrap().len(), 1);
        let mut journal = Journal::open(&machine).unwrap();
        let mut work = Work::new(&machine, &mut journal, &Silent, std::time::Duration::from_secs(10));
        let error = firewall.act(&mut work).unwrap_err();
        assert_eq!(error.code(), codes::NODE_PROGRAM);
        assert!(error.details().join(" ").contains("cannot allocate memory"), "{error:?}");
    }
}
