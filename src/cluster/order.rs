//! The commands by which a host becomes a node: those that an administrator would type there.

use std::time::Duration;

use super::remote::Command;
use crate::error::{Error, Result, codes};
use crate::node::preflight::Circumstances;
use crate::node::settings::Settings;
use crate::oci::digest::Digest;

/// How long an installation may take: packages, a driver that is compiled, and k3s, on a slow machine.
const INSTALLATION: Duration = Duration::from_secs(3 * 60 * 60);

/// What holds for the installation of every host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Who is believed to have made the bundle.
    pub trust: Trust,
    /// Keys that do not count any more, as the file is.
    pub revoked: Option<String>,
    /// The lowest serial that is accepted.
    pub minimum_serial: Option<u64>,
    /// How checks are weighed, as the file is; otherwise as each node has kept it.
    pub policy: Option<String>,
}

/// Who is believed to have made the bundle. It was verified here already; a node verifies it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The signer with this fingerprint, `SHA256:…`.
    Signer(String),
    /// So many of those in this list, as `allowed_signers` has it.
    Signers {
        /// The list.
        list: String,
        /// How many different keys.
        threshold: usize,
    },
    /// Those whom the node believes anyway.
    AsBefore,
    /// Nobody: exactly this bundle is accepted without a signature.
    Unsigned(Digest),
}

impl Terms {
    /// Every host decides as it has decided before.
    pub fn as_before() -> Terms {
        Terms { trust: Trust::AsBefore, revoked: None, minimum_serial: None, policy: None }
    }

    /// Words of `install`, and the files that they name.
    pub fn words(&self) -> (Vec<String>, Vec<(&'static str, String)>) {
        let (mut words, mut files) = self.words_of_trust();
        if let Some(policy) = &self.policy {
            words.extend(["--policy", "{policy}"].map(str::to_owned));
            files.push(("policy", policy.clone()));
        }
        (words, files)
    }

    /// Those of every command that is to believe the bundle.
    fn words_of_trust(&self) -> (Vec<String>, Vec<(&'static str, String)>) {
        let (mut words, mut files) = (Vec::new(), Vec::new());
        match &self.trust {
            Trust::AsBefore => {}
            Trust::Signer(fingerprint) => words.extend(["--trust".to_owned(), fingerprint.clone()]),
            Trust::Signers { list, threshold } => {
                words.extend(["--allowed-signers", "{signers}", "--signatures"].map(str::to_owned));
                words.push(threshold.to_string());
                files.push(("signers", list.clone()));
            }
            Trust::Unsigned(digest) => words.push(format!("--allow-unsigned={digest}")),
        }
        if let Some(revoked) = &self.revoked {
            words.extend(["--revoked", "{revoked}"].map(str::to_owned));
            files.push(("revoked", revoked.clone()));
        }
        words.extend(self.minimum_serial.iter().map(|serial| format!("--minimum-serial={serial}")));
        (words, files)
    }
}

/// Where a host takes the bundle from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// A registry, `https://HOST:5443`; otherwise the store of the host itself.
    pub from: Option<String>,
    /// What the registries of the servers are known by: certificates in PEM, one after the other; empty as long as
    /// there are none.
    pub authorities: String,
}

/// `airlock node receive`, which reads the bundle from its standard input.
pub fn receive<'a>(terms: &Terms) -> Command<'a> {
    let (words, files) = terms.words_of_trust();
    let command = Command::airlock(["node", "receive"].map(str::to_owned).into_iter().chain(words));
    with_files(command, files)
}

/// The same, which says what the store of the host lacks of the bundle.
pub fn receive_plan<'a>(terms: &Terms) -> Command<'a> {
    let mut command = receive(terms);
    command.request.arguments.push("--plan".to_owned());
    command
}

/// `airlock install`.
///
/// # Errors
/// [`codes::INTERNAL`] if the settings cannot be written.
pub fn install<'a>(settings: &Settings, source: &Source, terms: &Terms) -> Result<Command<'a>> {
    let mut words = ["install", "--settings", "{settings}", "--yes"].map(str::to_owned).to_vec();
    let mut files = vec![("settings", json(settings)?)];
    words.extend(source.from.iter().flat_map(|url| ["--from".to_owned(), url.clone()]));
    if !source.authorities.is_empty() {
        words.extend(["--ca", "{authorities}"].map(str::to_owned));
        files.push(("authorities", source.authorities.clone()));
    }
    let (further, of_terms) = terms.words();
    words.extend(further);
    files.extend(of_terms);
    let command = Command::airlock(words).within(INSTALLATION);
    Ok(with_files(command, files))
}

/// The same, which says what it would change.
///
/// # Errors
/// Those of [`install`].
pub fn install_plan(settings: &Settings, source: &Source, terms: &Terms) -> Result<Command<'static>> {
    let mut command = install(settings, source, terms)?;
    command.request.arguments.push("--plan".to_owned());
    Ok(command)
}

/// `airlock node preflight` for what the host should become.
///
/// # Errors
/// [`codes::INTERNAL`] if that cannot be written.
pub fn preflight(circumstances: &Circumstances, terms: &Terms) -> Result<Command<'static>> {
    let mut words = ["node", "preflight", "--circumstances", "{circumstances}"].map(str::to_owned).to_vec();
    let text = json(circumstances)?;
    let Some(policy) = &terms.policy else {
        return Ok(Command::airlock(words).with_file("circumstances", text));
    };
    words.extend(["--policy", "{policy}"].map(str::to_owned));
    Ok(Command::airlock(words).with_file("circumstances", text).with_file("policy", policy.clone()))
}

fn with_files<'a>(command: Command<'a>, files: Vec<(&str, String)>) -> Command<'a> {
    files.into_iter().fold(command, |command, (name, text)| command.with_file(name, text))
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::new(codes::INTERNAL, "settings cannot be written as JSON").with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_file_is_among_the_words() {
        let terms = Terms {
            trust: Trust::Signers { list: "lab ssh-ed25519 AAAA".to_owned(), threshold: 2 },
            revoked: Some("revoked keys".to_owned()),
            minimum_serial: Some(7),
            policy: Some("a policy".to_owned()),
        };
        let source = Source { from: Some("https://10.0.0.1:5443".to_owned()), authorities: "PEM".to_owned() };
        let command = install_plan(&Settings::default(), &source, &terms).unwrap();
        insta::assert_snapshot!(
            command.request.arguments.join(" "),
            @"install --settings {settings} --yes --from https://10.0.0.1:5443 --ca {authorities} --allowed-signers {signers} --signatures 2 --revoked {revoked} --minimum-serial=7 --policy {policy} --plan"
        );
        let files: Vec<&str> = command.request.files.keys().map(String::as_str).collect();
        assert_eq!(files, ["authorities", "policy", "revoked", "settings", "signers"]);
        let received = receive_plan(&terms).request;
        insta::assert_snapshot!(
            received.arguments.join(" "),
            @"node receive --allowed-signers {signers} --signatures 2 --revoked {revoked} --minimum-serial=7 --plan"
        );
        assert_eq!(received.files.keys().collect::<Vec<_>>(), ["revoked", "signers"]);
        let terms = Terms { trust: Trust::Signer("SHA256:abc".to_owned()), ..Terms::as_before() };
        let command = install(&Settings::default(), &Source::default(), &terms).unwrap();
        assert_eq!(
            command.request.arguments.join(" "),
            "install --settings {settings} --yes --trust SHA256:abc"
        );
        let unsigned = Terms { trust: Trust::Unsigned(Digest::of(b"x")), ..Terms::as_before() };
        let unsigned = receive(&unsigned).request.arguments;
        assert_eq!(unsigned[2..], [format!("--allow-unsigned={}", Digest::of(b"x"))]);
        assert_eq!(receive(&Terms::as_before()).request.arguments, ["node", "receive"]);
    }
}
