//! Routes: `/proc/net/route`, `/proc/net/ipv6_route` (proc(5)).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::subnet::Subnet;
use crate::node::facts::root::Root;

/// The route can be used (RTF_UP).
const UP: u32 = 0x1;
/// The route refuses (RTF_REJECT).
const REJECT: u32 = 0x200;

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// Where it leads.
    pub destination: Subnet,
    /// The next machine on the way; `None` if the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// The interface.
    pub interface: String,
    /// Of several routes to one destination the one with the lowest is taken.
    pub metric: u32,
}

pub(super) fn gather(root: &Root<'_>) -> Vec<Route> {
    let four = root.text("/proc/net/route").unwrap_or_default();
    let six = root.text("/proc/net/ipv6_route").unwrap_or_default();
    four.lines().skip(1).filter_map(ipv4).chain(six.lines().filter_map(default_ipv6)).collect()
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask …`, numbers in hexadecimal, the metric in decimal.
fn ipv4(line: &str) -> Option<Route> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let [interface, destination, gateway, flags, _, _, metric, mask, ..] = columns[..] else { return None };
    let flags = u32::from_str_radix(flags, 16).ok()?;
    if flags & UP == 0 || flags & REJECT != 0 {
        return None;
    }
    let gateway = ipv4_address(gateway)?;
    let mask = ipv4_address(mask)?.to_bits();
    Some(Route {
        destination: Subnet {
            address: ipv4_address(destination)?.into(),
            prefix: u8::try_from(mask.leading_ones()).ok()?,
        },
        gateway: (!gateway.is_unspecified()).then_some(gateway.into()),
        interface: interface.to_owned(),
        metric: metric.parse().ok()?,
    })
}

/// The kernel prints the bytes of an address as one number in its own order, which is little endian wherever we run.
pub(super) fn ipv4_address(digits: &str) -> Option<Ipv4Addr> {
    let number = (digits.len() == 8).then(|| u32::from_str_radix(digits, 16).ok())??;
    Some(number.to_le_bytes().into())
}

/// `Destination Prefix Source Prefix Gateway Metric RefCnt Use Flags Interface`, all in hexadecimal.
fn default_ipv6(line: &str) -> Option<Route> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let [destination, prefix, _, _, gateway, metric, _, _, flags, interface] = columns[..] else {
        return None;
    };
    let flags = u32::from_str_radix(flags, 16).ok()?;
    let (destination, gateway) = (ipv6_address(destination)?, ipv6_address(gateway)?);
    let is_default = prefix == "00" && destination.is_unspecified() && interface != "lo";
    (is_default && flags & UP != 0 && flags & REJECT == 0).then(|| Route {
        destination: Subnet { address: destination.into(), prefix: 0 },
        gateway: (!gateway.is_unspecified()).then_some(gateway.into()),
        interface: interface.to_owned(),
        metric: u32::from_str_radix(metric, 16).unwrap_or(u32::MAX),
    })
}

pub(super) fn ipv6_address(digits: &str) -> Option<Ipv6Addr> {
    (digits.len() == 32).then(|| u128::from_str_radix(digits, 16).ok())?.map(Ipv6Addr::from_bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn routes_of_both_families_are_read() {
        let route = ipv4("eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0").unwrap();
        assert_eq!((route.destination.to_string().as_str(), route.metric), ("0.0.0.0/0", 100));
        assert_eq!(route.gateway, Some("192.0.2.1".parse().unwrap()));
        let link = ipv4("eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0").unwrap();
        assert_eq!((link.destination.to_string().as_str(), link.gateway), ("192.0.2.0/24", None));
        let zeros = "0".repeat(32);
        let line = |gateway: &str, flags: &str, interface: &str| {
            default_ipv6(&format!("{zeros} 00 {zeros} 00 {gateway} 00000400 1 0 {flags} {interface}"))
        };
        let gateway = "fd000000000000000000000000000001";
        assert_eq!(line(gateway, "00000003", "eth0").unwrap().gateway, Some("fd00::1".parse().unwrap()));
        assert_eq!(line(&zeros, "00200200", "lo"), None);
        assert_eq!(line(gateway, "00000203", "eth0"), None);
    }

    proptest! {
        #[test]
        fn any_line_is_read(line in "(eth0|[0-9A-F]{8}|000[0-3]|[0-9]{1,3}|\t| ){0,14}") {
            if let Some(route) = ipv4(&line) {
                prop_assert!(route.destination.prefix <= 32);
            }
            let _ = default_ipv6(&line);
        }
    }
}
