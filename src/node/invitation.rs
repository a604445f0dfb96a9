//! What a server tells those that are to join its cluster: the token, and by what its registry is known.

use serde::{Deserialize, Serialize};

use super::machine::Machine;
use super::registry::{authority, fingerprint};
use super::settings::{self, Registry, Role, Settings};
use crate::error::{Error, Result, codes};

/// What a node needs to join, besides the address of a server. It holds a secret: it is printed for root, and goes
/// over an encrypted connection, never into a file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// The token of the cluster, with the digest of its authority: `K10…::server:…`.
    pub token: String,
    /// The registry of the server, if it has one.
    pub registry: Option<OwnRegistry>,
}

/// The registry of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnRegistry {
    /// Its port.
    pub port: u16,
    /// Fingerprint of its authority, `SHA256:…`.
    pub fingerprint: String,
    /// The certificate of its authority, PEM.
    pub certificate: String,
}

impl Invitation {
    /// That of this machine.
    ///
    /// # Errors
    /// [`codes::NOT_A_SERVER`] if it runs no server; [`codes::NODE_FILE`]; [`codes::NODE_SETTINGS`].
    pub fn of(machine: &Machine) -> Result<Invitation> {
        let settings = machine.read(settings::PATH)?.map(|bytes| Settings::parse(&bytes)).transpose()?;
        let server = settings.filter(|settings| settings.role == Role::Server).ok_or_else(no_server)?;
        let path = format!("{}/server/token", server.data_directory);
        let token = machine.read_text(&path)?.ok_or_else(no_server)?.trim().to_owned();
        Ok(Invitation { token, registry: OwnRegistry::of(machine, &server.registry)? })
    }
}

impl OwnRegistry {
    /// That of this machine; nothing if it has none, or has not made its authority yet.
    fn of(machine: &Machine, registry: &Registry) -> Result<Option<OwnRegistry>> {
        let Registry::Own { port, .. } = *registry else { return Ok(None) };
        let Some(pem) = machine.read(&authority::own())? else { return Ok(None) };
        let fingerprint = fingerprint::of_pem(&pem)?;
        Ok(Some(OwnRegistry { port, fingerprint, certificate: String::from_utf8_lossy(&pem).into_owned() }))
    }
}

fn no_server() -> Error {
    Error::new(codes::NOT_A_SERVER, "this machine runs no server of a cluster, so it has no token for others")
        .with_help("ask a server: `sudo airlock node token`")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::node::machine::SystemPrograms;

    #[test]
    fn a_server_invites_and_others_say_that_they_do_not() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::new(root.path(), Arc::new(SystemPrograms));
        let write = |path: &str, text: &str| {
            let path = machine.path(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        };
        let refused = || Invitation::of(&machine).err().unwrap().code();
        assert_eq!(refused(), codes::NOT_A_SERVER);
        write(settings::PATH, r#"{"role": "agent", "join": "https://10.0.0.1:6443"}"#);
        write("/var/lib/rancher/k3s/server/token", "K10ab::server:secret\n");
        assert_eq!(refused(), codes::NOT_A_SERVER);
        write(settings::PATH, "{}");
        let made = rcgen::generate_simple_self_signed(vec!["reg.lab".to_owned()]).unwrap();
        write(&authority::own(), &made.cert.pem());
        let invitation = Invitation::of(&machine).unwrap();
        assert_eq!(invitation.token, "K10ab::server:secret");
        let registry = invitation.registry.unwrap();
        assert_eq!((registry.port, registry.certificate), (5443, made.cert.pem()));
        assert!(registry.fingerprint.starts_with("SHA256:"));
    }
}
