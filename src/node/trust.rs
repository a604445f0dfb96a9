//! Whom and what a node believes: pinned signers, the lowest serial it accepts, the earliest time it can be.
//!
//! Nothing of this comes from the medium. Signers are pinned once, by the fingerprint that the operator was
//! told; the serial of a channel only rises, after the node was seen to work; the clock is never believed to
//! stand before something that has already been.

pub mod clock;
pub mod floor;
pub mod signers;
pub mod state;
