//! The ready-made examples, against their schema and their parser.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Where a file of the repository lies.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A YAML document as JSON.
pub fn as_json(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("well-formed YAML")
}

/// Checks every example of a kind, such as `Bundle`: it names its schema, which accepts it, and `parse` does with its
/// name and text what a test wants. How many there are.
pub fn check(kind: &str, schema: &Value, mut parse: impl FnMut(&str, &str)) -> usize {
    let validator = jsonschema::validator_for(schema).expect("a valid schema");
    let first = format!(
        "# yaml-language-server: $schema=../../bundle-spec/{}.schema.json\n",
        kind.to_ascii_lowercase()
    );
    let mut count = 0;
    for entry in fs_err::read_dir(repository("manifests/examples")).expect("there are examples") {
        let path = entry.expect("a readable directory").path();
        let text = fs_err::read_to_string(&path).expect("a readable file");
        if !text.contains(&format!("kind: {kind}")) {
            continue;
        }
        let name = path.display().to_string();
        assert!(text.starts_with(&first), "{name} does not name its schema");
        parse(&name, &text);
        let errors: Vec<String> =
            validator.iter_errors(&as_json(&text)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        count += 1;
    }
    count
}
