//! Addresses with their networks: `10.42.0.0/16`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An address and the length of the part that names its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Subnet {
    /// The address; of a network, its first one.
    pub address: IpAddr,
    /// How many bits name the network.
    pub prefix: u8,
}

impl Subnet {
    /// Whether an address of one can be an address of the other.
    pub fn overlaps(&self, other: &Subnet) -> bool {
        let shorter = self.prefix.min(other.prefix);
        match (self.bits(), other.bits()) {
            ((own, own_width), (others, width)) if own_width == width => {
                let shift = u32::from(width.saturating_sub(shorter));
                own.checked_shr(shift).unwrap_or(0) == others.checked_shr(shift).unwrap_or(0)
            }
            _ => false,
        }
    }

    /// Whether it means something on its link only (RFC 3927, RFC 4291 2.5.6).
    pub fn is_link_local(&self) -> bool {
        match self.address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        }
    }

    /// The address as a number, and how many bits that has.
    fn bits(&self) -> (u128, u8) {
        match self.address {
            IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        }
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

/// What is said of text that is no subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASubnet;

impl fmt::Display for NotASubnet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not an address with a prefix, such as 10.42.0.0/16")
    }
}

impl std::error::Error for NotASubnet {}

impl FromStr for Subnet {
    type Err = NotASubnet;

    fn from_str(text: &str) -> Result<Self, NotASubnet> {
        let (address, prefix) = text.split_once('/').ok_or(NotASubnet)?;
        let subnet = Subnet {
            address: address.parse().map_err(|_| NotASubnet)?,
            prefix: prefix.parse().map_err(|_| NotASubnet)?,
        };
        if subnet.prefix > subnet.bits().1 { Err(NotASubnet) } else { Ok(subnet) }
    }
}

impl TryFrom<String> for Subnet {
    type Error = NotASubnet;

    fn try_from(text: String) -> Result<Self, NotASubnet> {
        text.parse()
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> String {
        subnet.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    #[test]
    fn networks_overlap_if_one_holds_the_other() {
        for (one, other, overlap) in [
            ("10.42.0.0/16", "10.42.7.1/24", true),
            ("10.42.0.0/16", "10.43.0.0/16", false),
            ("0.0.0.0/0", "192.0.2.1/32", true),
            ("::/0", "192.0.2.1/32", false),
            ("fd00::/8", "fd12::1/64", true),
        ] {
            assert_eq!(subnet(one).overlaps(&subnet(other)), overlap, "{one} {other}");
            assert_eq!(subnet(other).overlaps(&subnet(one)), overlap, "{other} {one}");
        }
        for text in ["10.0.0.0", "10.0.0.0/33", "::/129", "x/1", "10.0.0.0/-1", ""] {
            assert_eq!(text.parse::<Subnet>(), Err(NotASubnet), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(address: u128, four: u32, prefix in 0u8..=32) {
            for address in [IpAddr::V6(address.into()), IpAddr::V4(four.into())] {
                let subnet = Subnet { address, prefix };
                prop_assert_eq!(subnet.to_string().parse::<Subnet>(), Ok(subnet));
                prop_assert!(subnet.overlaps(&subnet));
            }
        }
    }
}
