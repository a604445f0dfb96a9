//! Walks through the text of a relationship field.

use super::{AnyOf, Constraint, Operator, Qualifier, Relation, is_package_name};
use crate::debian::version::Version;
use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// The field and how much of it has been read. `rest` never begins with white space.
pub(super) struct Parser<'a> {
    field: &'a str,
    rest: &'a str,
}

impl<'a> Parser<'a> {
    pub(super) fn new(field: &'a str) -> Self {
        Parser { field, rest: field.trim_ascii_start() }
    }

    /// Goes to the next relation; false at the end. Spare commas mean nothing.
    pub(super) fn skip_commas(&mut self) -> bool {
        while self.take(",") {}
        !self.rest.is_empty()
    }

    /// Alternatives up to a comma or the end.
    pub(super) fn any_of(&mut self) -> Result<AnyOf<'a>> {
        let mut alternatives = vec![self.relation()?];
        while self.take("|") {
            alternatives.push(self.relation()?);
        }
        self.expect_end()?;
        Ok(AnyOf { alternatives })
    }

    /// One relation, without alternatives.
    pub(super) fn only(&mut self) -> Result<Relation<'a>> {
        let relation = self.relation()?;
        self.expect_end()?;
        Ok(relation)
    }

    fn relation(&mut self) -> Result<Relation<'a>> {
        let word = self.take_until(|byte| byte.is_ascii_whitespace() || b",|([<".contains(&byte));
        let (name, qualifier) = match word.split_once(':') {
            None => (word, None),
            Some((name, qualifier)) => (name, Some(self.qualifier(qualifier)?)),
        };
        if !is_package_name(name) {
            return Err(self.error(&format!("has no package name at `{}`", quote(word))));
        }
        let constraint = if self.take("(") { Some(self.constraint()?) } else { None };
        Ok(Relation { name, qualifier, constraint })
    }

    fn qualifier(&self, text: &'a str) -> Result<Qualifier<'a>> {
        match text {
            "any" => Ok(Qualifier::Any),
            "native" => Ok(Qualifier::Native),
            name if !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') =>
            {
                Ok(Qualifier::Architecture(name))
            }
            _ => Err(self.error(&format!("names no architecture in `:{}`", quote(text)))),
        }
    }

    fn constraint(&mut self) -> Result<Constraint<'a>> {
        let operator = match self.take_until(|byte| !b"<=>".contains(&byte)) {
            "<<" => Operator::Earlier,
            "<=" | "<" => Operator::EarlierOrEqual,
            "=" | "" => Operator::Equal,
            ">=" | ">" => Operator::LaterOrEqual,
            ">>" => Operator::Later,
            other => return Err(self.error(&format!("has an unknown operator `{other}`"))),
        };
        let text = self.take_until(|byte| byte.is_ascii_whitespace() || byte == b')');
        let version =
            Version::parse(text).map_err(|cause| self.error("has no usable version").with_source(cause))?;
        if self.take(")") { Ok(Constraint { operator, version }) } else { Err(self.error("lacks a `)`")) }
    }

    fn expect_end(&self) -> Result<()> {
        match self.rest.chars().next() {
            None | Some(',') => Ok(()),
            Some('[' | '<') => {
                Err(self.error("is restricted to architectures or build profiles, as only sources can be"))
            }
            Some(other) => Err(self.error(&format!("goes on with `{}`", other.escape_debug()))),
        }
    }

    /// Steps over `token` and the white space behind it, if it comes next.
    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest.trim_ascii_start();
                true
            }
            None => false,
        }
    }

    /// Steps over everything up to a byte that is an `end`, which must be ASCII, and white space behind it.
    fn take_until(&mut self, end: impl Fn(u8) -> bool) -> &'a str {
        let length = self.rest.bytes().position(end).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest.trim_ascii_start();
        word
    }

    fn error(&self, reason: &str) -> Error {
        const SHOWN: usize = 60;
        let near = self.field.len() - self.rest.len();
        let before: String = self.field[..near].chars().rev().take(SHOWN).collect();
        let before: String = before.chars().rev().collect();
        let message = format!("the relationship field {reason}, after `{}`", before.trim().escape_debug());
        Error::new(codes::DEBIAN_RELATION, message)
            .with_help("the package is broken, and dpkg would refuse it too; take another version of it")
    }
}
