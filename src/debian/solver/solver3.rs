//! The decision procedure of apt 3.1 and later: what follows without a choice is decided first, real choices
//! are put off until then, and a choice that leads nowhere is taken back.
//!
//! A choice therefore sees more of what is there anyway than in the older [`walk`](super::walk), and often
//! nothing is left to choose.

use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use super::relations::Need;
use super::state::State;
use super::{Reason, choice, explain, walk};
use crate::debian::universe::VersionId;
use crate::error::Result;

/// How many choices may be taken back before the request counts as unsatisfiable.
const MOST_RETRIES: usize = 5_000;

/// One requirement that is not settled, with the versions that could meet it, the preferred one first.
struct Clause<'a> {
    need: Need<'a>,
    holder: VersionId,
    solutions: Vec<VersionId>,
}

/// What to return to if a choice leads nowhere.
struct Level<'a> {
    moment: usize,
    pending: Vec<Rc<Clause<'a>>>,
    rejected: HashSet<VersionId>,
    choice: VersionId,
}

/// What to do next.
enum Step<'a> {
    Done,
    DeadEnd(VersionId),
    Choose(Rc<Clause<'a>>, VersionId),
}

struct Search<'s, 'u, 'a> {
    state: &'s mut State<'u, 'a>,
    pending: Vec<Rc<Clause<'a>>>,
    rejected: HashSet<VersionId>,
    levels: Vec<Level<'a>>,
}

/// Decides everything that `wanted`, already chosen, needs.
pub(super) fn run(state: &mut State<'_, '_>, wanted: &[VersionId]) -> Result<()> {
    let mut search = Search { state, pending: Vec::new(), rejected: HashSet::new(), levels: Vec::new() };
    for &version in wanted {
        if !search.follow(version)? {
            return Err(explain::unsatisfiable(search.state, version));
        }
    }
    if let Some(culprit) = search.search()? {
        return Err(explain::unsatisfiable(state, culprit));
    }
    walk::finish(state)
}

impl<'a> Search<'_, '_, 'a> {
    /// Settles all requirements. Gives who has the one that cannot be, if there is one.
    fn search(&mut self) -> Result<Option<VersionId>> {
        let mut retries = 0;
        loop {
            let culprit = match self.next()? {
                Step::Done => return Ok(None),
                Step::DeadEnd(holder) => holder,
                Step::Choose(clause, version) => match self.decide(&clause, version)? {
                    true => continue,
                    false => clause.holder,
                },
            };
            retries += 1;
            if retries > MOST_RETRIES || !self.take_back_a_choice() {
                return Ok(Some(culprit));
            }
        }
    }

    /// The requirement to settle next: hard ones first, those with the fewest possibilities first.
    fn next(&mut self) -> Result<Step<'a>> {
        let mut best: Option<((bool, usize), Rc<Clause<'a>>, VersionId)> = None;
        let mut open = Vec::with_capacity(self.pending.len());
        for clause in std::mem::take(&mut self.pending) {
            if clause.solutions.iter().any(|version| self.state.is_chosen(*version)) {
                continue;
            }
            let possible = self.possible(&clause)?;
            let Some(&first) = possible.first() else {
                if clause.need.is_hard() {
                    return Ok(Step::DeadEnd(clause.holder));
                }
                continue;
            };
            let order = (!clause.need.is_hard(), usize::from(possible.len() > 1));
            if best.as_ref().is_none_or(|(least, _, _)| order < *least) {
                best = Some((order, Rc::clone(&clause), first));
            }
            open.push(clause);
        }
        self.pending = open;
        Ok(best.map_or(Step::Done, |(_, clause, version)| Step::Choose(clause, version)))
    }

    /// The versions that could still meet a requirement.
    fn possible(&self, clause: &Clause<'_>) -> Result<Vec<VersionId>> {
        let mut possible = Vec::new();
        for &version in &clause.solutions {
            if !self.rejected.contains(&version) && self.has_room(version)? {
                possible.push(version);
            }
        }
        Ok(possible)
    }

    /// Whether nothing that was decided stands against `version`.
    fn has_room(&self, version: VersionId) -> Result<bool> {
        let state = &self.state;
        if state.is_changed(state.universe.package_of(version)) {
            return Ok(state.is_chosen(version));
        }
        for other in state.in_conflict_with(version)? {
            if self.way_out(other, version)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The upgrade that ends the conflict of the installed `other` with `version`.
    fn way_out(&self, other: VersionId, version: VersionId) -> Result<Option<VersionId>> {
        let state = &self.state;
        let package = state.universe.package_of(other);
        if state.is_changed(package) {
            return Ok(None);
        }
        match state.candidate(package).filter(|candidate| *candidate != other) {
            Some(candidate) if !state.are_in_conflict(candidate, version)? => Ok(Some(candidate)),
            _ => Ok(None),
        }
    }

    /// Chooses `version` for a requirement, so that this can be taken back.
    fn decide(&mut self, clause: &Clause<'a>, version: VersionId) -> Result<bool> {
        self.levels.push(Level {
            moment: self.state.moment(),
            pending: self.pending.clone(),
            rejected: self.rejected.clone(),
            choice: version,
        });
        self.assume(version, reason(clause))
    }

    /// Chooses `version` and everything that follows from it without a choice.
    fn assume(&mut self, version: VersionId, reason: Reason<'a>) -> Result<bool> {
        if self.state.is_chosen(version) {
            return Ok(true);
        }
        if self.rejected.contains(&version) || !self.has_room(version)? {
            return Ok(false);
        }
        self.state.choose(version, reason)?;
        self.follow(version)
    }

    /// Everything that follows from `version`, which is chosen, without a choice. Works through a list instead
    /// of calling itself, since chains of packages are long.
    fn follow(&mut self, version: VersionId) -> Result<bool> {
        let mut forced = VecDeque::from([version]);
        while let Some(version) = forced.pop_front() {
            for other in self.state.in_conflict_with(version)? {
                let Some(upgrade) = self.way_out(other, version)? else { return Ok(false) };
                self.state.choose(upgrade, Reason::MakesRoom { by: version })?;
                forced.push_back(upgrade);
            }
            for package in self.state.siblings(version) {
                if let Some(candidate) = self.state.candidate(package)
                    && self.has_room(candidate)?
                {
                    self.state.choose(candidate, Reason::SameSource { with: version })?;
                    forced.push_back(candidate);
                }
            }
            let relations = self.state.relations(version)?;
            for need in &relations.needs {
                if need.is_hard() || walk::wants_recommended(self.state, need, version)? {
                    match self.require(need, version)? {
                        None => return Ok(false),
                        Some(only) => forced.extend(only),
                    }
                }
            }
        }
        Ok(true)
    }

    /// Adds a requirement. Gives the version that it forces, if there is no choice, and nothing at all if it
    /// cannot be met.
    fn require(&mut self, need: &Need<'a>, holder: VersionId) -> Result<Option<Option<VersionId>>> {
        if self.state.is_met(&need.any_of, holder) {
            return Ok(Some(None));
        }
        let solutions = choice::solutions(self.state, &need.any_of, holder);
        let clause = Clause { need: need.clone(), holder, solutions };
        match clause.solutions[..] {
            [] if need.is_hard() => Ok(None),
            [only] if need.is_hard() => {
                if self.rejected.contains(&only) || !self.has_room(only)? {
                    return Ok(None);
                }
                self.state.choose(only, reason(&clause))?;
                Ok(Some(Some(only)))
            }
            _ => {
                self.pending.push(Rc::new(clause));
                Ok(Some(None))
            }
        }
    }

    /// Returns to before the last choice and rules it out there. False if there was none.
    fn take_back_a_choice(&mut self) -> bool {
        let Some(level) = self.levels.pop() else { return false };
        self.state.take_back(level.moment);
        self.pending = level.pending;
        self.rejected = level.rejected;
        self.rejected.insert(level.choice);
        true
    }
}

fn reason<'a>(clause: &Clause<'a>) -> Reason<'a> {
    Reason::Needed {
        by: clause.holder,
        strength: clause.need.strength,
        requirement: clause.need.any_of.clone(),
    }
}
