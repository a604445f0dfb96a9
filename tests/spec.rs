//! `bundle.yaml`: bad files and what is said about them, good files, the schema, the examples.

#[path = "spec/accepted.rs"]
mod accepted;
#[path = "spec/generated.rs"]
mod generated;
#[path = "spec/hostile.rs"]
mod hostile;
#[path = "spec/packages.rs"]
mod packages;
#[path = "spec/rejected.rs"]
mod rejected;
#[path = "spec/rejected_packages.rs"]
mod rejected_packages;

#[path = "support/examples.rs"]
mod examples;
#[path = "support/rendered.rs"]
mod rendered;

use std::path::Path;

use airlock::error::Error;
use airlock::spec::{self, Spec};
use rendered::rendered;

/// The five lines every bundle begins with.
const HEAD: &str = "\
apiVersion: airlock/v1
kind: Bundle
name: lab
version: \"1\"
platforms: [linux/amd64]
";

fn parse(text: &str) -> Result<Spec, Error> {
    spec::parse(text.as_bytes(), "bundle.yaml", Path::new("/site"))
}

/// A complete file: the usual head, then `body` from line 6 on.
fn with_head(body: &str) -> String {
    format!("{HEAD}{body}")
}
