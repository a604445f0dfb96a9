//! How the next node joins, as the first one tells it: lines to copy, with every address and fingerprint filled in.

use std::net::{IpAddr, UdpSocket};

use serde::Serialize;

use crate::error::Result;
use crate::node::install::Context;
use crate::node::k3s::paths::REGISTRY_CA;
use crate::node::machine::Machine;
use crate::node::registry::external::LOGIN;
use crate::node::registry::{authority, fingerprint};
use crate::node::settings::{Registry, Role};
use crate::ui::text::escape;

/// What other nodes need to join.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Joining {
    server: String,
    registry: String,
    /// The fingerprint by which the registry of this node is known; that of the site is known by its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    authority: Option<String>,
    signers: Vec<String>,
    token: String,
    /// Files that the next node needs for the registry of the site.
    #[serde(skip)]
    site: SiteFiles,
}

/// What a node has of the registry of the site.
#[derive(Default)]
struct SiteFiles {
    /// [`REGISTRY_CA`]
    certificate: bool,
    /// [`LOGIN`], for pulling
    login: bool,
}

impl Joining {
    /// How nodes join this one: nothing if it is no server.
    pub(super) fn of(context: &Context, machine: &Machine) -> Result<Option<Joining>> {
        let settings = &context.settings;
        if settings.role != Role::Server {
            return Ok(None);
        }
        let known = settings.address.or(context.surroundings.address);
        let host = match known.or_else(own_address) {
            Some(IpAddr::V6(address)) => format!("[{address}]"),
            Some(IpAddr::V4(address)) => address.to_string(),
            None => "ADDRESS".to_owned(),
        };
        let (registry, authority, site) = match &settings.registry {
            Registry::Own { port, .. } => {
                let Some(certificate) = machine.read(&authority::own())? else { return Ok(None) };
                let fingerprint = fingerprint::of_pem(&certificate)?;
                (format!("https://{host}:{port}"), Some(fingerprint), SiteFiles::default())
            }
            Registry::External { endpoint, pull_auth } => {
                let certificate = machine.metadata(REGISTRY_CA)?.is_some();
                (endpoint.clone(), None, SiteFiles { certificate, login: *pull_auth })
            }
            Registry::Peers { .. } => return Ok(None),
        };
        Ok(Some(Joining {
            server: format!("https://{host}:6443"),
            registry,
            authority,
            signers: context.signed_by.clone(),
            token: format!("{}/server/token", settings.data_directory),
            site,
        }))
    }

    /// The lines to copy.
    pub(super) fn human(&self) -> String {
        let (needs, program) = match self.authority {
            Some(_) => ("the file `install`", "./install"),
            None => ("the bundle, on its stick,", "/media/stick/install"),
        };
        let sent: String = self.sent().iter().map(|line| format!("  {line}\n")).collect();
        let line = |role: &str| {
            format!("  sudo {program} --role {role} {} \\\n    {}\n", self.source(), self.membership())
        };
        format!(
            "\nThe next node needs {needs} and the token of the cluster. Send {} from here:\n{sent}\
             Then, on an agent:\n{}or on another server:\n{}",
            if sent.lines().count() == 1 { "it" } else { "these" },
            line("agent"),
            line("server")
        )
    }

    /// Commands that bring files to the next node.
    fn sent(&self) -> Vec<String> {
        let secret = |path: &str, name: &str| format!("sudo cat {path} | ssh NODE 'umask 077; cat > {name}'");
        let mut commands = Vec::new();
        if self.authority.is_some() {
            commands.push("scp /usr/local/bin/airlock NODE:install".to_owned());
        }
        if self.site.certificate {
            commands.push(format!("scp {REGISTRY_CA} NODE:"));
        }
        if self.site.login {
            commands.push(secret(LOGIN, "login.json"));
        }
        commands.push(secret(&self.token, "token"));
        commands
    }

    /// Where packages and images come from.
    fn source(&self) -> String {
        let registry = escape(&self.registry);
        if let Some(authority) = &self.authority {
            return format!("--from {registry} \\\n    --ca-fingerprint {authority}");
        }
        let mut options = format!("--registry {registry}");
        if self.site.certificate {
            options += " \\\n    --ca registry-ca.crt";
        }
        if self.site.login {
            options += " \\\n    --registry-auth login.json --registry-pull-auth";
        }
        options
    }

    /// Whom it believes and which cluster it joins.
    fn membership(&self) -> String {
        let trust =
            self.signers.first().map(|signer| format!("--trust {signer} \\\n    ")).unwrap_or_default();
        format!("{trust}--join {} --token-file token", self.server)
    }
}

/// The address from which this machine reaches others. Nothing is sent: a datagram socket only looks up its
/// route (the destination is for documentation, RFC 5737).
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).ok()?;
    socket.connect(("192.0.2.1", 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joining(registry: &str, authority: Option<&str>, site: SiteFiles) -> Joining {
        Joining {
            server: "https://10.0.0.1:6443".to_owned(),
            registry: registry.to_owned(),
            authority: authority.map(str::to_owned),
            signers: vec!["SHA256:signer".to_owned()],
            token: "/var/lib/rancher/k3s/server/token".to_owned(),
            site,
        }
    }

    #[test]
    fn a_node_with_a_registry_gives_the_program_and_its_fingerprint() {
        let own = joining("https://10.0.0.1:5443", Some("SHA256:authority"), SiteFiles::default());
        insta::assert_snapshot!(own.human(), @r"

        The next node needs the file `install` and the token of the cluster. Send these from here:
          scp /usr/local/bin/airlock NODE:install
          sudo cat /var/lib/rancher/k3s/server/token | ssh NODE 'umask 077; cat > token'
        Then, on an agent:
          sudo ./install --role agent --from https://10.0.0.1:5443 \
            --ca-fingerprint SHA256:authority \
            --trust SHA256:signer \
            --join https://10.0.0.1:6443 --token-file token
        or on another server:
          sudo ./install --role server --from https://10.0.0.1:5443 \
            --ca-fingerprint SHA256:authority \
            --trust SHA256:signer \
            --join https://10.0.0.1:6443 --token-file token
        ");
    }

    #[test]
    fn at_a_site_with_a_registry_the_stick_goes_on() {
        let site = SiteFiles { certificate: true, login: true };
        insta::assert_snapshot!(joining("https://harbor.lab/platform", None, site).human(), @r"

        The next node needs the bundle, on its stick, and the token of the cluster. Send these from here:
          scp /etc/airlock/registry-ca.crt NODE:
          sudo cat /etc/airlock/registry-auth.json | ssh NODE 'umask 077; cat > login.json'
          sudo cat /var/lib/rancher/k3s/server/token | ssh NODE 'umask 077; cat > token'
        Then, on an agent:
          sudo /media/stick/install --role agent --registry https://harbor.lab/platform \
            --ca registry-ca.crt \
            --registry-auth login.json --registry-pull-auth \
            --trust SHA256:signer \
            --join https://10.0.0.1:6443 --token-file token
        or on another server:
          sudo /media/stick/install --role server --registry https://harbor.lab/platform \
            --ca registry-ca.crt \
            --registry-auth login.json --registry-pull-auth \
            --trust SHA256:signer \
            --join https://10.0.0.1:6443 --token-file token
        ");
        let public = joining("https://harbor.lab/platform", None, SiteFiles::default());
        insta::assert_snapshot!(public.human(), @r"

        The next node needs the bundle, on its stick, and the token of the cluster. Send it from here:
          sudo cat /var/lib/rancher/k3s/server/token | ssh NODE 'umask 077; cat > token'
        Then, on an agent:
          sudo /media/stick/install --role agent --registry https://harbor.lab/platform \
            --trust SHA256:signer \
            --join https://10.0.0.1:6443 --token-file token
        or on another server:
          sudo /media/stick/install --role server --registry https://harbor.lab/platform \
            --trust SHA256:signer \
            --join https://10.0.0.1:6443 --token-file token
        ");
    }
}
