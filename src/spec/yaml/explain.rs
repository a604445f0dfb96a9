//! Turns errors of the YAML library into ours: what stands there, what was expected, what to type.

use std::ops::Range;

use serde_saphyr::Error as YamlError;
use serde_saphyr::budget::BudgetBreach;

use super::byte_range;
use super::outline::{self, Node, NodeKind};
use crate::error::{Code, Error, codes};
use crate::quote::quote;
use crate::spec::source::Source;
use crate::spec::suggest::{listed, nearest};

/// What a message consists of, before it gets its place.
struct Finding {
    code: Code,
    message: String,
    label: &'static str,
    help: String,
}

/// The error a user reads for `error`.
pub(super) fn explain(source: &Source<'_>, error: &YamlError) -> Error {
    let error = innermost(error);
    let mut span = error.location().map(|location| source_range(source, &location)).unwrap_or_default();
    // A visitor that takes several types learns of a scalar only when the library still stands at its key.
    if let YamlError::SerdeInvalidType { .. } = error
        && let Some(value) = outline::value_of_key(source.text, &span)
    {
        span = value;
    }
    let finding = match error {
        YamlError::DuplicateMappingKey { .. } => duplicate_key(source, &span),
        YamlError::SerdeUnknownField { field, expected, .. } => unknown_key(field, expected),
        YamlError::Unexpected { expected, .. } => wrong_type(source, &span, expected),
        YamlError::SerdeInvalidType { expected, .. } => wrong_type(source, &span, expected),
        YamlError::InvalidScalar { .. } | YamlError::InvalidBooleanStrict { .. } => {
            wrong_type(source, &span, "bool")
        }
        YamlError::NullIntoString { .. } => null(source, &span),
        YamlError::TaggedScalarCannotDeserializeIntoString { .. } | YamlError::UnsupportedTag { .. } => tag(),
        YamlError::MergeKeyNotAllowed { .. } => merge_key(),
        YamlError::MultipleDocuments { .. } => several_documents(),
        YamlError::RecursiveReferencesRequireWeakTypes { .. } => recursive_alias(),
        YamlError::Budget { breach: BudgetBreach::Documents { .. }, .. } => several_documents(),
        YamlError::Budget { breach, .. } => budget(breach),
        YamlError::AliasReplayLimitExceeded { .. }
        | YamlError::AliasReplayStackDepthExceeded { .. }
        | YamlError::AliasExpansionLimitExceeded { .. } => alias_budget(),
        YamlError::UnknownAnchor { .. } => unknown_anchor(),
        YamlError::ExternalMessage { msg, .. } => syntax(source, &span, msg),
        other => syntax(source, &span, &other.to_string()),
    };
    source.error(finding.code, finding.message, &span, finding.label).with_help(finding.help)
}

/// Bytes of a place. The scanner's errors know line and column only.
fn source_range(source: &Source<'_>, location: &serde_saphyr::Location) -> Range<usize> {
    if location.span().byte_offset().is_some() {
        return byte_range(location);
    }
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let start = source.offset(number(location.line()), number(location.column()));
    start..start
}

/// Errors behind an alias are about what the alias stands for.
fn innermost(error: &YamlError) -> &YamlError {
    match error {
        YamlError::AliasError { error, .. } | YamlError::WithSnippet { error, .. } => innermost(error),
        other => other,
    }
}

fn duplicate_key(source: &Source<'_>, span: &Range<usize>) -> Finding {
    let key = quote(source.text.get(span.clone()).unwrap_or_default());
    let first = outline::nodes_at(source.text, span.start).into_iter().find_map(|node| node.earlier);
    let (first, help) = match first.map(|first| source.line(first.start)) {
        Some(line) => (
            format!(", first on line {line}"),
            format!("join both under one `{key}:`, or delete the one on line {line} or this one"),
        ),
        None => (String::new(), format!("join both under one `{key}:`")),
    };
    Finding {
        code: codes::SPEC_DUPLICATE_KEY,
        message: format!("`{key}` stands twice in the same map{first}"),
        label: "again here",
        help,
    }
}

fn unknown_key(field: &str, expected: &[&'static str]) -> Finding {
    let help = match nearest(field, expected.iter().copied()) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("known here are {}", listed(expected.iter().copied())),
    };
    Finding {
        code: codes::SPEC_UNKNOWN_KEY,
        message: format!("unknown key `{}`", quote(field)),
        label: "not a key of this map",
        help,
    }
}

/// A value of another shape than the key wants. `expected` is a word of the library or of our visitors.
fn wrong_type(source: &Source<'_>, span: &Range<usize>, expected: &str) -> Finding {
    let shape = Shape::named(expected);
    let node = culprit(source, span, shape.kind());
    let value = match node.kind {
        NodeKind::Scalar => quote(source.text.get(span.clone()).unwrap_or_default()),
        _ => String::new(),
    };
    let found = match node.kind {
        NodeKind::Sequence => "a list".to_owned(),
        NodeKind::Mapping => "a map".to_owned(),
        NodeKind::Scalar if is_blank(&value) => "empty".to_owned(),
        NodeKind::Scalar => format!("`{value}`"),
    };
    let (wanted, help) = shape.wish(&value);
    let path = in_words(&node.path, "the file");
    Finding {
        code: codes::SPEC_TYPE,
        message: format!("{path} must be {wanted}, but it is {found}"),
        label: "",
        help,
    }
}

/// The node an error of type is about. Several may begin at one place: the innermost that is not of the
/// kind that was expected. An error about a block collection has an empty span, one about a scalar has not.
fn culprit(source: &Source<'_>, span: &Range<usize>, expected: Option<NodeKind>) -> Node {
    let mut nodes = outline::nodes_at(source.text, span.start);
    let fits = |node: &Node| {
        !node.is_key && (!span.is_empty() || node.kind != NodeKind::Scalar && Some(node.kind) != expected)
    };
    let index = nodes.iter().rposition(fits).or(nodes.len().checked_sub(1));
    let nowhere = Node { path: String::new(), is_key: false, earlier: None, kind: NodeKind::Scalar };
    index.map_or(nowhere, |index| nodes.swap_remove(index))
}

fn in_words(path: &str, root: &str) -> String {
    if path.is_empty() { root.to_owned() } else { format!("`{}`", quote(path)) }
}

/// An empty value is reported at the `:` before it.
fn is_blank(value: &str) -> bool {
    matches!(value.trim(), "" | ":" | "-")
}

/// The shapes values have in our files.
enum Shape<'a> {
    List,
    Map,
    Text,
    Boolean,
    /// A visitor of ours, which says in its own words what it takes and, after a `;`, how it is written.
    Other(&'a str),
}

impl<'a> Shape<'a> {
    /// The shape meant by an "expected" of the library or of serde.
    fn named(expected: &'a str) -> Self {
        match expected {
            "sequence start" | "a sequence" => Shape::List,
            "mapping start" | "a map" => Shape::Map,
            "scalar" | "string scalar" | "string" | "a string" => Shape::Text,
            "bool" | "a boolean" => Shape::Boolean,
            expected if expected.starts_with("struct ") => Shape::Map,
            expected => Shape::Other(expected),
        }
    }

    fn kind(&self) -> Option<NodeKind> {
        match self {
            Shape::List => Some(NodeKind::Sequence),
            Shape::Map => Some(NodeKind::Mapping),
            Shape::Text | Shape::Boolean => Some(NodeKind::Scalar),
            Shape::Other(_) => None,
        }
    }

    /// What was wanted, in words, and how to write it instead of `value`.
    fn wish(&self, value: &str) -> (&'a str, String) {
        match self {
            Shape::List if is_blank(value) => {
                ("a list", "write one entry a line, each after `- `".to_owned())
            }
            Shape::List => ("a list", format!("write it as a list: `[{value}]`")),
            Shape::Map => {
                ("a map", "write its keys as `key: value`, each on an indented line of its own".to_owned())
            }
            Shape::Text => {
                ("a text", "write a single value on the same line, in quotes if in doubt".to_owned())
            }
            Shape::Boolean => ("`true` or `false`", boolean_help(value)),
            Shape::Other(expected) => match expected.split_once("; ") {
                Some((wanted, example)) => (wanted, example.to_owned()),
                None => (
                    expected,
                    "docs/bundle-yaml.md and docs/cluster-yaml.md have an example of every key".to_owned(),
                ),
            },
        }
    }
}

fn boolean_help(value: &str) -> String {
    let value = value.trim_matches(['"', '\'']).to_ascii_lowercase();
    match value.as_str() {
        "yes" | "on" | "y" | "1" | "true" => "write `true`, without quotes".to_owned(),
        "no" | "off" | "n" | "0" | "false" => "write `false`, without quotes".to_owned(),
        _ => "write `true` or `false`, without quotes".to_owned(),
    }
}

fn null(source: &Source<'_>, span: &Range<usize>) -> Finding {
    let nodes = outline::nodes_at(source.text, span.start);
    let path = in_words(nodes.last().map_or("", |node| &node.path), "the value");
    let value = quote(source.text.get(span.clone()).unwrap_or_default().trim());
    let (message, help) = if is_blank(&value) {
        (format!("{path} has no value"), "write a value, or delete the line".to_owned())
    } else {
        (
            format!("{path} is `{value}`, which YAML reads as nothing"),
            format!("if the text is meant, quote it: `\"{value}\"`; else delete the line"),
        )
    };
    Finding { code: codes::SPEC_TYPE, message, label: "a text is needed here", help }
}

fn tag() -> Finding {
    Finding {
        code: codes::SPEC_TYPE,
        message: "YAML tags such as `!!int` are not used in this file".to_owned(),
        label: "",
        help: "delete the tag; put the value in quotes if it is to be read as text".to_owned(),
    }
}

fn merge_key() -> Finding {
    Finding {
        code: codes::SPEC_SYNTAX,
        message: "the merge key `<<` is not supported".to_owned(),
        label: "",
        help: "write the keys out; a whole value may be repeated with an anchor and an alias (`&a`, `*a`)"
            .to_owned(),
    }
}

fn several_documents() -> Finding {
    Finding {
        code: codes::SPEC_SYNTAX,
        message: "the file holds more than one YAML document".to_owned(),
        label: "a second one begins here",
        help: "one file holds one document: move what follows `---` into a file of its own".to_owned(),
    }
}

fn budget(breach: &BudgetBreach) -> Finding {
    let (what, help) = match breach {
        BudgetBreach::Depth { .. } => (
            "is nested too deeply",
            "eight levels are enough for every key; look for a missing line break or bracket",
        ),
        BudgetBreach::Aliases { .. }
        | BudgetBreach::Anchors { .. }
        | BudgetBreach::AliasAnchorRatio { .. }
        | BudgetBreach::RecordedAnchorEvents { .. }
        | BudgetBreach::RecordedAnchorBytes { .. } => return alias_budget(),
        _ => (
            "holds too many values",
            "name many files with one glob, many hosts with one range, or split the bundle",
        ),
    };
    Finding {
        code: codes::SPEC_BUDGET,
        message: format!("the file {what}"),
        label: "stopped here",
        help: help.to_owned(),
    }
}

fn alias_budget() -> Finding {
    Finding {
        code: codes::SPEC_BUDGET,
        message: "alias budget exceeded: the aliases of the file expand to too many values".to_owned(),
        label: "stopped here",
        help: "write the values out instead of using `&anchor` and `*alias`".to_owned(),
    }
}

fn recursive_alias() -> Finding {
    Finding {
        code: codes::SPEC_SYNTAX,
        message: "an alias stands inside the value it repeats".to_owned(),
        label: "repeats itself",
        help: "write the value out instead of the alias".to_owned(),
    }
}

fn unknown_anchor() -> Finding {
    Finding {
        code: codes::SPEC_SYNTAX,
        message: "an alias names an anchor that does not exist".to_owned(),
        label: "no `&anchor` of this name before",
        help: "quote the value if it is meant to begin with `*`, for example `\"*.crt\"`".to_owned(),
    }
}

fn syntax(source: &Source<'_>, span: &Range<usize>, reason: &str) -> Finding {
    if reason.contains("nesting limit") || reason.contains("recursion limit") {
        return budget(&BudgetBreach::Depth { depth: 0 });
    }
    if reason.contains("unknown anchor") {
        return unknown_anchor();
    }
    let line = source.text.lines().nth(source.line(span.start) - 1).unwrap_or_default();
    let indentation = &line[..line.len() - line.trim_start().len()];
    let help = if indentation.contains('\t') || reason.contains("tabs") {
        "indent with spaces: `sed -i 's/\\t/  /g' FILE` replaces every tab"
    } else if reason.contains("quoted scalar") {
        "close the quote on the line where it begins"
    } else if reason.contains("mapping values are not allowed") {
        "put the value in quotes if the second `: ` belongs to it; else begin a new line"
    } else if reason.contains("unexpected character") {
        "put the value in quotes: it begins with a character that has a meaning in YAML"
    } else {
        "check the indentation and the `:` and `- ` of this line and the one before; keys of one map begin in the same column"
    };
    Finding {
        code: codes::SPEC_SYNTAX,
        // The library quotes as `x'.
        message: format!("not valid YAML: {}", quote(reason).replace('\'', "`")),
        label: "",
        help: help.to_owned(),
    }
}
