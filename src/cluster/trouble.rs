//! Why something failed on a host, kept: in reports, as JSON, and to be told again at the end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, codes};

/// An error of a host. Unlike [`Error`] it can be copied; the fields are those of an error in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// The code of the error, such as `E1001`.
    pub code: String,
    /// What happened.
    pub message: String,
    /// Further facts and causes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Trouble {
    /// The code of the error.
    pub fn code(&self) -> Code {
        Code::named(&self.code).unwrap_or(codes::REMOTE_COMMAND)
    }

    /// Whether it is that error.
    pub fn is(&self, code: Code) -> bool {
        self.code == code.to_string()
    }

    /// The same as an error.
    pub fn to_error(&self) -> Error {
        let error = Error::new(self.code(), self.message.clone());
        let error = self.details.iter().fold(error, |error, detail| error.with_detail(detail.clone()));
        match &self.help {
            Some(help) => error.with_help(help.clone()),
            None => error,
        }
    }
}

impl From<&Error> for Trouble {
    fn from(error: &Error) -> Trouble {
        Trouble {
            code: error.code().to_string(),
            message: error.message().to_owned(),
            details: error.details().iter().cloned().chain(error.causes()).collect(),
            help: error.help().map(str::to_owned),
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::from(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_and_its_copy_say_the_same() {
        let error = Error::new(codes::NODE_BUSY, "it is at work").with_detail("since noon").with_help("wait");
        let trouble = Trouble::from(&error);
        assert!(trouble.is(codes::NODE_BUSY));
        let again = trouble.to_error();
        assert_eq!(
            (again.code(), again.help(), again.details()),
            (error.code(), error.help(), error.details())
        );
        assert_eq!(Trouble { code: "E9999".to_owned(), ..trouble }.code(), codes::REMOTE_COMMAND);
    }
}
