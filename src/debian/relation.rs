//! What packages need, refuse and provide: the grammar of relationship fields (Debian Policy 7.1, 7.5;
//! deb-control(5); multi-arch qualifiers as dpkg reads them).
//!
//! Restrictions to architectures (`[amd64]`) and build profiles (`<!nocheck>`) belong into sources: dpkg and
//! apt refuse them in a binary package, and so does this.

mod parser;

use std::fmt;

use crate::debian::version::Version;
use crate::error::Result;

/// One requirement: any of these, the first is preferred. Never empty. Printed as `one | other`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyOf<'a> {
    /// In the order they were written.
    pub alternatives: Vec<Relation<'a>>,
}

/// A package, real or virtual, perhaps of one architecture or within a range of versions. Printed as in a
/// control file: `name:any (>= 1.0)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation<'a> {
    /// The package.
    pub name: &'a str,
    /// What stands behind the colon.
    pub qualifier: Option<Qualifier<'a>>,
    /// What stands in the parentheses.
    pub constraint: Option<Constraint<'a>>,
}

/// Which architecture of the package will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qualifier<'a> {
    /// `:any`, whichever, if the package is `Multi-Arch: allowed`.
    Any,
    /// `:native`, that of the machine.
    Native,
    /// `:amd64` and the like, exactly this one.
    Architecture(&'a str),
}

/// A range of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constraint<'a> {
    /// How a version must compare.
    pub operator: Operator,
    /// To what.
    pub version: Version<'a>,
}

/// How two versions compare. The old `<` and `>` are read as what they mean, `<=` and `>=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=`
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=`
    LaterOrEqual,
    /// `>>`
    Later,
}

/// A name that a package offers besides its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provided<'a> {
    /// The virtual package.
    pub name: &'a str,
    /// The architecture it is provided for, if not that of the package.
    pub qualifier: Option<Qualifier<'a>>,
    /// The version that versioned dependencies see; without it only unversioned ones are met.
    pub version: Option<Version<'a>>,
}

/// Reads a field such as `Depends` or `Conflicts`. An empty field has no relations.
///
/// # Errors
/// [`DEBIAN_RELATION`](crate::error::codes::DEBIAN_RELATION) or
/// [`DEBIAN_VERSION`](crate::error::codes::DEBIAN_VERSION) where dpkg would refuse the field.
pub fn parse(field: &str) -> Result<Vec<AnyOf<'_>>> {
    let mut parser = parser::Parser::new(field);
    let mut groups = Vec::new();
    while parser.skip_commas() {
        groups.push(parser.any_of()?);
    }
    Ok(groups)
}

/// Reads a field `Provides`. An entry with another operator than `=` provides nothing, as in apt.
///
/// # Errors
/// As [`parse`], and for alternatives.
pub fn parse_provides(field: &str) -> Result<Vec<Provided<'_>>> {
    let mut parser = parser::Parser::new(field);
    let mut provided = Vec::new();
    while parser.skip_commas() {
        let Relation { name, qualifier, constraint } = parser.only()?;
        match constraint {
            None => provided.push(Provided { name, qualifier, version: None }),
            Some(Constraint { operator: Operator::Equal, version }) => {
                provided.push(Provided { name, qualifier, version: Some(version) });
            }
            Some(_) => {}
        }
    }
    Ok(provided)
}

/// Whether `name` can be the name of a package: what dpkg allows, which is more than the policy does.
pub fn is_package_name(name: &str) -> bool {
    name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-+._".contains(&byte))
}

impl Constraint<'_> {
    /// Whether `version` is in the range.
    pub fn accepts(&self, version: &Version<'_>) -> bool {
        let order = version.cmp(&self.version);
        match self.operator {
            Operator::Earlier => order.is_lt(),
            Operator::EarlierOrEqual => order.is_le(),
            Operator::Equal => order.is_eq(),
            Operator::LaterOrEqual => order.is_ge(),
            Operator::Later => order.is_gt(),
        }
    }
}

impl fmt::Display for AnyOf<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, relation) in self.alternatives.iter().enumerate() {
            let separator = if index == 0 { "" } else { " | " };
            write!(formatter, "{separator}{relation}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Relation<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)?;
        if let Some(qualifier) = self.qualifier {
            write!(formatter, ":{qualifier}")?;
        }
        match self.constraint {
            Some(constraint) => write!(formatter, " ({constraint})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Qualifier<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Qualifier::Any => "any",
            Qualifier::Native => "native",
            Qualifier::Architecture(name) => name,
        })
    }
}

impl fmt::Display for Constraint<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.operator, self.version)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Operator::Earlier => "<<",
            Operator::EarlierOrEqual => "<=",
            Operator::Equal => "=",
            Operator::LaterOrEqual => ">=",
            Operator::Later => ">>",
        })
    }
}

#[cfg(test)]
mod tests;
