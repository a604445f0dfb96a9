//! The section `nvidia`: what nodes with GPUs need, and whether the targets of `apt` can have it.

mod driver;
mod origin;
mod run_file;

use crate::error::Result;
use crate::oci::reference::Reference;
use crate::quote::quote;
use crate::spec::Image;
use crate::spec::apt::Target;
use crate::spec::nvidia::{ContainerToolkit, Driver, Nvidia};
use crate::spec::raw::Text;
use crate::spec::raw::either::Switch;
use crate::spec::raw::nvidia as raw;
use crate::spec::source::Source;
use crate::spec::suggest::{listed, nearest};
use crate::spec::yaml::Located;

use super::list::list;
use super::text::{parsed, text};
use super::{Check, again, image, lacking, refused};

/// The section. `targets` and `images` are `None` if they are wrong themselves.
pub(super) fn nvidia(
    check: &mut Check<'_>,
    section: &Located<raw::Nvidia>,
    targets: Option<&[Target]>,
    images: Option<&[Image]>,
) -> Option<Nvidia> {
    let raw = &section.value;
    let chosen = chosen(check, raw, targets);
    let gpu_targets = chosen.as_deref().unwrap_or_default();
    let driver = driver(check, section, gpu_targets);
    let fabric_manager = fabric_manager(check, raw);
    let container_toolkit = check.keep(container_toolkit(check.source, section));
    let device_plugin =
        check.optional(raw.device_plugin.as_ref(), |source, value| device_plugin(source, value, images));
    let nvidia = Nvidia {
        targets: gpu_targets.iter().map(|target| target.name.clone()).collect(),
        driver: driver?,
        fabric_manager: fabric_manager?,
        container_toolkit: container_toolkit?,
        device_plugin: device_plugin?.flatten(),
        line: check.source.line(section.span.start),
    };
    chosen.as_ref()?;
    check.keep(possible(check.source, section, &nvidia, gpu_targets))?;
    Some(nvidia)
}

/// The targets whose nodes have GPUs; all unless some are named.
fn chosen<'a>(
    check: &mut Check<'_>,
    raw: &raw::Nvidia,
    targets: Option<&'a [Target]>,
) -> Option<Vec<&'a Target>> {
    let Some(typed) = raw.targets.as_ref() else { return Some(targets?.iter().collect()) };
    list(check, "targets", typed, |source, value| text(source, value).map(str::to_owned))?;
    let targets = targets?;
    check.each(&typed.value, |check, value| {
        let found = targets.iter().find(|target| target.name == value.value);
        let known = || targets.iter().map(|target| target.name.as_str());
        let help = match nearest(&value.value, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if targets.is_empty() => "add `apt:` with a target of this name".to_owned(),
            None => format!("the targets of `apt` are {}", listed(known())),
        };
        let message = format!("there is no target `{}`", quote(&value.value));
        check.keep(found.ok_or_else(|| refused(check.source, &value.span, message, help)))
    })
}

/// The driver, unless the nodes have one. Without a word about it, it is that of the distribution.
fn driver(
    check: &mut Check<'_>,
    section: &Located<raw::Nvidia>,
    targets: &[&Target],
) -> Option<Option<Driver>> {
    let unsaid = Located { value: raw::Driver::default(), span: section.span.clone() };
    match (section.value.install.unwrap_or(true), section.value.driver.as_ref()) {
        (true, typed) => driver::driver(check, typed.unwrap_or(&unsaid), targets).map(Some),
        (false, None) => Some(None),
        (false, Some(typed)) => {
            let message = "a driver is described, but `install: false` says that the nodes have one";
            check.keep(Err(refused(
                check.source,
                &typed.span,
                message,
                "delete `driver`, or `install: false`",
            )))
        }
    }
}

/// Fabric Manager has the version of the driver, so that must be ours.
fn fabric_manager(check: &mut Check<'_>, raw: &raw::Nvidia) -> Option<bool> {
    match raw.fabric_manager.as_ref() {
        Some(wanted) if wanted.value && !raw.install.unwrap_or(true) => {
            let message =
                "`fabricManager` needs the exact version of the driver, which `install: false` leaves open";
            let help = "delete it, and list the package in the version of the nodes' driver under `packages`";
            check.keep(Err(refused(check.source, &wanted.span, message, help)))
        }
        wanted => Some(wanted.is_some_and(|wanted| wanted.value)),
    }
}

fn container_toolkit(
    source: &Source<'_>,
    section: &Located<raw::Nvidia>,
) -> Result<Option<ContainerToolkit>> {
    let Some(value) = section.value.container_toolkit.as_ref() else {
        return Ok(Some(ContainerToolkit { version: None, line: source.line(section.span.start) }));
    };
    let line = source.line(value.span.start);
    match &value.value {
        Switch::Wanted(false) => Ok(None),
        Switch::Wanted(true) => Ok(Some(ContainerToolkit { version: None, line })),
        Switch::This(version) => {
            let value = Text { value: version.clone(), span: value.span.clone() };
            let version = driver::exact_version(source, &value, "1.18.0")?;
            Ok(Some(ContainerToolkit { version: Some(version), line }))
        }
    }
}

fn device_plugin(
    source: &Source<'_>,
    value: &Located<Switch>,
    images: Option<&[Image]>,
) -> Result<Option<Reference>> {
    let typed = match &value.value {
        Switch::Wanted(false) => return Ok(None),
        Switch::Wanted(true) => {
            let help =
                "write `devicePlugin: nvcr.io/nvidia/k8s-device-plugin:v0.18.0`, with the version you want";
            return Err(refused(source, &value.span, "`devicePlugin` does not say which image", help));
        }
        Switch::This(reference) => Text { value: reference.clone(), span: value.span.clone() },
    };
    let reference: Reference = parsed(source, &typed)?;
    let name = image::name(&reference);
    match images.unwrap_or_default().iter().find(|image| image::name(&image.reference) == name) {
        None => Ok(Some(reference)),
        Some(image) => {
            let message = format!("image `{name}` is listed twice, also on line {}", image.line);
            Err(again(source, &value.span, message, "delete it under `images`"))
        }
    }
}

/// Whether something is wanted, and the targets can have it.
fn possible(
    source: &Source<'_>,
    section: &Located<raw::Nvidia>,
    nvidia: &Nvidia,
    targets: &[&Target],
) -> Result<()> {
    if !nvidia.wants_packages() && nvidia.device_plugin.is_none() {
        let help =
            "delete the section, or say what is wanted: `containerToolkit: true`, `devicePlugin: IMAGE`";
        return Err(lacking(source, &section.span, "`nvidia` wants neither driver nor anything else", help));
    }
    if nvidia.wants_packages() && targets.is_empty() {
        let help = "add `apt:` with `targets: [{host: ubuntu-24.04}]` and NVIDIA's repository";
        return Err(lacking(
            source,
            &section.span,
            "`nvidia` wants packages, but `apt` has no targets",
            help,
        ));
    }
    targets.iter().try_for_each(|target| origin::known(source, section, nvidia, target))
}
