//! The templates of `kubectl get -o jsonpath=…`, without ranges and slices; filters compare one field with one text.

use serde_json::Value;

use crate::Result;

/// Fills a template: text, and paths in braces such as `{.items[*].metadata.name}`.
///
/// # Errors
/// If a path cannot be read.
pub fn render(template: &str, document: &Value) -> Result<String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        let (path, after) = behind.split_once('}').ok_or("error: unclosed action")?;
        text += before;
        text += &match path.strip_prefix('"').and_then(|literal| literal.strip_suffix('"')) {
            Some(literal) => literal.replace("\\n", "\n").replace("\\t", "\t"),
            None => found(path, document)?,
        };
        rest = after;
    }
    Ok(text + rest)
}

/// What the path leads to, separated by spaces. What is missing is empty.
fn found(path: &str, document: &Value) -> Result<String> {
    let mut values = vec![document];
    for step in steps(path)? {
        values = values.into_iter().flat_map(|value| follow(value, &step)).collect();
    }
    let shown = values.iter().map(|value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    Ok(shown.collect::<Vec<_>>().join(" "))
}

/// `.a.b[0]['c']`; a dot in a name stands behind a backslash.
fn steps(path: &str) -> Result<Vec<String>> {
    let mut steps = Vec::new();
    let mut letters = path.trim_start_matches('$').chars().peekable();
    while let Some(letter) = letters.next() {
        let mut step = String::new();
        match letter {
            '.' => {
                while let Some(letter) = letters.next_if(|letter| !matches!(letter, '.' | '[')) {
                    step.extend(if letter == '\\' { letters.next() } else { Some(letter) });
                }
            }
            '[' => {
                step.extend(letters.by_ref().take_while(|letter| *letter != ']'));
                step = step.trim_matches('\'').to_owned();
                if !step.starts_with("?(@.") && step.contains(['?', ':', ',']) {
                    return Err("error: the stand-in knows no ranges".into());
                }
            }
            other => {
                return Err(format!("error: error parsing jsonpath, unrecognized character {other}").into());
            }
        }
        steps.push(step);
    }
    Ok(steps)
}

fn follow<'a>(value: &'a Value, step: &str) -> Vec<&'a Value> {
    match (value, step) {
        (Value::Array(items), "*") => items.iter().collect(),
        (Value::Object(entries), "*") => entries.values().collect(),
        (Value::Array(items), filter) if filter.starts_with('?') => {
            items.iter().filter(|item| passes(item, filter)).collect()
        }
        (Value::Array(items), index) => {
            index.parse().ok().and_then(|index: usize| items.get(index)).into_iter().collect()
        }
        (other, name) => other.get(name).into_iter().collect(),
    }
}

/// `?(@.type=="Ready")`
fn passes(item: &Value, filter: &str) -> bool {
    let inner = filter.trim_start_matches("?(@.").trim_end_matches(')');
    let Some((field, wanted)) = inner.split_once("==") else { return item.get(inner).is_some() };
    let quotes = ['"', '\''];
    item[field.trim()].as_str() == Some(wanted.trim().trim_matches(quotes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_lead_to_what_kubectl_shows() {
        let node = json!({"metadata": {"name": "a", "annotations": {"airlock/smoke-test": "1", "k3s.io/x": "2"}},
            "status": {"addresses": [{"address": "10.77.0.11"}, {"address": "b"}], "ready": true,
                "conditions": [{"type": "EtcdIsVoter", "status": "False"}, {"type": "Ready", "status": "True"}]}});
        for (template, expected) in [
            ("{.metadata.annotations.airlock/smoke-test}", "1"),
            ("{.metadata.annotations.k3s\\.io/x}", "2"),
            ("{.metadata.annotations['k3s.io/x']}", "2"),
            ("{.status.addresses[*].address}", "10.77.0.11 b"),
            ("{.status.addresses[1].address}{\"\\n\"}", "b\n"),
            ("name: {$.metadata.name}, {.status.ready}", "name: a, true"),
            ("{.metadata.none.deeper}", ""),
            ("{.status.conditions[?(@.type==\"Ready\")].status}", "True"),
        ] {
            assert_eq!(render(template, &node).unwrap(), expected, "{template}");
        }
        assert!(render("{.a[1:2]}", &node).is_err());
        assert!(render("{.a", &node).is_err());
    }
}
