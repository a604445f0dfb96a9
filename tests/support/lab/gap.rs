//! How a lab ends towards the outside.

use std::str::FromStr;

/// What happens to a packet for an address outside of the lab. Nothing ever gets out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// There is no default route: the kernel of the node refuses at once.
    None,
    /// A router answers that it is forbidden: the node learns it after one round trip.
    Reject,
    /// A router takes the packet and says nothing: the node waits until it gives up.
    Drop,
}

impl Gap {
    /// The word for it on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Gap::None => "none",
            Gap::Reject => "reject",
            Gap::Drop => "drop",
        }
    }

    /// The kind of route (ip-route(8)) that the router has towards the outside. `None` where there is no router.
    pub fn route(self) -> Option<&'static str> {
        match self {
            Gap::None => None,
            Gap::Reject => Some("prohibit"),
            Gap::Drop => Some("blackhole"),
        }
    }
}

impl FromStr for Gap {
    type Err = Box<dyn std::error::Error>;

    fn from_str(word: &str) -> Result<Gap, Self::Err> {
        let all = [Gap::None, Gap::Reject, Gap::Drop];
        let found = all.into_iter().find(|gap| gap.as_str() == word);
        found.ok_or_else(|| format!("`{word}` is none of none, reject, drop").into())
    }
}
