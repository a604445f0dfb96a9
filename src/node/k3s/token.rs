//! The join token: 0600 on the node, and nowhere else.

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::paths;
use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::Machine;
use crate::node::resource::{File, Resource};
use crate::node::work::Work;
use crate::secret::Secret;

/// The file with the token.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token that the operator has given; without it one is made on the node, unless there is one.
    pub given: Option<Secret<String>>,
}

impl Token {
    /// Checks a token that was read from a file.
    ///
    /// # Errors
    /// [`codes::NODE_SETTINGS`]; the token is not repeated.
    pub fn parse(text: &str) -> Result<Secret<String>> {
        let token = text.trim();
        let is_line =
            !token.is_empty() && token.len() <= 512 && token.bytes().all(|byte| byte.is_ascii_graphic());
        match is_line {
            true => Ok(Secret::new(token.to_owned())),
            false => {
                Err(Error::new(codes::NODE_SETTINGS, "the token file does not hold one line with a token")
                    .with_help(
                        "copy /var/lib/rancher/k3s/server/token of the first server; never type a token",
                    ))
            }
        }
    }

    fn file(&self, token: &Secret<String>) -> File {
        File::private(paths::TOKEN, format!("{}\n", token.reveal()))
    }
}

impl Resource for Token {
    fn check(&self, machine: &Machine) -> Result<Option<Change>> {
        match &self.given {
            Some(token) => self.file(token).check(machine),
            None => Ok(machine
                .metadata(paths::TOKEN)?
                .is_none()
                .then(|| Change::new(Verb::Create, paths::TOKEN).with_detail("0600, random"))),
        }
    }

    fn make(&self, work: &mut Work<'_>) -> Result<()> {
        let token = match &self.given {
            Some(token) => token.clone(),
            None => random()?,
        };
        self.file(&token).make(work)
    }
}

fn random() -> Result<Secret<String>> {
    let mut bytes = Zeroizing::new([0; 32]);
    rand::fill(bytes.as_mut_slice())
        .map_err(|_| Error::new(codes::RESOURCES, "the system gives no random bytes"))?;
    let hex = bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    Ok(Secret::new(hex))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::node::journal::Journal;
    use crate::node::machine::SystemPrograms;
    use crate::progress::Silent;

    #[test]
    fn a_token_is_made_once_and_a_given_one_counts() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::new(root.path(), Arc::new(SystemPrograms));
        let mut journal = Journal::open(&machine).unwrap();
        let mut work = Work::new(&machine, &mut journal, &Silent, Duration::from_secs(10));
        let own = Token { given: None };
        assert!(own.check(&machine).unwrap().is_some());
        own.make(&mut work).unwrap();
        assert_eq!(own.check(&machine).unwrap(), None);
        let made = machine.read_text(paths::TOKEN).unwrap().unwrap();
        assert_eq!(Token::parse(&made).unwrap().reveal().len(), 64);
        let given = Token { given: Some(Token::parse("K10abc::server:secret\n").unwrap()) };
        assert!(given.check(&machine).unwrap().is_some());
        given.make(&mut work).unwrap();
        assert_eq!(machine.read_text(paths::TOKEN).unwrap().unwrap(), "K10abc::server:secret\n");
        assert!(Token::parse("two lines\nof it").is_err() && Token::parse("").is_err());
    }
}
