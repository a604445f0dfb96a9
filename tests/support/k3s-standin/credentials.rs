//! The passwords of a cluster and the files where a server keeps them.

use fs_err as fs;
use ssh_key::rand_core::{OsRng, RngCore as _};

use super::Result;
use super::paths::{Paths, write};
use super::settings::Settings;
use super::token::Token;

/// What joiners have to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Lets servers and agents join.
    pub server: String,
    /// Lets agents join.
    pub node: String,
}

impl Credentials {
    /// Those of this server: as they are if it was started before, else as it is told, else at random.
    pub fn prepare(settings: &Settings) -> Result<Credentials> {
        let paths = &settings.paths;
        let given = Credentials::given(settings)?;
        let kept = read(paths);
        if let (Some(given), Some(kept)) = (&given, &kept)
            && *given != kept.server
        {
            return Err(
                "starting kubernetes: preparing server: bootstrap data already found and encrypted with \
                different token"
                    .into(),
            );
        }
        let server = kept.map(|kept| kept.server).or(given).unwrap_or_else(random_password);
        let node = settings.agent_token.clone().unwrap_or_else(|| server.clone());
        let credentials = Credentials { server, node };
        let passwd = format!(
            "{},node,node,k3s:agent\n{},server,server,k3s:server\n",
            credentials.node, credentials.server
        );
        write(&paths.server("cred/passwd"), passwd.as_bytes(), 0o600)?;
        Ok(credentials)
    }

    /// The password in the token that the server was given.
    pub fn given(settings: &Settings) -> Result<Option<String>> {
        let token = settings.token.as_deref().map(|token| Token::parse(token, "server")).transpose()?;
        Ok(token.map(|token| token.password))
    }

    /// Writes the tokens that joiners are given. The authority has to exist.
    pub fn write_tokens(&self, settings: &Settings) -> Result<()> {
        let paths = &settings.paths;
        let authority = fs::read(paths.server("tls/server-ca.crt"))?;
        let token = Token::full(&authority, "server", &self.server);
        write(&paths.server("token"), format!("{token}\n").as_bytes(), 0o600)?;
        link(paths, "node-token")?;
        if settings.agent_token.is_none() {
            return link(paths, "agent-token");
        }
        let token = Token::full(&authority, "node", &self.node);
        write(&paths.server("agent-token"), format!("{token}\n").as_bytes(), 0o600)
    }

    /// Whether somebody who says to be `user` may join.
    pub fn allow(&self, user: &str, password: &str) -> bool {
        match user {
            "server" => password == self.server,
            "node" => password == self.node || password == self.server,
            _ => false,
        }
    }
}

fn read(paths: &Paths) -> Option<Credentials> {
    let text = fs::read_to_string(paths.server("cred/passwd")).ok()?;
    let password = |user: &str| {
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        lines.find(|fields| fields.get(1) == Some(&user)).map(|fields| fields[0].to_owned())
    };
    Some(Credentials { server: password("server")?, node: password("node")? })
}

fn link(paths: &Paths, name: &str) -> Result<()> {
    let link = paths.server(name);
    let _ = fs::remove_file(&link);
    Ok(fs::os::unix::fs::symlink(paths.server("token"), link)?)
}

/// A password that nobody guesses: 16 bytes in hexadecimal digits.
pub fn random_password() -> String {
    let mut bytes = [0; 16];
    OsRng.fill_bytes(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
