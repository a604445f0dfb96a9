//! The addresses of a lab. Every lab has the same ones: it shares its network with nobody.

use std::net::Ipv4Addr;

/// Number of the router, in labs that have one.
pub const ROUTER: u8 = 1;
/// Number of the machine of an administrator.
pub const PROVISIONER: u8 = 2;
/// Number of the first node.
pub const FIRST_NODE: u8 = 11;
/// Number of the last node.
pub const LAST_NODE: u8 = 250;
/// Bits of the network's prefix.
pub const PREFIX: u8 = 24;

/// The address with this number in 10.77.0.0/24.
pub fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, number)
}

/// Whether the address is in 10.77.0.0/24.
pub fn is_inside(address: Ipv4Addr) -> bool {
    address.octets()[..3] == [10, 77, 0]
}

/// As `ip address add` takes it.
pub fn with_prefix(address: Ipv4Addr) -> String {
    format!("{address}/{PREFIX}")
}
