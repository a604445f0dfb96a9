//! keepalived moves the address among the nodes that share it (RFC 5798; keepalived.conf(5)).

use std::net::IpAddr;

use super::daemon::Daemon;
use super::neighbours::Guard;
use super::segment::Segment;
use super::settings::Vrrp;
use crate::node::MARKER;
use crate::node::install::PROGRAM as AIRLOCK;
use crate::node::machine::Call;
use crate::node::resource::File;
use crate::node::step::names;

/// Its package …
pub(super) const PACKAGE: &str = "keepalived";
/// … the program in it …
pub(super) const PROGRAM: &str = "keepalived";
/// … and its unit.
pub(super) const UNIT: &str = "keepalived.service";
/// Its configuration.
pub(super) const CONFIGURATION: &str = "/etc/keepalived/keepalived.conf";

/// An address that moves, as one of its nodes sees it.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) address: IpAddr,
    pub(super) vrrp: Vrrp,
    pub(super) segment: Segment,
    /// Whether the address is on another interface than that by which the nodes reach each other: the addresses of the
    /// others are not known there, and they find each other by multicast.
    pub(super) is_elsewhere: bool,
    /// Where the API has to answer for this node to have the address.
    pub(super) port: u16,
}

/// The step.
pub(super) fn step(instance: &Instance, node: &str) -> Daemon {
    Daemon {
        step: names::KEEPALIVED,
        title: format!("Share the virtual address {}", instance.address),
        package: PACKAGE,
        unit: UNIT,
        configuration: File::new(CONFIGURATION, configuration(instance, node)),
        test: Call::new(PROGRAM).with(["--config-test", "--use-file", CONFIGURATION]),
        guard: guard(instance),
    }
}

/// Who has the address already is told from a node that shares it by the addresses of the others; where they are not
/// known, nobody can tell.
fn guard(instance: &Instance) -> Option<Guard> {
    let peers = instance.vrrp.peers.clone();
    let can_tell = peers.is_empty() || !instance.is_elsewhere;
    can_tell.then_some(Guard { address: instance.address, peers })
}

/// All nodes begin as backups and wait for an API that answers, so that no order of starting matters; `nopreempt` lets
/// the address stay where it is when a better node comes back. Three answers that fail to come within six seconds take
/// it away; a node that is gone is missed after three advertisements, of one second each.
fn configuration(instance: &Instance, node: &str) -> String {
    let Instance { address, vrrp, segment, is_elsewhere, port } = instance;
    let (router, prefix, priority) = (vrrp.router(*address), vrrp.prefix(*address), vrrp.priority);
    let Segment { interface, address: own } = segment;
    format!(
        "# {MARKER}; `airlock install` with other settings changes it.\n\
         global_defs {{\n    \
             router_id {node}\n    \
             enable_script_security\n    \
             script_user nobody\n    \
             vrrp_garp_master_refresh 60\n\
         }}\n\
         \n\
         vrrp_script api {{\n    \
             script \"{AIRLOCK} node alive --port {port}\"\n    \
             interval 2\n    \
             timeout 3\n    \
             rise 2\n    \
             fall 3\n    \
             init_fail\n\
         }}\n\
         \n\
         vrrp_instance airlock {{\n    \
             state BACKUP\n    \
             nopreempt\n    \
             interface {interface}\n    \
             virtual_router_id {router}\n    \
             priority {priority}\n    \
             advert_int 1\n\
         {peers}    \
             virtual_ipaddress {{\n        \
                 {address}/{prefix} dev {interface}\n    \
             }}\n    \
             track_script {{\n        \
                 api\n    \
             }}\n\
         }}\n",
        peers = if *is_elsewhere { String::new() } else { peers(&vrrp.peers, *own) },
    )
}

/// By address where they are known: many networks let no multicast through.
fn peers(peers: &[IpAddr], own: IpAddr) -> String {
    let others: Vec<&IpAddr> = peers.iter().filter(|peer| **peer != own).collect();
    if others.is_empty() {
        return String::new();
    }
    let lines: String = others.iter().map(|peer| format!("        {peer}\n")).collect();
    format!("    unicast_src_ip {own}\n    unicast_peer {{\n{lines}    }}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::availability::tests::keepalived;

    fn instance(peers: &[&str]) -> Instance {
        let keepalived = keepalived();
        let (address, vrrp) = keepalived.vrrp().unwrap();
        let peers = peers.iter().map(|peer| peer.parse().unwrap()).collect();
        let segment = Segment { interface: "eth1".to_owned(), address: "10.0.0.1".parse().unwrap() };
        let vrrp = Vrrp { peers, ..vrrp.clone() };
        Instance { address, vrrp, segment, is_elsewhere: false, port: 6443 }
    }

    #[test]
    fn every_node_begins_as_a_backup_that_asks_its_api() {
        insta::assert_snapshot!(configuration(&instance(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]), "server1"), @r#"
        # Written by airlock; `airlock install` with other settings changes it.
        global_defs {
            router_id server1
            enable_script_security
            script_user nobody
            vrrp_garp_master_refresh 60
        }

        vrrp_script api {
            script "/usr/local/bin/airlock node alive --port 6443"
            interval 2
            timeout 3
            rise 2
            fall 3
            init_fail
        }

        vrrp_instance airlock {
            state BACKUP
            nopreempt
            interface eth1
            virtual_router_id 100
            priority 200
            advert_int 1
            unicast_src_ip 10.0.0.1
            unicast_peer {
                10.0.0.2
                10.0.0.3
            }
            virtual_ipaddress {
                10.0.0.100/32 dev eth1
            }
            track_script {
                api
            }
        }
        "#);
    }

    #[test]
    fn a_node_that_knows_no_other_speaks_to_all() {
        assert!(!configuration(&instance(&[]), "server1").contains("unicast"));
        assert!(!configuration(&instance(&["10.0.0.1"]), "server1").contains("unicast"));
    }

    #[test]
    fn on_an_interface_of_its_own_the_others_are_found_by_multicast_and_not_taken_for_strangers() {
        let elsewhere = Instance { is_elsewhere: true, ..instance(&["10.0.0.2"]) };
        assert!(!configuration(&elsewhere, "server1").contains("unicast"));
        assert!(guard(&elsewhere).is_none() && guard(&instance(&["10.0.0.2"])).is_some());
        let alone = Instance { is_elsewhere: true, ..instance(&[]) };
        assert!(guard(&alone).is_some(), "nobody shares it");
    }
}
