//! The section `images`: references, where their bytes come from, and none of them twice.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::error::{Error, Result, codes};
use crate::oci::platform::Platform;
use crate::oci::reference::Reference;
use crate::quote::quote;
use crate::spec::raw::either::TextOr;
use crate::spec::raw::{ImageDetails, ImageEntry, Text};
use crate::spec::source::Source;
use crate::spec::yaml::Located;
use crate::spec::{Image, ImageSource};

use super::Check;
use super::text::{parsed, text};

/// All images. `bundle_platforms` is `None` if those of the bundle are themselves wrong; a problem among the
/// images is found all the same.
pub(super) fn images(
    check: &mut Check<'_>,
    entries: &[Located<ImageEntry>],
    bundle_platforms: Option<&[Platform]>,
) -> Option<Vec<Image>> {
    let mut lines = HashMap::new();
    check.each(entries, |check, entry| {
        let image = image(check, entry, bundle_platforms)?;
        match lines.insert(name(&image.reference), image.line) {
            Some(first) => check.keep(Err(duplicate(check.source, entry, &image, first))),
            None => Some(image),
        }
    })
}

fn image(
    check: &mut Check<'_>,
    entry: &Located<ImageEntry>,
    bundle_platforms: Option<&[Platform]>,
) -> Option<Image> {
    let line = check.source.line(entry.span.start);
    match &entry.value {
        TextOr::Text(reference) => {
            let text = Located { value: reference.clone(), span: entry.span.clone() };
            let reference = check.keep(parsed(check.source, &text));
            let platforms = bundle_platforms.unwrap_or_default().to_vec();
            Some(Image {
                reference: reference?,
                source: ImageSource::Registry,
                platforms,
                referrers: false,
                line,
            })
        }
        TextOr::Map(details) => {
            let reference = reference(check, entry, details);
            let source = check.optional(details.from.as_ref(), image_source);
            let platforms = match details.platforms.as_ref() {
                Some(list) => subset(check, list, bundle_platforms),
                None => Some(bundle_platforms.unwrap_or_default().to_vec()),
            };
            Some(Image {
                reference: reference?,
                source: source?.unwrap_or(ImageSource::Registry),
                platforms: platforms?,
                referrers: details.referrers.unwrap_or(false),
                line,
            })
        }
    }
}

fn reference(
    check: &mut Check<'_>,
    entry: &Located<ImageEntry>,
    details: &ImageDetails,
) -> Option<Reference> {
    let source = check.source;
    let result = match details.image.as_ref() {
        Some(text) => parsed(source, text),
        None => Err(source
            .error(codes::SPEC_MISSING, "an entry of `images` does not say which image", &entry.span, "")
            .with_help("add `image: REFERENCE`, for example `image: docker.io/library/busybox:1.36`")),
    };
    check.keep(result)
}

/// The platforms of one image: each must be one of the bundle's.
fn subset(
    check: &mut Check<'_>,
    list: &Located<Vec<Text>>,
    bundle_platforms: Option<&[Platform]>,
) -> Option<Vec<Platform>> {
    let wanted = check.platforms(list)?;
    let allowed = bundle_platforms.unwrap_or(Platform::ALL);
    let Some(stranger) = wanted.iter().find(|platform| !allowed.contains(platform)) else {
        return Some(wanted);
    };
    let message = format!("the image wants `{stranger}`, which is not a platform of the bundle");
    let error = check
        .source
        .error(codes::SPEC_VALUE, message, &list.span, "")
        .with_help(format!("add `{stranger}` to `platforms` at the top of the file, or delete it here"));
    check.keep(Err(error))
}

/// `oci:DIR[:NAME]`, `oci-archive:FILE[:NAME]` or `docker-archive:FILE[:NAME]`, as other tools write it
/// (containers-transports(5)).
fn image_source(source: &Source<'_>, value: &Text) -> Result<ImageSource> {
    let text = text(source, value)?;
    let fault = |reason: &str, help: &str| {
        let message = format!("`{}` cannot be used as `from`: {reason}", quote(text));
        Err(source.error(codes::SPEC_VALUE, message, &value.span, "").with_help(help))
    };
    let (transport, rest) = text.split_once(':').unwrap_or((text, ""));
    let (path, name) = match rest.split_once(':') {
        Some((path, name)) => (PathBuf::from(path), Some(name.to_owned())),
        None => (PathBuf::from(rest), None),
    };
    if !matches!(transport, "oci" | "oci-archive" | "docker-archive") {
        return fault(
            "it is not a local place",
            "write `oci:DIR`, `oci-archive:FILE` or `docker-archive:FILE`; leave `from` out to use the registry, \
             whose mirrors are named in `registries`",
        );
    }
    if path.as_os_str().is_empty() {
        return fault("it names no path", &format!("write `{transport}:PATH`, relative to this file"));
    }
    if name.as_deref() == Some("") {
        return fault("the name after the last `:` is empty", "write the name, or delete the `:`");
    }
    Ok(match transport {
        "oci" => ImageSource::OciDirectory { path, name },
        "oci-archive" => ImageSource::OciArchive { path, name },
        _ => ImageSource::DockerArchive { path, name },
    })
}

/// What a reference is called in the cluster: a tag can only mean one image, whatever its digest.
pub(super) fn name(reference: &Reference) -> String {
    match (reference.tag(), reference.digest()) {
        (Some(tag), _) => format!("{}:{tag}", reference.name()),
        (None, Some(digest)) => format!("{}@{digest}", reference.name()),
        (None, None) => reference.name(),
    }
}

fn duplicate(source: &Source<'_>, entry: &Located<ImageEntry>, image: &Image, first: usize) -> Error {
    let span = match &entry.value {
        TextOr::Map(details) => details.image.as_ref().map_or(&entry.span, |text| &text.span),
        TextOr::Text(_) => &entry.span,
    };
    let message = format!("image `{}` is listed twice, first on line {first}", name(&image.reference));
    let help = format!("delete the entry on line {first} or this one");
    source.error(codes::SPEC_VALUE, message, span, "again here").with_help(help)
}
