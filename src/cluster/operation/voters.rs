//! Who votes in etcd, and what may be done without it losing its quorum.

use serde::Serialize;

use crate::cluster::observe::{Node, Part};
use crate::error::{Error, Result, codes};

/// The voting members of etcd.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Voters {
    /// Nodes that vote and are well.
    pub well: Vec<String>,
    /// Nodes that should vote and do not answer.
    pub lost: Vec<String>,
}

impl Voters {
    /// Those among the nodes of a cluster.
    pub fn of(members: &[Node]) -> Voters {
        let mut voters = Voters::default();
        // A dead node keeps the condition that it had; a learner does not vote yet.
        let voting = members.iter().filter(|member| member.part == Part::Voter);
        for member in voting {
            let side = if member.ready.is_ok() { &mut voters.well } else { &mut voters.lost };
            side.push(member.name.clone());
        }
        voters
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.well.len() + self.lost.len()
    }

    /// How many have to be well.
    pub fn quorum(&self) -> usize {
        self.count() / 2 + 1
    }

    /// Whether enough of them are well.
    pub fn has_quorum(&self) -> bool {
        self.count() == 0 || self.well.len() >= self.quorum()
    }

    /// Those that are left when this one has gone.
    #[must_use]
    pub fn without(&self, node: &str) -> Voters {
        let others = |names: &[String]| names.iter().filter(|name| *name != node).cloned().collect();
        Voters { well: others(&self.well), lost: others(&self.lost) }
    }

    /// Whether this one votes.
    pub fn has(&self, node: &str) -> bool {
        self.well.iter().chain(&self.lost).any(|name| name == node)
    }

    /// Those that are left when this one has gone, if they are enough to go on. One that is lost already takes no vote
    /// with it. It may always go where others are well: a cluster that answers has its quorum, so that of many that are
    /// lost some are no members any more, as after a restore, which leaves their nodes behind. Otherwise etcd refuses.
    ///
    /// # Errors
    /// [`codes::LAST_SERVER`] if none is left; [`codes::QUORUM`] if etcd could not let it go, or could not go on
    /// without it.
    pub fn after(&self, node: &str) -> Result<Voters> {
        if !self.has(node) {
            return Ok(self.clone());
        }
        let left = self.without(node);
        if left.count() == 0 {
            return Err(last_server(node));
        }
        let is_lost = !self.well.iter().any(|name| name == node);
        match is_lost && !left.well.is_empty() || self.has_quorum() && left.has_quorum() {
            true => Ok(left),
            false => Err(self.too_few(node)),
        }
    }

    fn too_few(&self, node: &str) -> Error {
        let message = format!(
            "without {node} etcd would not go on: {} of {} servers are well, {} are needed",
            self.well.len(),
            self.count(),
            self.quorum()
        );
        let error = Error::new(codes::QUORUM, message);
        let told =
            self.lost.iter().fold(error, |error, name| error.with_detail(format!("{name} is not well")));
        told.with_help(
            "bring the others back first: `airlock cluster repair SERVER`; or take out what is gone for good: \
             `airlock cluster remove SERVER`",
        )
    }

    /// What should be known about their number.
    pub fn warning(&self) -> Option<String> {
        let count = self.count();
        (count > 0 && count.is_multiple_of(2)).then(|| {
            format!("{count} servers vote in etcd: an even number bears no more failures than one less")
        })
    }
}

/// The last server is not removed; it is reset with the whole cluster.
pub(super) fn last_server(node: &str) -> Error {
    Error::new(codes::LAST_SERVER, format!("{node} is the last server: without it the cluster is gone"))
        .with_help(
            "add another server first, `airlock cluster add`; or end the cluster: `airlock cluster reset`",
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::operation::samples::{agent, dead, server};

    #[test]
    fn learners_and_agents_do_not_vote_and_the_dead_do() {
        let learner = Node { part: Part::Learner, ..server("s3") };
        let voters = Voters::of(&[server("s1"), dead(server("s2")), learner, agent("a1")]);
        assert_eq!(
            (voters.well.as_slice(), voters.lost.as_slice()),
            (&["s1".to_owned()][..], &["s2".to_owned()][..])
        );
        assert!(!voters.has_quorum() && voters.has("s2") && !voters.has("s3"));
        assert!(voters.warning().unwrap().starts_with("2 servers"));
        assert!(Voters::default().has_quorum(), "a cluster without etcd has nothing to lose");
    }

    #[test]
    fn nobody_goes_whom_the_others_need() {
        let three = Voters::of(&[server("s1"), server("s2"), dead(server("s3"))]);
        assert_eq!(three.after("s3").unwrap().count(), 2);
        let error = three.after("s1").unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::QUORUM, 7));
        assert_eq!(error.details(), ["s3 is not well"]);
        assert_eq!(Voters::of(&[server("s1")]).after("s1").unwrap_err().code(), codes::LAST_SERVER);
        assert_eq!(
            Voters::of(&[dead(server("s1")), dead(server("s2"))]).after("s1").unwrap_err().code(),
            codes::QUORUM
        );
    }

    #[test]
    fn the_dead_go_one_after_the_other_from_a_cluster_that_was_made_anew_without_them() {
        let made_anew = Voters::of(&[server("s1"), dead(server("s2")), dead(server("s3"))]);
        assert_eq!(made_anew.after("s1").unwrap_err().code(), codes::QUORUM);
        let left = made_anew.after("s3").unwrap().after("s2").unwrap();
        assert_eq!((left.well.as_slice(), left.count()), (&["s1".to_owned()][..], 1));
    }

    proptest! {
        #[test]
        fn whoever_is_well_and_goes_leaves_a_quorum_behind(well in 0_usize..8, lost in 0_usize..8, which in 0_usize..16) {
            let members: Vec<Node> = (0..well + lost)
                .map(|number| if number < well { server(&number.to_string()) } else { dead(server(&number.to_string())) })
                .collect();
            let voters = Voters::of(&members);
            if let Ok(left) = voters.after(&which.to_string()) {
                prop_assert!(left.has_quorum() || which >= well);
                prop_assert!(!left.well.is_empty() || !voters.has(&which.to_string()));
            }
        }
    }
}
