//! Whether the bundle carries what a setting needs, asked before anything changes.

use crate::bundle::manifest::Artifact;
use crate::bundle::manifest::apt::Purpose;
use crate::error::{Error, Result, codes};
use crate::node::install::Context;

/// Where programs of the system are.
const DIRECTORIES: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Whether a package is on the machine, or will be: `program` is what it brings, `purpose` what it is needed for.
///
/// # Errors
/// [`codes::NOT_CARRIED`] with the line of `bundle.yaml` that is missing.
pub(super) fn package(package: &str, program: &str, purpose: &str, context: &Context) -> Result<()> {
    for directory in DIRECTORIES {
        if context.machine.metadata(&format!("{directory}/{program}"))?.is_some() {
            return Ok(());
        }
    }
    let packages = context.packages.iter().flat_map(|packages| &packages.apt.install);
    if packages.into_iter().any(|one| one.purpose == Purpose::Node && one.package == package) {
        return Ok(());
    }
    let message =
        format!("this node needs `{package}` for {purpose}: neither the machine nor the bundle has it");
    let help = match context.settings.packages {
        true => format!(
            "write `packages: [{package}]` under `apt` in bundle.yaml and build it again; or install `{package}` \
             on this machine by its own means"
        ),
        false => {
            format!("install `{package}` on this machine, or let the bundle do it: `--no-packages=false`")
        }
    };
    Err(Error::new(codes::NOT_CARRIED, message).with_help(help))
}

/// The name with which an image of this repository is in the bundle.
///
/// # Errors
/// [`codes::NOT_CARRIED`] with the line of `bundle.yaml` that is missing, which names `example`.
pub(super) fn image(repository: &str, example: &str, context: &Context) -> Result<String> {
    let is_it = |name: &str| name.strip_prefix(repository).is_some_and(|rest| rest.starts_with([':', '@']));
    let found = context.origin.manifest().artifacts.iter().find_map(|artifact| match artifact {
        Artifact::Image(image) if is_it(&image.name) => Some(image.name.clone()),
        _ => None,
    });
    found.ok_or_else(|| {
        let message = format!(
            "this node needs the image {repository} for its virtual address, and the bundle lacks it"
        );
        Error::new(codes::NOT_CARRIED, message)
            .with_help(format!("write `- {example}` under `images` in bundle.yaml and build it again"))
    })
}
