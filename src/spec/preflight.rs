//! A preflight policy: how a site weighs the checks of its nodes, each with its reason.
//!
//! ```yaml
//! apiVersion: airlock/v1
//! kind: PreflightPolicy
//! checks:
//!   P11: {severity: info, reason: swap is on for the batch nodes, decided 2026-03-02}
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::raw::Text;
use super::source::Source;
use super::suggest::{listed, nearest};
use super::yaml::{self, Entries, Given, Located};
use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// What a policy says about one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The check.
    pub id: String,
    /// `block`, `warn` or `info`.
    pub severity: &'static str,
    /// Why.
    pub reason: String,
}

/// The words for severities.
const SEVERITIES: [&str; 3] = ["block", "warn", "info"];

/// A policy as it is typed.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Policy {
    /// Format of this file.
    api_version: Given<Text>,
    /// What this file describes.
    kind: Given<Text>,
    /// The checks, by their ids.
    #[schemars(with = "std::collections::BTreeMap<String, Entry>")]
    checks: Given<Entries<Located<Entry>>>,
}

/// How one check is weighed, as it is typed.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    /// `block`, `warn` or `info`.
    severity: Given<Text>,
    /// Why, for whoever reads the report.
    reason: Given<Text>,
}

/// Reads and checks the text of a policy. `ids` are the checks there are; `file_name` is the file as the user named
/// it, for messages.
///
/// # Errors
/// `E0101`-`E0107`: what is wrong with the file, with line, column, snippet and the edit that helps; `E1002` for an
/// unknown check.
pub fn parse(text: &[u8], file_name: &str, ids: &[&str]) -> Result<Vec<Rule>> {
    let text = yaml::decode(text, file_name)?;
    let source = Source::new(file_name, text);
    let raw: Located<Policy> = yaml::parse(&source)?;
    expect(&source, &raw, &raw.value.api_version, "apiVersion", "airlock/v1")?;
    expect(&source, &raw, &raw.value.kind, "kind", "PreflightPolicy")?;
    let Some(entries) = raw.value.checks.as_ref() else {
        let help =
            "write `checks:` with a line such as `P11: {severity: info, reason: …}`, or leave out --policy";
        return Err(source
            .error(codes::SPEC_MISSING, "the policy has no `checks`", &raw.span, "")
            .with_help(help));
    };
    entries.0.iter().map(|(id, entry)| rule(&source, ids, id, entry)).collect()
}

fn expect(
    source: &Source<'_>,
    raw: &Located<Policy>,
    value: &Given<Text>,
    key: &str,
    expected: &str,
) -> Result<()> {
    let help = format!("write `{key}: {expected}`");
    match value.as_ref() {
        Some(text) if text.value == expected => Ok(()),
        Some(text) => {
            let message = format!("`{key}` is `{}`, not `{expected}`", quote(&text.value));
            Err(source.error(codes::SPEC_VALUE, message, &text.span, "").with_help(help))
        }
        None => {
            let message = format!("`{key}` is missing");
            Err(source.error(codes::SPEC_MISSING, message, &raw.span, "").with_help(help))
        }
    }
}

fn rule(source: &Source<'_>, ids: &[&str], id: &Text, entry: &Located<Entry>) -> Result<Rule> {
    if !ids.contains(&id.value.as_str()) {
        return Err(unknown(source, ids, id));
    }
    let lacking = |key: &str, example: &str| {
        let message = format!("`{}` has no `{key}`", id.value);
        source
            .error(codes::SPEC_MISSING, message, &entry.span, "")
            .with_help(format!("add `{key}: {example}`"))
    };
    let severity = entry.value.severity.as_ref().ok_or_else(|| lacking("severity", "warn"))?;
    let reason = entry.value.reason.as_ref().ok_or_else(|| lacking("reason", "who decided it, and why"))?;
    if reason.value.trim().is_empty() {
        let error = source.error(codes::SPEC_VALUE, "the reason is empty", &reason.span, "");
        return Err(error.with_help("write who decided it, and why: it stands in every report"));
    }
    Ok(Rule { id: id.value.clone(), severity: known(source, severity)?, reason: reason.value.clone() })
}

fn known(source: &Source<'_>, severity: &Text) -> Result<&'static str> {
    let found = SEVERITIES.into_iter().find(|word| *word == severity.value);
    found.ok_or_else(|| {
        let message = format!("`{}` is not a severity", quote(&severity.value));
        let help = match nearest(&severity.value, SEVERITIES) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are {}", listed(SEVERITIES)),
        };
        source.error(codes::SPEC_VALUE, message, &severity.span, "").with_help(help)
    })
}

fn unknown(source: &Source<'_>, ids: &[&str], id: &Text) -> Error {
    let message = format!("there is no check `{}`", quote(&id.value));
    let near = ids.iter().copied().find(|known| known.eq_ignore_ascii_case(&id.value));
    let help = match near.or_else(|| nearest(&id.value, ids.iter().copied())) {
        Some(near) => format!("did you mean `{near}`? docs/preflight.md lists all checks"),
        None => "docs/preflight.md lists all checks".to_owned(),
    };
    source.error(codes::PREFLIGHT_POLICY, message, &id.span, "").with_help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: airlock/v1\nkind: PreflightPolicy\n";

    fn parsed(checks: &str) -> Result<Vec<Rule>> {
        parse(format!("{HEAD}{checks}").as_bytes(), "policy.yaml", &["P11", "K1"])
    }

    #[test]
    fn rules_come_in_the_order_of_the_file() {
        let rules =
            parsed("checks:\n  P11: {severity: info, reason: batch}\n  K1: {severity: block, reason: old}\n");
        let rules: Vec<(String, &str)> =
            rules.unwrap().into_iter().map(|rule| (rule.id, rule.severity)).collect();
        assert_eq!(rules, [("P11".to_owned(), "info"), ("K1".to_owned(), "block")]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_the_edit_that_helps() {
        for (checks, code, line, help) in [
            (
                "checks:\n  p11: {severity: info, reason: x}\n",
                codes::PREFLIGHT_POLICY,
                4,
                "did you mean `P11`?",
            ),
            ("checks:\n  K1: {severity: wern, reason: x}\n", codes::SPEC_VALUE, 4, "did you mean `warn`?"),
            ("checks:\n  K1: {severity: warn}\n", codes::SPEC_MISSING, 4, "add `reason:"),
            ("checks:\n  K1: {severity: warn, reason: ' '}\n", codes::SPEC_VALUE, 4, "who decided it"),
            (
                "checks:\n  K1: {severty: warn, reason: x}\n",
                codes::SPEC_UNKNOWN_KEY,
                4,
                "did you mean `severity`?",
            ),
            ("chekcs: {}\n", codes::SPEC_UNKNOWN_KEY, 3, "did you mean `checks`?"),
            ("", codes::SPEC_MISSING, 1, "write `checks:`"),
            (
                "checks:\n  K1: {severity: warn, reason: x}\n  K1: {severity: warn, reason: x}\n",
                codes::SPEC_DUPLICATE_KEY,
                5,
                "join both",
            ),
        ] {
            let error = parsed(checks).expect_err(checks);
            assert_eq!(
                (error.code(), error.location().map(|place| place.line)),
                (code, Some(line)),
                "{checks}"
            );
            assert!(error.help().unwrap_or_default().contains(help), "{checks}: {:?}", error.help());
        }
    }
}
