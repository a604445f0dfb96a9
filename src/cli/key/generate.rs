//! `airlock key generate`: a new signing key, ready for use.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::public;
use crate::cli::environment::Environment;
use crate::cli::session::Session;
use crate::cli::{files, passphrase};
use crate::error::{Error, Result, codes};
use crate::secret::Secret;
use crate::trust::key;
use crate::ui::text::escape;

/// Lists of signers are short.
const LIST_LIMIT: u64 = 1 << 20;

/// Make a new signing key
///
/// Writes the private key with mode 0600 and beside it the public key as FILE.pub, and adds the public key
/// to your own list of allowed signers, so that you can verify what you build. Other machines need the
/// line that `airlock key show` prints in their /etc/airlock/allowed_signers.
///
/// The passphrase is asked twice. Whoever has the file and the passphrase can sign in your name: keep a
/// copy of both in a safe place.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct GenerateArgs {
    /// The private key to write [default: ~/.config/airlock/signing-key]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Who the key belongs to; becomes the name of the signer in lists [default: airlock@HOSTNAME]
    #[arg(long, value_name = "C", value_parser = comment)]
    pub comment: Option<String>,

    /// Do not encrypt the private key
    #[arg(long, conflicts_with = "passphrase_file")]
    pub no_passphrase: bool,

    /// Read the passphrase from the first line of a file, `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  airlock key generate
  airlock key generate --output release.key --comment release@lab --passphrase-file passphrase";

/// Where the parts of a new key go, checked.
struct Generate {
    private: PathBuf,
    public: PathBuf,
    comment: String,
    /// The user's list of signers, where there is a home for it.
    signers: Option<PathBuf>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Generated {
    private_key: String,
    public_key: String,
    fingerprint: String,
    allowed_signers: Option<String>,
    allowed_signers_line: String,
}

pub(super) fn run(arguments: GenerateArgs, session: &Session) -> Result<()> {
    let passphrase_file = arguments.passphrase_file.clone();
    let is_plain = arguments.no_passphrase;
    let generate = arguments.check(session.environment())?;
    let passphrase = match passphrase_file {
        _ if is_plain => None,
        Some(file) => Some(passphrase::from_file(&file)?),
        None => Some(session.prompt().new_passphrase()?),
    };
    let generated = generate.write(passphrase, session)?;
    session.print(&generated, human)
}

impl GenerateArgs {
    fn check(self, environment: &Environment) -> Result<Generate> {
        let own = environment.config_directory.as_deref();
        let private = match self.output.or_else(|| own.map(|directory| directory.join("signing-key"))) {
            Some(path) => path,
            None => {
                return Err(Error::new(codes::ENVIRONMENT, "there is no home directory to write the key to")
                    .with_help("name a file: `airlock key generate --output FILE`"));
            }
        };
        let mut public = private.clone().into_os_string();
        public.push(".pub");
        let generate = Generate {
            comment: self.comment.unwrap_or_else(default_comment),
            public: public.into(),
            private,
            signers: own.map(|directory| directory.join("allowed_signers")),
        };
        files::refuse_existing(&generate.private, &generate.help())?;
        files::refuse_existing(&generate.public, &generate.help())?;
        Ok(generate)
    }
}

impl Generate {
    fn write(&self, passphrase: Option<Secret<String>>, session: &Session) -> Result<Generated> {
        let key::Generated { private, public } = key::generate(&self.comment, passphrase.as_ref())?;
        if self.is_in_own_directory() {
            self.private.parent().map_or(Ok(()), files::create_private_directory)?;
        }
        files::create(&self.private, private.reveal().as_bytes(), 0o600, &self.help())?;
        files::create(&self.public, format!("{}\n", public.to_line()).as_bytes(), 0o644, &self.help())?;
        let line = public::allowed_line(&public);
        let signers = self.signers.as_deref().filter(|list| is_added(list, &line, session));
        let text = |path: &Path| path.to_string_lossy().into_owned();
        Ok(Generated {
            private_key: text(&self.private),
            public_key: text(&self.public),
            fingerprint: public.fingerprint(),
            allowed_signers: signers.map(text),
            allowed_signers_line: line,
        })
    }

    fn is_in_own_directory(&self) -> bool {
        self.private.parent() == self.signers.as_deref().and_then(Path::parent)
    }

    fn help(&self) -> String {
        let path = files::shown(&self.private);
        format!(
            "keys are never overwritten: choose another name with `--output FILE`, or use the one there is (`airlock key show {path}`)"
        )
    }
}

/// Adds the line to the user's list. The key is made and good without that, so failing is only a warning.
fn is_added(list: &Path, line: &str, session: &Session) -> bool {
    match add_line(list, line) {
        Ok(()) => true,
        Err(error) => {
            session.warn(&format!("the key was not added to your allowed signers: {error}"));
            false
        }
    }
}

fn add_line(list: &Path, line: &str) -> Result<()> {
    list.parent().map_or(Ok(()), files::create_private_directory)?;
    let old = match files::refuse_existing(list, "") {
        Ok(()) => String::new(),
        Err(_) => files::read_text(list, "list of allowed signers", LIST_LIMIT)?,
    };
    let separator = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
    files::replace(list, format!("{old}{separator}{line}\n").as_bytes(), 0o644)
}

fn human(generated: &Generated) -> String {
    let mut text = format!(
        "private key   {}\npublic key    {}\nfingerprint   {}\n",
        escape(&generated.private_key),
        escape(&generated.public_key),
        generated.fingerprint
    );
    if let Some(signers) = &generated.allowed_signers {
        text.push_str(&format!("added to      {}\n", escape(signers)));
    }
    text.push_str("\nMachines that shall trust this key need this line in /etc/airlock/allowed_signers:\n\n");
    text.push_str(&generated.allowed_signers_line);
    text.push('\n');
    text
}

/// Comments end up in lists where a line is a key: they must stay on theirs.
fn comment(text: &str) -> Result<String, String> {
    match text {
        "" => Err("it must not be empty".to_owned()),
        _ if text.len() > 200 => Err("it must not be longer than 200 bytes".to_owned()),
        _ if *text != *escape(text) || text.trim() != text => {
            Err("it must be one line without control characters".to_owned())
        }
        _ => Ok(text.to_owned()),
    }
}

fn default_comment() -> String {
    let name = fs_err::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.as_deref().map(str::trim).filter(|name| comment(name).is_ok());
    format!("airlock@{}", name.unwrap_or("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_stay_on_one_line() {
        assert_eq!(comment("release@lab").as_deref(), Ok("release@lab"));
        for text in ["", " a", "a\nb", "\u{1b}[1m", &"a".repeat(201)] {
            assert!(comment(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_list_grows_by_whole_lines() {
        let directory = tempfile::tempdir().unwrap();
        let list = directory.path().join("allowed_signers");
        add_line(&list, "one").unwrap();
        add_line(&list, "two").unwrap();
        fs_err::write(&list, "one\ntwo").unwrap();
        add_line(&list, "three").unwrap();
        assert_eq!(fs_err::read_to_string(&list).unwrap(), "one\ntwo\nthree\n");
    }
}
