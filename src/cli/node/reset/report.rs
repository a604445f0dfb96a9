//! What is told of a reset: before it what would go and stay, and afterwards what has.

use serde::Serialize;

use crate::cli::install::report::Planned;
use crate::node::change::Change;
use crate::node::plan::Plan;
use crate::node::reset::Kept;
use crate::ui::human;
use crate::ui::text::escape;

/// What a reset would do.
#[derive(Serialize)]
pub(super) struct Preview {
    pub(super) node: String,
    #[serde(flatten)]
    pub(super) plan: Plan,
    pub(super) kept: Vec<Kept>,
    /// What the cluster loses that the node belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) loss: Option<String>,
    /// What is to be done there afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) farewell: Option<String>,
}

/// What a reset has done.
#[derive(Default, Serialize)]
pub(super) struct Outcome {
    /// The node that it was; nothing where there was none.
    node: Option<String>,
    removed: Vec<Change>,
    pub(super) kept: Vec<Kept>,
    #[serde(skip_serializing_if = "Option::is_none")]
    farewell: Option<String>,
}

impl Preview {
    pub(super) fn human(&self) -> String {
        let plan = match self.plan.is_empty() {
            true => "nothing would change: what could be removed is gone\n".to_owned(),
            false => Planned(&self.plan).to_string(),
        };
        let loss = self.loss.as_ref().map(|loss| format!("warning: {}\n", escape(loss)));
        plan + &kept(&self.kept, "Would stay") + &loss.unwrap_or_default() + &note(self.farewell.as_deref())
    }
}

impl Outcome {
    pub(super) fn of(preview: Preview) -> Outcome {
        let removed = preview.plan.steps.into_iter().flat_map(|step| step.changes).collect();
        Outcome { node: Some(preview.node), removed, kept: preview.kept, farewell: preview.farewell }
    }

    pub(super) fn human(&self) -> String {
        let Some(node) = &self.node else {
            return "nothing to reset: airlock has changed nothing on this machine\n".to_owned();
        };
        let bytes: u64 = self.removed.iter().filter_map(|change| change.bytes).sum();
        let done = match self.removed.as_slice() {
            [] => "nothing to do: what could be removed is gone\n".to_owned(),
            removed => {
                let things = human::count(removed.len() as u64, "thing");
                let node = escape(node);
                format!("{node} is as before: {things} removed or put back, {} of data\n", human::size(bytes))
            }
        };
        done + &kept(&self.kept, "Stays") + &note(self.farewell.as_deref())
    }
}

fn note(text: Option<&str>) -> String {
    text.map(|text| format!("note: {}\n", escape(text))).unwrap_or_default()
}

fn kept(kept: &[Kept], title: &str) -> String {
    let mut text = String::new();
    for kept in kept {
        let bytes = kept.bytes.map(|bytes| format!(", {}", human::size(bytes))).unwrap_or_default();
        text += &format!("  {}{bytes} ({})\n", escape(&kept.what), escape(&kept.why));
        if let Some(command) = &kept.remove {
            text += &format!("    to remove it: sudo {}\n", escape(command));
        }
    }
    if text.is_empty() { text } else { format!("{title}:\n{text}") }
}
