//! The systemd units of the registry: those of `manifests/systemd`, with port, names and medium filled in.

use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::quote::quote;

const SERVICE: &str = include_str!("../../../manifests/systemd/airlock-registry.service");
const SOCKET: &str = include_str!("../../../manifests/systemd/airlock-registry.socket");
const UNIX_SOCKET: &str = include_str!("../../../manifests/systemd/airlock-registry-unix.socket");

/// What is served, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// TCP port at all addresses of the node.
    pub port: u16,
    /// Names of the node besides its own, for certificates.
    pub names: Vec<String>,
    /// The medium that is served as it lies; otherwise the store alone is.
    pub medium: Option<String>,
    /// The manifest of the bundle on the medium, if nobody has signed it and it is served all the same.
    pub unsigned: Option<Digest>,
}

impl Serving {
    /// The service; `[Service]` is its last section.
    ///
    /// # Errors
    /// [`codes::NODE_SETTINGS`] if the path of the medium cannot stand in a unit.
    pub fn service(&self) -> Result<String> {
        let medium = self.medium.as_deref().map(quoted).transpose()?;
        let lines = SERVICE.lines().map(|line| match (line.split_once('='), &medium) {
            (Some(("ExecStart", command)), _) => self.command(command, medium.as_deref()),
            (Some(("After", units)), Some(medium)) => format!("After={units}\nRequiresMountsFor={medium}"),
            // Sticks are mounted below home directories, and readable for one user only.
            (Some(("ProtectHome", _)), Some(_)) => "ProtectHome=read-only".to_owned(),
            (Some(("PrivateTmp", _)), Some(_)) => "PrivateTmp=no".to_owned(),
            (Some(("CapabilityBoundingSet", _)), Some(_)) => {
                "CapabilityBoundingSet=CAP_DAC_READ_SEARCH".to_owned()
            }
            _ => line.to_owned(),
        });
        Ok(lines.fold("# Written by airlock.\n".to_owned(), |text, line| text + &line + "\n"))
    }

    fn command(&self, command: &str, medium: Option<&str>) -> String {
        let mut line = format!("ExecStart={command}");
        for name in &self.names {
            line += &format!(" --name {name}");
        }
        if let Some(medium) = medium {
            line += &format!(" --in-place {medium}");
            // Only that one: nobody would notice another stick without signature.
            line += &self.unsigned.map_or_else(String::new, |digest| format!(" --allow-unsigned={digest}"));
        }
        line
    }

    /// The sockets, each with the name of its unit.
    pub fn sockets(&self) -> [(&'static str, String); 2] {
        let tcp = SOCKET.replace("ListenStream=5000", &format!("ListenStream={}", self.port));
        [("airlock-registry.socket", tcp), ("airlock-registry-unix.socket", UNIX_SOCKET.to_owned())]
    }
}

/// A path as one word of a unit (systemd.syntax(7), "Quoting"; systemd.unit(5), "Specifiers").
fn quoted(path: &str) -> Result<String> {
    if path.chars().any(char::is_control) || !path.starts_with('/') {
        let message = format!("the bundle cannot be served in place from `{}`", quote(path));
        return Err(Error::new(codes::NODE_SETTINGS, message)
            .with_help("mount the medium where its path has no control characters"));
    }
    let escaped = path.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    Ok(format!("\"{escaped}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serving(medium: Option<&str>) -> Serving {
        let medium = medium.map(str::to_owned);
        Serving { port: 5443, names: vec!["reg.lab".to_owned()], medium, unsigned: None }
    }

    #[test]
    fn every_line_that_is_filled_in_is_there() {
        let text = serving(None).service().unwrap();
        assert!(text.contains("/var/lib/airlock/registry/token --allow-delete --name reg.lab\n"), "{text}");
        assert!(text.rfind("[Service]") > text.rfind("[Install]"), "`[Service]` comes last");
        assert!(text.contains("ProtectHome=yes") && text.contains("\nCapabilityBoundingSet=\n"));
        let [(_, tcp), (_, unix)] = serving(None).sockets();
        assert!(tcp.contains("\nListenStream=5443\n") && unix.contains("SocketMode=0600"));
    }

    #[test]
    fn a_medium_is_waited_for_and_may_be_anywhere() {
        let text = serving(Some("/media/ada/My \"stick\" 100%")).service().unwrap();
        let word = r#""/media/ada/My \"stick\" 100%%""#;
        assert!(text.contains(&format!(" --in-place {word}\n")), "{text}");
        assert!(text.contains(&format!("\nRequiresMountsFor={word}\n")));
        for line in ["ProtectHome=read-only", "PrivateTmp=no", "CapabilityBoundingSet=CAP_DAC_READ_SEARCH"] {
            assert!(text.contains(&format!("\n{line}\n")), "{line}");
        }
        let unsigned = Some(Digest::of(b"manifest"));
        let text = Serving { unsigned, ..serving(Some("/media/stick")) }.service().unwrap();
        let option = format!(" --allow-unsigned={}\n", Digest::of(b"manifest"));
        assert!(text.contains(&option), "this one and no other: {text}");
        assert!(!Serving { unsigned, ..serving(None) }.service().unwrap().contains("unsigned"));
        for bad in ["relative", "/media/a\nExecStartPre=x"] {
            assert_eq!(serving(Some(bad)).service().unwrap_err().code(), codes::NODE_SETTINGS);
        }
    }
}
