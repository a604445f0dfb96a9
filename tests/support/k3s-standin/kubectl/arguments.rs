//! The command line of `kubectl`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Result;
use crate::kubernetes::Place;

/// Options that are followed by a value.
const WITH_VALUE: &[&str] = &[
    "output",
    "namespace",
    "selector",
    "field-selector",
    "filename",
    "raw",
    "kubeconfig",
    "timeout",
    "for",
    "grace-period",
    "field-manager",
];
/// Short forms.
const SHORT: &[(&str, &str)] =
    &[("o", "output"), ("n", "namespace"), ("l", "selector"), ("f", "filename"), ("A", "all-namespaces")];

/// Words and options of a command line.
pub struct Arguments {
    /// Everything that is no option.
    pub words: Vec<String>,
    options: BTreeMap<String, String>,
}

impl Arguments {
    /// Reads a command line; options may stand anywhere.
    pub fn parse(line: &[String]) -> Result<Arguments> {
        let mut arguments = Arguments { words: Vec::new(), options: BTreeMap::new() };
        let mut words = line.iter();
        while let Some(word) = words.next() {
            let Some((name, attached)) = option(word) else {
                arguments.words.push(word.clone());
                continue;
            };
            // For `config view` it is a switch.
            let is_switch = name == "raw" && arguments.words.first().is_some_and(|verb| verb == "config");
            let value = match attached {
                Some(value) => value,
                None if WITH_VALUE.contains(&name.as_str()) && !is_switch => {
                    words.next().cloned().ok_or_else(|| format!("error: flag needs an argument: --{name}"))?
                }
                None => "true".to_owned(),
            };
            arguments.options.insert(name, value);
        }
        Ok(arguments)
    }

    /// The value of an option.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// Whether a switch is on.
    pub fn has(&self, name: &str) -> bool {
        self.option(name) == Some("true")
    }

    /// The collection of a kind, in the namespace that was named, or in all.
    pub fn place(&self, kind: &str) -> Place {
        let namespace = self.option("namespace").unwrap_or("default");
        Place::of_word(kind, (!self.has("all-namespaces")).then_some(namespace))
    }

    /// Whether the object has the labels and the fields that were asked for.
    pub fn selects(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let terms = |option: &str| self.option(option).into_iter().flat_map(|selector| selector.split(','));
        let has_labels = terms("selector").all(|term| match (term.split_once("!="), term.split_once('=')) {
            (Some((key, value)), _) => labels[key] != value,
            (None, Some((key, value))) => labels[key.trim_end_matches('=')] == value.trim_start_matches('='),
            (None, None) => match term.strip_prefix('!') {
                Some(key) => labels.get(key).is_none(),
                None => labels.get(term).is_some(),
            },
        });
        has_labels
            && terms("field-selector").all(|term| {
                let (path, value) = term.split_once('=').unwrap_or((term, ""));
                let found = path.split('.').fold(object, |object, name| &object[name]);
                found == value.trim_start_matches('=')
            })
    }
}

fn option(word: &str) -> Option<(String, Option<String>)> {
    let split = |text: &str| match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    };
    if let Some(long) = word.strip_prefix("--") {
        return Some(split(long));
    }
    // `-` alone is stdin.
    let short = word.strip_prefix('-').filter(|short| !short.is_empty())?;
    let (letter, attached) = short.split_at_checked(1)?;
    let long = SHORT.iter().find(|(known, _)| *known == letter).map_or(letter, |(_, long)| long);
    let attached = attached.trim_start_matches('=');
    Some((long.to_owned(), (!attached.is_empty()).then(|| attached.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn options_stand_anywhere_in_every_form() {
        let line = ["get", "-ojson", "pods", "-n", "kube-system", "--selector=app=web,tier", "-A"];
        let line: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        let arguments = Arguments::parse(&line).unwrap();
        assert_eq!(arguments.words, ["get", "pods"]);
        assert_eq!(arguments.option("output"), Some("json"));
        assert_eq!(arguments.place("pods").path(), "/api/v1/pods");
        assert!(arguments.selects(&json!({"metadata": {"labels": {"app": "web", "tier": "x"}}})));
        assert!(!arguments.selects(&json!({"metadata": {"labels": {"app": "web"}}})));
        let pod = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"nodeName": "a"}});
        for (selector, fits) in [("app!=db,!tier", true), ("app!=web", false), ("!app", false)] {
            let line = ["-l", selector, "--field-selector", "spec.nodeName=a"].map(str::to_owned);
            assert_eq!(Arguments::parse(&line).unwrap().selects(&pod), fits, "{selector}");
        }
    }
}
