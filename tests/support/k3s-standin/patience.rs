//! How long a server waits for others. Tests may want it to be shorter, or longer, than it is by default.

use std::time::Duration;

use jiff::SignedDuration;

use super::{Result, Variables};

/// How long a server waits until it believes that somebody is gone.
pub struct Patience {
    /// A node counts as ready for so long after it was heard of. Kubernetes waits 40 s; tests should not.
    pub lease: Duration,
    /// A learner may take so long to become a voter.
    pub learner: SignedDuration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { lease: Duration::from_secs(5), learner: SignedDuration::from_secs(5 * 60) }
    }
}

impl Patience {
    /// As the environment of the unit has it: `K3S_STANDIN_LEASE` and `K3S_STANDIN_LEARNER`, in seconds.
    pub fn of(variables: &Variables) -> Result<Patience> {
        let usual = Patience::default();
        let seconds = |name: &str| variables.get(name).map(|seconds| seconds.parse::<u32>()).transpose();
        let (lease, learner) = (seconds("K3S_STANDIN_LEASE")?, seconds("K3S_STANDIN_LEARNER")?);
        Ok(Patience {
            lease: lease.map_or(usual.lease, |seconds| Duration::from_secs(seconds.into())),
            learner: learner.map_or(usual.learner, |seconds| SignedDuration::from_secs(seconds.into())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_of_the_unit_says_how_long() {
        let variables = |value: &str| Variables::from([("K3S_STANDIN_LEASE".to_owned(), value.to_owned())]);
        let patience = Patience::of(&variables("40")).unwrap();
        assert_eq!(patience.lease, Duration::from_secs(40));
        assert_eq!(patience.learner, Patience::default().learner);
        assert!(Patience::of(&variables("long")).is_err());
    }
}
