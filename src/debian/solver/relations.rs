//! What a version needs and excludes, parsed when first asked for and then kept.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::Strength;
use crate::debian::package::Relationship;
use crate::debian::relation::{AnyOf, Relation};
use crate::debian::universe::{Universe, VersionId};
use crate::error::Result;

/// One requirement of a version.
#[derive(Clone, Debug)]
pub(super) struct Need<'a> {
    pub strength: Strength,
    pub any_of: AnyOf<'a>,
}

impl Need<'_> {
    /// Whether the package does not work without it.
    pub(super) fn is_hard(&self) -> bool {
        self.strength != Strength::Recommends
    }
}

/// The relations of one version that decide what can be installed together.
#[derive(Debug, Default)]
pub(super) struct Relations<'a> {
    /// In apt's order: Pre-Depends, Depends, Recommends.
    pub needs: Vec<Need<'a>>,
    /// Conflicts and Breaks.
    pub excludes: Vec<Relation<'a>>,
}

/// The relations of all versions that were looked at so far.
#[derive(Debug, Default)]
pub(super) struct RelationCache<'a>(RefCell<HashMap<VersionId, Rc<Relations<'a>>>>);

impl<'a> RelationCache<'a> {
    /// The relations of `version`.
    pub(super) fn of(&self, universe: &Universe<'a>, version: VersionId) -> Result<Rc<Relations<'a>>> {
        if let Some(known) = self.0.borrow().get(&version) {
            return Ok(Rc::clone(known));
        }
        let relations = Rc::new(read(universe, version)?);
        self.0.borrow_mut().insert(version, Rc::clone(&relations));
        Ok(relations)
    }
}

fn read<'a>(universe: &Universe<'a>, version: VersionId) -> Result<Relations<'a>> {
    let stanza = universe.stanza(version);
    let mut relations = Relations::default();
    for (strength, field) in [
        (Strength::PreDepends, Relationship::PreDepends),
        (Strength::Depends, Relationship::Depends),
        (Strength::Recommends, Relationship::Recommends),
    ] {
        let needs = stanza.relations(field)?.into_iter().map(|any_of| Need { strength, any_of });
        relations.needs.extend(needs);
    }
    for field in [Relationship::Conflicts, Relationship::Breaks] {
        relations
            .excludes
            .extend(stanza.relations(field)?.into_iter().flat_map(|any_of| any_of.alternatives));
    }
    Ok(relations)
}
