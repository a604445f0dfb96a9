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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::change::Verb;
    use crate::node::plan::PlannedStep;

    fn preview() -> Preview {
        let step = |name, title: &str, changes| PlannedStep { name, title: title.to_owned(), changes };
        let data = Change::new(Verb::Remove, "/var/lib/rancher/k3s").with_detail("with everything in it");
        let stop = Change::new(Verb::Stop, "k3s.service").with_detail("and disable");
        let steps = vec![
            step("reset-services", "Stop services", vec![stop]),
            step("reset-network", "Remove network interfaces", Vec::new()),
            step("reset-trees", "Remove data", vec![data.with_bytes(3 << 30)]),
            step("reset-files", "Remove files", vec![Change::new(Verb::Remove, "/usr/local/bin/k3s")]),
        ];
        let stays = |what: &str, why: &str, remove: &str, bytes| Kept {
            what: what.to_owned(),
            why: why.to_owned(),
            remove: Some(remove.to_owned()),
            bytes,
        };
        Preview {
            node: "gpu1".to_owned(),
            plan: Plan { steps },
            kept: vec![
                stays(
                    "/var/lib/airlock/store",
                    "--keep-store",
                    "rm -r /var/lib/airlock/store",
                    Some(40 << 30),
                ),
                stays("nfs-common", "packages stay without --packages", "apt-get purge nfs-common", None),
            ],
            loss: Some("if gpu1 is the last server, with it goes the cluster with all its data".to_owned()),
            farewell: Some(
                "the cluster still lists gpu1; on gpu2: `sudo k3s kubectl delete node gpu1`".to_owned(),
            ),
        }
    }

    #[test]
    fn before_it_is_told_what_goes_and_what_stays() {
        insta::assert_snapshot!(preview().human(), @r"
        Stop services (reset-services)
          stop k3s.service (and disable)
        Remove data (reset-trees)
          remove /var/lib/rancher/k3s (with everything in it), 3.0 GiB
        Remove files (reset-files)
          remove /usr/local/bin/k3s
        Would stay:
          /var/lib/airlock/store, 40.0 GiB (--keep-store)
            to remove it: sudo rm -r /var/lib/airlock/store
          nfs-common (packages stay without --packages)
            to remove it: sudo apt-get purge nfs-common
        warning: if gpu1 is the last server, with it goes the cluster with all its data
        note: the cluster still lists gpu1; on gpu2: `sudo k3s kubectl delete node gpu1`
        ");
    }

    #[test]
    fn afterwards_it_is_told_what_has_stayed_and_how_it_goes() {
        insta::assert_snapshot!(Outcome::of(preview()).human(), @r"
        gpu1 is as before: 3 things removed or put back, 3.0 GiB of data
        Stays:
          /var/lib/airlock/store, 40.0 GiB (--keep-store)
            to remove it: sudo rm -r /var/lib/airlock/store
          nfs-common (packages stay without --packages)
            to remove it: sudo apt-get purge nfs-common
        note: the cluster still lists gpu1; on gpu2: `sudo k3s kubectl delete node gpu1`
        ");
        assert_eq!(
            Outcome::default().human(),
            "nothing to reset: airlock has changed nothing on this machine\n"
        );
    }
}
