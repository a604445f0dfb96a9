//! A volume of any bytes: opening, verifying and checking must neither panic nor take memory without need.
//!
//! The digest in the volume header is put right first, or no changed manifest would ever be reached.

#![no_main]

use std::num::NonZeroUsize;

use airlock::bundle::Bundle;
use airlock::bundle::source::{MemorySource, Source};
use airlock::bundle::ustar;
use airlock::bundle::volume::{Parsed, VolumeHeader};
use airlock::oci::digest::Digest;
use airlock::progress::{Silent, Stage};
use airlock::trust::allowed_signers::AllowedSigners;
use airlock::trust::policy::{Policy, Unsigned};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    repair_header(&mut bytes);
    let source: Box<dyn Source> = Box::new(MemorySource::new("fuzz.tar", bytes));
    let Ok(bundle) = Bundle::from_sources(vec![source], Vec::new()) else { return };
    let mut policy = Policy::new(AllowedSigners::default());
    policy.unsigned = Unsigned::AllowLoudly;
    let Ok(bundle) = bundle.verify(&policy) else { return };
    let report = bundle.check_all(NonZeroUsize::MIN, Stage::Verify, &Silent);
    let lengths = bundle.check_lengths();
    let clean = report.is_ok_and(|report| report.damage.is_empty());
    assert!(!clean || lengths.is_ok());
});

fn repair_header(bytes: &mut [u8]) -> Option<()> {
    let Parsed::Volume(header) = VolumeHeader::parse(bytes.get(512..1024)?.try_into().ok()?) else { return None };
    let length = ustar::size_of(bytes.get(1024..1536)?.try_into().ok()?, "manifest.json")?;
    let manifest = bytes.get(1536..1536usize.checked_add(usize::try_from(length).ok()?)?)?;
    let header = VolumeHeader { bundle: Digest::of(manifest), ..header };
    bytes[512..1024].copy_from_slice(&header.to_bytes());
    Some(())
}
