//! Placeholder
use super::state::State;
use crate::debian::universe::VersionId;
use crate::error::Result;
pub(super) fn run(state: &mut State<'_, '_>, wanted: &[VersionId]) -> Result<()> {
    super::walk::run(state, wanted)
}
