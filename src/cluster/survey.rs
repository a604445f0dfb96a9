//! What the hosts are, before anything is changed: each looked at by itself, and all of them compared.
//!
//! First every host tells what it is ([`look`]). From that follows what each should become ([`super::wanted`]), against
//! which it is checked ([`examine`]), while every two of them try to reach each other ([`super::matrix`]).

pub mod conduct;
pub mod examine;
pub mod findings;
pub mod look;

use std::collections::BTreeMap;

use serde::Serialize;

pub use self::examine::Examination;
pub use self::findings::Finding;
pub use self::look::Look;
use super::matrix::Link;
use super::trouble::Trouble;

/// Everything that was found out.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// What each host is, by its name; or why it could not be looked at.
    pub looks: BTreeMap<String, Result<Look, Trouble>>,
    /// How each fits to what it should become; or why that could not be found out.
    pub examinations: BTreeMap<String, Result<Examination, Trouble>>,
    /// The connections between them that do not work.
    pub links: Vec<Link>,
    /// Who has the virtual address, though no host is a node yet that could have it rightly.
    pub stranger: Option<Stranger>,
}

/// A machine that answers for the virtual address, and is none of the hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Its hardware address.
    pub hardware: String,
    /// The host that it has answered.
    pub asked_by: String,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// The host is left out, or all of them.
    Block,
    /// It is told.
    Warn,
}

impl Survey {
    /// What a host is, if it could be looked at.
    pub fn look(&self, host: &str) -> Option<&Look> {
        self.looks.get(host)?.as_ref().ok()
    }

    /// How it fits to what it should become, if that could be found out.
    pub fn examination(&self, host: &str) -> Option<&Examination> {
        self.examinations.get(host)?.as_ref().ok()
    }
}
