//! Values of variables in the shape that they are needed in.

use std::ops::Range;

use super::document::Variable;
use super::hosts::refused;
use super::literal::Value;
use crate::error::{Error, Result};
use crate::quote::{is_unprintable, quote};
use crate::secret::Secret;
use crate::spec::hidden::is_secret_name;
use crate::spec::raw::Text;
use crate::spec::source::Source;
use crate::spec::yaml::Located;

/// Longest password or token, in bytes.
const MAX_SECRET: usize = 1024;

/// One text.
pub(super) fn text(source: &Source<'_>, variable: &Variable) -> Result<Text> {
    match &variable.value {
        Value::Text(text) => {
            no_template(source, variable, text)?;
            Ok(located(text, variable))
        }
        _ => Err(wrong(source, variable, "a single value")),
    }
}

/// Yes or no, in the words of Ansible.
pub(super) fn flag(source: &Source<'_>, variable: &Variable) -> Result<bool> {
    let typed = text(source, variable)?;
    match typed.value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" | "t" | "1" | "1.0" => Ok(true),
        "false" | "no" | "off" | "n" | "f" | "0" | "0.0" => Ok(false),
        _ => Err(wrong(source, variable, "`true` or `false`")),
    }
}

/// A password or token.
pub(super) fn secret(source: &Source<'_>, variable: &Variable) -> Result<Secret<String>> {
    let Value::Text(text) = &variable.value else { return Err(wrong(source, variable, "a single value")) };
    no_template(source, variable, text)?;
    match !text.is_empty() && text.len() <= MAX_SECRET && !text.contains(is_unprintable) {
        true => Ok(Secret::new(text.clone())),
        false => Err(wrong(source, variable, "one line of plain text, up to 1024 bytes")),
    }
}

/// Several texts: a list, or words with commas or blanks between them.
pub(super) fn list(source: &Source<'_>, variable: &Variable) -> Result<Vec<Text>> {
    match &variable.value {
        Value::Text(text) => {
            no_template(source, variable, text)?;
            let words = text.split([',', ' ']).filter(|word| !word.is_empty());
            Ok(words.map(|word| located(word, variable)).collect())
        }
        Value::List(values) => values
            .iter()
            .map(|value| match value {
                Value::Text(text) => Ok(located(text, variable)),
                _ => Err(wrong(source, variable, "a list of texts")),
            })
            .collect(),
        Value::Nothing | Value::Map(_) => Err(wrong(source, variable, "a list of texts")),
    }
}

/// Keys with values: a map, or a list of `KEY=VALUE`.
pub(super) fn pairs(source: &Source<'_>, variable: &Variable) -> Result<Vec<(Text, Text)>> {
    if let Value::Map(entries) = &variable.value {
        let pair = |(key, value): &(Value, Value)| match (key, value) {
            (Value::Text(key), Value::Text(value)) => Ok((located(key, variable), located(value, variable))),
            _ => Err(wrong(source, variable, "a map from text to text")),
        };
        return entries.iter().map(pair).collect();
    }
    let pair = |word: Text| match word.value.split_once(['=', ':']) {
        Some((key, value)) => Ok((located(key.trim(), variable), located(value.trim(), variable))),
        None => Err(wrong(source, variable, "`KEY=VALUE`, several with commas, or a map")),
    };
    list(source, variable)?.into_iter().map(pair).collect()
}

/// Remembers where the first secret of the file stands.
pub(super) fn remember_first(secret: &mut Option<Range<usize>>, span: &Range<usize>) {
    if secret.as_ref().is_none_or(|first| span.start < first.start) {
        *secret = Some(span.clone());
    }
}

fn located(text: &str, variable: &Variable) -> Text {
    Located { value: text.to_owned(), span: variable.span.clone() }
}

/// Ansible would fill in a template; nobody does here.
fn no_template(source: &Source<'_>, variable: &Variable, text: &str) -> Result<()> {
    if !text.contains("{{") && !text.contains("{%") {
        return Ok(());
    }
    let message = format!("`{}` is a template, which only Ansible fills in", quote(&variable.name));
    Err(refused(source, &variable.span, message, "write the value itself"))
}

/// The error about a value of another shape. The value itself may be a secret.
fn wrong(source: &Source<'_>, variable: &Variable, wanted: &str) -> Error {
    let name = quote(&variable.name);
    let message = match &variable.value {
        Value::Text(text) if !is_secret_name(&variable.name) => {
            format!("`{name}` is `{}`, not {wanted}", quote(text))
        }
        _ => format!("`{name}` is not {wanted}"),
    };
    refused(source, &variable.span, message, &format!("write {wanted}"))
}
