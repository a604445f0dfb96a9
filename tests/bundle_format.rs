//! The bundle format as an outsider meets it: written, broken in every way, read by us and by stock tools.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

#[path = "bundle_format/damage.rs"]
mod damage;
#[path = "bundle_format/extract.rs"]
mod extract;
#[path = "bundle_format/golden.rs"]
mod golden;
#[path = "bundle_format/large.rs"]
mod large;
#[path = "bundle_format/locks.rs"]
mod locks;
#[path = "support/packages.rs"]
mod packages;
#[path = "bundle_format/places.rs"]
mod places;
#[path = "bundle_format/repositories.rs"]
mod repositories;
#[path = "bundle_format/stock_tools.rs"]
mod stock_tools;
#[path = "bundle_format/support.rs"]
mod support;
#[path = "bundle_format/trust.rs"]
mod trust;
#[path = "bundle_format/vectors.rs"]
mod vectors;
