//! What is found out about a machine before it is installed.

use std::net::IpAddr;

use crate::error::{Error, Result, codes};
use crate::node::k3s::config::Surroundings;
use crate::node::machine::Machine;
use crate::node::settings::Settings;
use crate::quote::quote;

/// Where name servers are listed, in the order in which k3s looks.
const LISTS: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// Looks for what the configuration of k3s depends on.
///
/// # Errors
/// [`codes::NODE_FILE`].
pub fn surroundings(machine: &Machine) -> Result<Surroundings> {
    for list in LISTS {
        if machine.read_text(list)?.is_some_and(|text| has_usable_server(&text)) {
            return Ok(Surroundings { without_name_server: false });
        }
    }
    Ok(Surroundings { without_name_server: true })
}

/// Whether a pod could reach one of the name servers (resolv.conf(5)); one on this host itself it could not.
fn has_usable_server(text: &str) -> bool {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        words.next().filter(|word| *word == "nameserver")?;
        words.next()?.parse::<IpAddr>().ok()
    });
    let is_usable = |address: IpAddr| {
        let is_link_local = match address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        !address.is_loopback() && !address.is_unspecified() && !address.is_multicast() && !is_link_local
    };
    servers.into_iter().any(is_usable)
}

/// The name of the node in the cluster: the one that was given, or that of the host in small letters, as k3s
/// takes it.
///
/// # Errors
/// [`codes::NODE_SETTINGS`] if the name of the host cannot be that of a node.
pub fn node_name(settings: &Settings, host: &str) -> Result<String> {
    if let Some(name) = &settings.name {
        return Ok(name.clone());
    }
    let name = host.trim().to_ascii_lowercase();
    let named = Settings { name: Some(name.clone()), ..settings.clone() };
    let is_usual = matches!(name.as_str(), "localhost" | "");
    if is_usual || named.check().is_err() {
        let message = format!("the name of this host, `{}`, cannot be that of a node", quote(host.trim()));
        return Err(Error::new(codes::NODE_SETTINGS, message).with_help(
            "give the node a name, `--node-name NAME`, or the host: `hostnamectl hostname NAME`",
        ));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_of_this_host_alone_do_not_count() {
        assert!(has_usable_server("# x\nsearch lab\nnameserver 127.0.0.53\nnameserver 10.0.0.1\n"));
        assert!(has_usable_server("nameserver fd00::1"));
        for text in
            ["", "nameserver 127.0.0.53", "nameserver ::1", "#nameserver 10.0.0.1", "nameserver fe80::1%eth0"]
        {
            assert!(!has_usable_server(text), "{text}");
        }
    }

    #[test]
    fn a_node_is_called_like_its_host_where_that_can_be() {
        let settings = Settings::default();
        assert_eq!(node_name(&settings, "GPU1.lab\n").unwrap(), "gpu1.lab");
        for bad in ["localhost", "", "gpu_1", "-x"] {
            let error = node_name(&settings, bad).unwrap_err();
            assert!(error.help().unwrap().contains("--node-name"), "{bad}");
        }
        let named = Settings { name: Some("a".to_owned()), ..settings };
        assert_eq!(node_name(&named, "gpu_1").unwrap(), "a");
    }
}
