//! `config.yaml` and its drop-ins: which file wins, what `+` does, and what happens to keys nobody knows.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde_json::Value;

use super::flags::{Role, Values};
use super::{Result, log};

/// The values of all configuration files together; the command line wins over them.
pub fn read(role: Role, main: &Path) -> Result<Values> {
    let mut values = Values::new();
    for file in files(main)? {
        let text = fs::read_to_string(&file)?;
        let unknown = merge(role, &mut values, &text)?;
        for key in unknown {
            if role == Role::Agent {
                return Err(format!("flag provided but not defined: -{key}").into());
            }
            log::warning(&format!("Unknown flag --{key} found in config.yaml, skipping"));
        }
    }
    Ok(values)
}

fn files(main: &Path) -> Result<Vec<PathBuf>> {
    let drop_ins = main.with_added_extension("d");
    let mut found = Vec::new();
    if drop_ins.is_dir() {
        for entry in fs::read_dir(&drop_ins)? {
            found.push(entry?.path());
        }
    }
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|end| end == "yaml" || end == "yml");
    found.retain(|path| is_yaml(path) && path.is_file());
    found.sort();
    if main.exists() {
        found.insert(0, main.to_path_buf());
    }
    Ok(found)
}

/// Lays one file over `values`; returns the keys that are no flags.
fn merge(role: Role, values: &mut Values, text: &str) -> Result<Vec<String>> {
    let mut unknown = Vec::new();
    if text.trim().is_empty() {
        return Ok(unknown);
    }
    let document: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let Value::Object(entries) = document else { return Err("config.yaml is not a mapping".into()) };
    for (key, value) in entries {
        let (flag, appends) = match key.strip_suffix('+') {
            Some(flag) => (flag.to_owned(), true),
            None => (key, false),
        };
        if !role.knows(&flag) {
            unknown.push(flag);
            continue;
        }
        let slot = values.entry(flag).or_default();
        if !appends {
            slot.clear();
        }
        slot.extend(scalars(value));
    }
    Ok(unknown)
}

fn scalars(value: Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) => vec![text],
        Value::Array(items) => items.into_iter().flat_map(scalars).collect(),
        other => vec![other.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_file_wins_and_a_plus_appends() {
        let directory = tempfile::tempdir().unwrap();
        let main = directory.path().join("config.yaml");
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        write("config.yaml", "token: first\nnode-label:\n  - a=1\ncluster-init: true\nno-flag: 1\n");
        fs::create_dir_all(directory.path().join("config.yaml.d")).unwrap();
        write("config.yaml.d/10.yaml", "node-label+: b=2\ntoken: second\n");
        write("config.yaml.d/ignored.txt", "token: third\n");
        let values = read(Role::Server, &main).unwrap();
        assert_eq!(values["token"], ["second"]);
        assert_eq!(values["node-label"], ["a=1", "b=2"]);
        assert_eq!(values["cluster-init"], ["true"]);
        assert!(!values.contains_key("no-flag"));
        let refused = read(Role::Agent, &main).unwrap_err().to_string();
        assert!(refused.starts_with("flag provided but not defined: -"), "{refused}");
    }
}
