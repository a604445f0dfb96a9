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

use std::path::Path;

use airlock::error::Error;
use airlock::spec::{self, Spec};

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

/// All fields of an error as text, the underline drawn below its line.
fn rendered(error: &Error) -> String {
    let mut text = format!("error[{}]: {}", error.code(), error.message());
    if let Some(location) = error.location() {
        text += &format!(" ({}:{}:{})\n", location.file, location.line, location.column);
        let snippet = location.snippet.as_ref().expect("a place in a file comes with a snippet");
        let mut offset = 0;
        for (number, line) in (snippet.first_line..).zip(snippet.text.split('\n')) {
            text += &format!("{number:3} | {line}\n");
            if (offset..=offset + line.len()).contains(&snippet.span.start) {
                let start = snippet.span.start - offset;
                let indent = line[..start].chars().count();
                let length = line[start..snippet.span.end - offset].chars().count().max(1);
                text += &format!("    | {}{} {}", " ".repeat(indent), "^".repeat(length), snippet.label);
                text = text.trim_end().to_owned() + "\n";
            }
            offset += line.len() + 1;
        }
    } else {
        text.push('\n');
    }
    for detail in error.details() {
        text += &format!("note: {detail}\n");
    }
    text + &format!("help: {}\n", error.help().expect("an error about a spec says what to do"))
}
