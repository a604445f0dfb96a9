//! haproxy passes connections on to every server whose API answers, as they are (its manual, "Proxies").

use std::net::{IpAddr, SocketAddr};

use super::daemon::Daemon;
use super::segment::Segment;
use super::settings::{API_PORT, Balancer};
use crate::node::MARKER;
use crate::node::machine::Call;
use crate::node::resource::File;
use crate::node::step::names;

/// Its package …
pub(super) const PACKAGE: &str = "haproxy";
/// … the program in it …
pub(super) const PROGRAM: &str = "haproxy";
/// … and its unit.
pub(super) const UNIT: &str = "haproxy.service";
/// Its configuration.
const CONFIGURATION: &str = "/etc/haproxy/haproxy.cfg";

/// The step.
pub(super) fn step(balancer: &Balancer, segment: &Segment) -> Daemon {
    Daemon {
        step: names::HAPROXY,
        title: format!("Pass connections to port {} on to the servers", balancer.port),
        package: PACKAGE,
        unit: UNIT,
        configuration: File::new(CONFIGURATION, configuration(balancer, segment.address)),
        test: Call::new(PROGRAM).with(["-c", "-q", "-f", CONFIGURATION]),
        guard: None,
    }
}

/// Connections are not opened: TLS is between the client and a server. Watches of Kubernetes are quiet for long, and
/// say something within an hour. k3s answers `/ping` to everybody.
fn configuration(balancer: &Balancer, own: IpAddr) -> String {
    let Balancer { port, status_port, servers } = balancer;
    let any = if own.is_ipv4() { format!("*:{port}") } else { format!(":::{port} v4v6") };
    let status = SocketAddr::new(own, *status_port);
    let servers: String = servers
        .iter()
        .map(|server| format!("    server {server} {}\n", SocketAddr::new(*server, API_PORT)))
        .collect();
    format!(
        "# {MARKER}; `airlock install` with other settings changes it.\n\
         global\n    \
             log /dev/log local0\n    \
             user haproxy\n    \
             group haproxy\n    \
             maxconn 20000\n\
         \n\
         defaults\n    \
             log global\n    \
             mode tcp\n    \
             option dontlognull\n    \
             option clitcpka\n    \
             option srvtcpka\n    \
             timeout connect 5s\n    \
             timeout client 1h\n    \
             timeout server 1h\n    \
             timeout check 3s\n\
         \n\
         frontend api\n    \
             bind {any}\n    \
             default_backend servers\n\
         \n\
         backend servers\n    \
             balance roundrobin\n    \
             option redispatch\n    \
             option httpchk GET /ping\n    \
             http-check expect status 200\n    \
             default-server check check-ssl verify none inter 2s fall 3 rise 2 on-marked-down shutdown-sessions\n\
         {servers}\
         \n\
         frontend status\n    \
             mode http\n    \
             bind {status}\n    \
             timeout client 30s\n    \
             stats enable\n    \
             stats uri /\n    \
             stats refresh 10s\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::availability::tests::haproxy;

    #[test]
    fn connections_go_to_every_server_whose_api_answers() {
        let haproxy = haproxy(7443);
        insta::assert_snapshot!(configuration(haproxy.balancer().unwrap(), "10.0.0.1".parse().unwrap()), @r"
        # Written by airlock; `airlock install` with other settings changes it.
        global
            log /dev/log local0
            user haproxy
            group haproxy
            maxconn 20000

        defaults
            log global
            mode tcp
            option dontlognull
            option clitcpka
            option srvtcpka
            timeout connect 5s
            timeout client 1h
            timeout server 1h
            timeout check 3s

        frontend api
            bind *:7443
            default_backend servers

        backend servers
            balance roundrobin
            option redispatch
            option httpchk GET /ping
            http-check expect status 200
            default-server check check-ssl verify none inter 2s fall 3 rise 2 on-marked-down shutdown-sessions
            server 10.0.0.1 10.0.0.1:6443
            server 10.0.0.2 10.0.0.2:6443

        frontend status
            mode http
            bind 10.0.0.1:8404
            timeout client 30s
            stats enable
            stats uri /
            stats refresh 10s
        ");
    }

    #[test]
    fn addresses_of_ipv6_stand_in_brackets() {
        let servers = vec!["fd00::1".parse().unwrap()];
        let balancer = Balancer { port: 6443, status_port: 8404, servers };
        let text = configuration(&balancer, "fd00::7".parse().unwrap());
        for line in ["bind :::6443 v4v6\n", "server fd00::1 [fd00::1]:6443\n", "bind [fd00::7]:8404\n"] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }
}
