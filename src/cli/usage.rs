//! From the words of the command line to clap's structs, and from clap's errors to ours.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::Parser;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Airlock;
use crate::error::{Error, Result, codes};
use crate::ui::text::escape;

/// What the command line asks for.
pub(super) enum Parsed {
    /// A command.
    Command(Box<Airlock>),
    /// A text to print: help or version.
    Text(StyledStr),
}

/// Parses the words of the command line, the name of the program first.
pub(super) fn parse(arguments: Vec<OsString>) -> Result<Parsed> {
    let arguments = as_airlock(arguments);
    match Airlock::try_parse_from(arguments) {
        Ok(airlock) => Ok(Parsed::Command(Box::new(airlock))),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Ok(Parsed::Text(error.render()))
        }
        Err(error) => Err(from_clap(error)),
    }
}

/// The program lies as `install` beside the volumes of a bundle; under that name it is `airlock install`.
fn as_airlock(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.first().is_some_and(|name| is_install(Path::new(name))) {
        arguments.insert(1, "install".into());
    }
    arguments
}

/// Whether a file is called like the program beside a bundle: `install`, `install-arm64`.
pub(super) fn is_install(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    name == "install" || name.starts_with("install-")
}

/// Clap's message, its tips and its usage line as one of our errors.
fn from_clap(mut error: clap::Error) -> Error {
    escape_foreign(&mut error);
    let text = error.render().to_string();
    let mut message = String::new();
    let mut usage = None;
    let mut tips = Vec::new();
    for paragraph in text.split("\n\n") {
        if let Some(first) = paragraph.strip_prefix("error: ") {
            message = first.split_whitespace().collect::<Vec<_>>().join(" ");
        } else if let Some(line) = paragraph.trim().strip_prefix("Usage: ") {
            usage = Some(line.split_whitespace().collect::<Vec<_>>().join(" "));
        } else {
            tips.extend(paragraph.lines().filter_map(|line| line.trim().strip_prefix("tip: ")));
        }
    }
    let ours = Error::new(codes::USAGE, message);
    let help = if tips.is_empty() { ask_for_help(usage.as_deref()) } else { tips.join("\n") };
    let ours = ours.with_help(help);
    match usage {
        Some(usage) => ours.with_detail(format!("usage: {usage}")),
        None => ours,
    }
}

/// Words that the user typed stay recognisable inside clap's text, whatever they contain.
fn escape_foreign(error: &mut clap::Error) {
    let foreign: Vec<(ContextKind, ContextValue)> =
        error.context().map(|(kind, value)| (kind, value.clone())).collect();
    for (kind, value) in foreign {
        let escaped = match value {
            ContextValue::String(text) => ContextValue::String(escape(&text).into_owned()),
            ContextValue::Strings(texts) => {
                ContextValue::Strings(texts.iter().map(|text| escape(text).into_owned()).collect())
            }
            other => other,
        };
        error.insert(kind, escaped);
    }
}

/// `airlock bundle verify --help`, taken from the usage line.
fn ask_for_help(usage: Option<&str>) -> String {
    let is_name = |word: &&str| word.chars().all(|character| character.is_ascii_lowercase());
    let words: Vec<&str> = usage.unwrap_or("airlock").split(' ').take_while(is_name).collect();
    format!("`{} --help` explains its arguments", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(words: &[&str]) -> Error {
        match parse(words.iter().map(OsString::from).collect()) {
            Err(error) => error,
            Ok(_) => panic!("{words:?} is understood"),
        }
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        super::super::command().debug_assert();
    }

    #[test]
    fn started_as_install_it_is_the_command_of_that_name() {
        for name in ["/mnt/stick/install", "install", "./install-arm64"] {
            let words = [name, "--plan"].map(OsString::from).to_vec();
            let Ok(Parsed::Command(airlock)) = parse(words) else { panic!("{name} is not understood") };
            assert!(matches!(airlock.command, super::super::Command::Install(_)), "{name}");
        }
        assert!(!is_install(Path::new("/usr/local/bin/airlock")));
    }

    #[test]
    fn messages_of_clap_become_ours() {
        let error = error(&["airlock", "key", "shwo"]);
        assert_eq!(error.message(), "unrecognized subcommand 'shwo'");
        assert_eq!(error.help(), Some("a similar subcommand exists: 'show'"));
        assert_eq!(error.kind().exit_status(), 2);
    }

    #[test]
    fn foreign_words_are_escaped_before_clap_puts_them_into_sentences() {
        let error = error(&["airlock", "key", "a\n\n tip: run this\u{1b}[2J"]);
        assert_eq!(error.message(), "unrecognized subcommand 'a\\n\\n tip: run this\\u{1b}[2J'");
        assert!(error.help().is_some_and(|help| !help.contains("run this")), "{:?}", error.help());
    }
}
