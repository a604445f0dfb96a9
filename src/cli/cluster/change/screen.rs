//! A plan and its report as people read them.

use std::fmt;

use crate::cluster::operation::execute::{Ending, Report};
use crate::cluster::operation::{Action, Place, Plan};
use crate::ui::human;
use crate::ui::text::escape;

/// A plan, with the commands as one would type them.
pub(in crate::cli::cluster) struct Shown<'a>(pub(in crate::cli::cluster) &'a Plan);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.0;
        if plan.is_empty() && plan.out_of_reach.is_empty() {
            writeln!(formatter, "nothing to do")?;
        }
        for part in plan.stages.iter().flat_map(|stage| &stage.parts) {
            writeln!(formatter, "{}", escape(&part.node))?;
            for action in &part.actions {
                writeln!(formatter, "  {}", line(action))?;
            }
            for action in &part.way_back {
                writeln!(formatter, "  if that fails: {}", line(action))?;
            }
        }
        for host in &plan.out_of_reach {
            writeln!(formatter, "warning: {}: {}", escape(&host.host), escape(&host.why))?;
        }
        for note in &plan.notes {
            writeln!(formatter, "note: {}", escape(note))?;
        }
        for left in &plan.by_hand {
            writeln!(formatter, "then, by hand: {}", escape(left))?;
        }
        Ok(())
    }
}

fn line(action: &Action) -> String {
    let place = match &action.place {
        Place::Host(_) => String::new(),
        Place::Server => ", on a server".to_owned(),
        Place::ServerBut(_) => ", on another server".to_owned(),
    };
    match action.command() {
        Some(command) => format!("{}\n    {}{place}", escape(&action.title), escape(&command)),
        None => escape(&action.title).into_owned(),
    }
}

/// What came of it.
pub(in crate::cli::cluster) fn report(report: &Report) -> String {
    let line = |node: &crate::cluster::operation::execute::Outcome| {
        let done = human::count(node.done.len() as u64, "action");
        let name = escape(&node.node);
        match node.ending {
            Ending::Done => format!("{name}: done, {done}\n"),
            Ending::Failed => format!("{name}: failed after {done}\n"),
            Ending::TakenBack => format!("{name}: failed, and taken back\n"),
            Ending::BrokenOff => {
                format!("{name}: broken off after {done}; what it was doing ends with the connection\n")
            }
            Ending::NotBegun if !node.done.is_empty() => format!("{name}: stopped after {done}\n"),
            Ending::NotBegun => format!("{name}: not begun\n"),
        }
    };
    let left = report.by_hand.iter().map(|left| format!("now, by hand: {}\n", escape(left)));
    report.nodes.iter().map(line).chain(left).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::operation::condition::Condition;
    use crate::cluster::operation::{Invocation, OutOfReach, Part, Stage};

    #[test]
    fn a_plan_shows_its_commands() {
        let actions = vec![
            Action::run("cordon a1", Place::Server, Invocation::kubectl(["cordon", "a1"])),
            Action::wait(Place::Server, Condition::ready("a1")),
        ];
        let mut plan = Plan::new("test").with(Stage::essential(Part::new("a1", actions)));
        plan.out_of_reach.push(OutOfReach { host: "a2".to_owned(), why: "it is\u{1b}[31m off".to_owned() });
        plan.notes.push("be careful".to_owned());
        insta::assert_snapshot!(Shown(&plan).to_string(), @r"
        a1
          cordon a1
            sudo k3s kubectl cordon a1, on a server
          wait until a1 is ready
        warning: a2: it is\u{1b}[31m off
        note: be careful
        ");
        assert_eq!(Shown(&Plan::new("test")).to_string(), "nothing to do\n");
    }
}
