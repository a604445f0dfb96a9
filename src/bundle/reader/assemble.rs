//! Puts volumes in order, and names the one that is missing, there twice, or of another bundle.

use crate::bundle::envelope::{self, COPY_AGAIN};
use crate::bundle::names;
use crate::bundle::source::Source;
use crate::bundle::volume::VolumeHeader;
use crate::error::{Error, Result, codes};

type Numbered = (VolumeHeader, Box<dyn Source>);

/// The header of the first volume, and all volumes in order, complete.
pub(super) fn in_order(sources: Vec<Box<dyn Source>>) -> Result<(VolumeHeader, Vec<Box<dyn Source>>)> {
    let mut volumes = sources
        .into_iter()
        .map(|source| envelope::volume_header(source.as_ref()).map(|header| (header, source)))
        .collect::<Result<Vec<Numbered>>>()?;
    volumes.sort_by_key(|(header, _)| header.volume);
    let Some((first, _)) = volumes.first() else {
        return Err(Error::new(codes::BUNDLE_PATH, "no volume was named")
            .with_help("name a volume, or its directory"));
    };
    let first = *first;
    check_same_bundle(&volumes)?;
    check_unique(&volumes)?;
    check_complete(first, &volumes)?;
    Ok((first, volumes.into_iter().map(|(_, source)| source).collect()))
}

fn check_same_bundle(volumes: &[Numbered]) -> Result<()> {
    let size_of_group = |one: &VolumeHeader| volumes.iter().filter(|(other, _)| is_same(one, other)).count();
    // The odd one out is the one in the smaller group; of equal groups the later.
    let most = volumes.iter().map(|(header, _)| size_of_group(header)).max().unwrap_or(0);
    let Some((main, _)) = volumes.iter().find(|(header, _)| size_of_group(header) == most) else {
        return Ok(());
    };
    match volumes.iter().find(|(header, _)| !is_same(main, header)) {
        None => Ok(()),
        Some((header, source)) => {
            let message = format!("{} belongs to another bundle", source.name());
            Err(Error::new(codes::VOLUME_FOREIGN, message)
                .with_detail(format!(
                    "it is volume {} of {} of {}",
                    header.volume, header.volumes, header.bundle
                ))
                .with_detail(format!("the others are of {}", main.bundle))
                .with_help("replace it by the volume of this bundle, copied again from where it was built"))
        }
    }
}

/// Cut in the same way from the same manifest.
fn is_same(one: &VolumeHeader, other: &VolumeHeader) -> bool {
    (one.bundle, one.volumes, one.size) == (other.bundle, other.volumes, other.size)
}

fn check_unique(volumes: &[Numbered]) -> Result<()> {
    let twice = volumes.windows(2).find(|pair| pair[0].0.volume == pair[1].0.volume);
    twice.map_or(Ok(()), |pair| {
        let (header, names) = (pair[0].0, [pair[0].1.name(), pair[1].1.name()]);
        let message = format!(
            "volume {} of {} is there twice: {} and {}",
            header.volume, header.volumes, names[0], names[1]
        );
        Err(Error::new(codes::VOLUME_DUPLICATE, message).with_help("move one of them elsewhere"))
    })
}

fn check_complete(first: VolumeHeader, volumes: &[Numbered]) -> Result<()> {
    if volumes.len() == first.volumes as usize {
        return Ok(());
    }
    let present: Vec<u32> = volumes.iter().map(|(header, _)| header.volume).collect();
    let stem = volumes.iter().find_map(|(_, source)| names::stem_of(source.name()));
    let describe = |volume: u32| {
        let name = stem.map(|stem| format!(": {}", names::volume_file(stem, volume, first.volumes)));
        format!("volume {volume} of {} is missing{}", first.volumes, name.unwrap_or_default())
    };
    let mut missing =
        (1..=first.volumes).filter(|volume| present.binary_search(volume).is_err()).map(describe);
    let error = Error::new(codes::VOLUME_MISSING, missing.next().unwrap_or_default())
        .with_help(format!("put all volumes into one directory, or name them all; {COPY_AGAIN}"));
    Err(missing.fold(error, Error::with_detail))
}
