//! Whether the repositories of a target can have what is wanted at all, as far as that is certain before any
//! of them is asked.

use crate::error::Result;
use crate::spec::apt::Target;
use crate::spec::nvidia::{DriverSource, Nvidia, help};
use crate::spec::raw::nvidia as raw;
use crate::spec::source::Source;
use crate::spec::yaml::Located;

use super::super::lacking;

/// Where the container toolkit is published.
/// Where the CUDA repositories are published, one for each release and architecture.
const CUDA: &str = "https://developer.download.nvidia.com/compute/cuda/repos/";

/// Sees to it that driver and toolkit have somewhere to come from. An archive at an address of the user's own
/// may hold anything.
pub(super) fn known(
    source: &Source<'_>,
    section: &Located<raw::Nvidia>,
    nvidia: &Nvidia,
    target: &Target,
) -> Result<()> {
    let from = nvidia.driver.as_ref().map(|driver| &driver.source);
    let span = section.value.driver.as_ref().map_or(&section.span, |driver| &driver.span);
    if from == Some(&DriverSource::Cuda) && target.repositories.is_empty() {
        let message = format!("target `{}` has no repository that a driver could come from", target.name);
        let help =
            format!("add NVIDIA's CUDA repository under `repositories`: `uri: {CUDA}…`, `suites: [\"/\"]`");
        return Err(lacking(source, span, message, help));
    }
    if target.archive.uri.is_some() {
        return Ok(());
    }
    let component = if target.host.starts_with("ubuntu-") { "restricted" } else { "non-free" };
    if from == Some(&DriverSource::Distribution) && !has_component(target, component) {
        let message = format!(
            "the driver of `{}` is in the component `{component}`, which is not among those of target `{}`",
            target.host, target.name
        );
        let all = if component == "restricted" {
            "main, restricted"
        } else {
            "main, contrib, non-free, non-free-firmware"
        };
        return Err(lacking(
            source,
            span,
            message,
            format!("add `archive: {{components: [{all}]}}` to the target"),
        ));
    }
    if nvidia.container_toolkit.is_some() && target.repositories.is_empty() {
        let message =
            format!("target `{}` has no repository that the container toolkit could come from", target.name);
        let help = format!("write `containerToolkit: false`, or {}", help::toolkit());
        let span = section.value.container_toolkit.as_ref().map_or(&section.span, |toolkit| &toolkit.span);
        return Err(lacking(source, span, message, help));
    }
    Ok(())
}

fn has_component(target: &Target, component: &str) -> bool {
    let further = target.repositories.iter().flat_map(|repository| &repository.components);
    target.archive.components.iter().chain(further).any(|known| known == component)
}
