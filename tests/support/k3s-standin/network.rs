//! What k3s wants to know about the network of its host.

use std::net::Ipv4Addr;
use std::process::Command;

use super::Result;

/// What apimachinery says when there is no default route.
const NO_DEFAULT_ROUTE: &str = r#"no default routes found in "/proc/net/route" or "/proc/net/ipv6_route""#;

/// The host name, as the kernel has it.
pub fn host_name() -> Result<String> {
    Ok(fs_err::read_to_string("/proc/sys/kernel/hostname")?.trim().to_owned())
}

/// The address of the interface that the default route goes by.
pub fn address_by_default_route() -> Result<String> {
    let interface = default_interface(&fs_err::read_to_string("/proc/net/route")?);
    address_of(&interface.ok_or(NO_DEFAULT_ROUTE)?)
}

// A table with one route a line: interface, destination, gateway, … in hexadecimal digits (proc(5)).
fn default_interface(routes: &str) -> Option<String> {
    let mut routes = routes.lines().skip(1).map(|line| line.split_whitespace());
    routes.find_map(|mut fields| {
        let interface = fields.next()?;
        (fields.next()? == "00000000").then(|| interface.to_owned())
    })
}

/// The first IPv4 address of an interface.
pub fn address_of(interface: &str) -> Result<String> {
    let output = Command::new("ip").args(["-4", "-o", "address", "show", "dev", interface]).output()?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut words = listed.split_whitespace().skip_while(|word| *word != "inet");
    let address = words.nth(1).and_then(|address| address.split('/').next()).unwrap_or_default();
    let address: Ipv4Addr = address.parse().map_err(|_| format!("no IPv4 address found on {interface}"))?;
    Ok(address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_is_found_by_its_destination() {
        let head = "Iface\tDestination\tGateway \tFlags\n";
        let network = "eth0\t004D0A0A\t00000000\t0001\n";
        let default = "eth1\t00000000\t014D0A0A\t0003\n";
        assert_eq!(default_interface(&format!("{head}{network}{default}")).as_deref(), Some("eth1"));
        assert_eq!(default_interface(&format!("{head}{network}")), None);
    }
}
