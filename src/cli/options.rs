//! Options that every command has.

use std::ffi::OsString;
use std::io;

use super::environment::Environment;
use crate::ui::progress::{Mode, Settings};
use crate::ui::report::Style;

/// Options that every command has, as typed.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalOptions {
    /// Print results and errors as JSON
    ///
    /// The result is one JSON document on standard output; an error is one JSON object on one line of
    /// standard error. Sizes are exact numbers of bytes.
    #[arg(long, global = true)]
    pub json: bool,

    /// How progress is shown on standard error
    #[arg(long, global = true, value_name = "HOW", value_enum, default_value_t)]
    pub progress: Mode,

    /// Print nothing but results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Name every item that is worked on
    #[arg(short, long, global = true)]
    pub verbose: bool,

    /// When to use colour; `auto` obeys NO_COLOR and TERM
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    pub color: Colour,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    // Not doc comments: those would fill the help of every command.
    #[default]
    Auto,
    Always,
    Never,
}

impl GlobalOptions {
    /// What the options would have been, from arguments that could not be parsed.
    pub(super) fn guess(arguments: &[OsString]) -> Self {
        let has = |option: &str| arguments.iter().any(|argument| argument == option);
        let color = if has("--color=never") { Colour::Never } else { Colour::Auto };
        GlobalOptions { json: has("--json"), color, ..GlobalOptions::default() }
    }

    /// How errors are printed.
    pub(super) fn style(&self, environment: &Environment) -> Style {
        match () {
            () if self.json => Style::Json,
            () if self.is_coloured(environment) => Style::Coloured,
            () => Style::Plain,
        }
    }

    /// How progress is shown.
    pub(super) fn progress_settings(&self, environment: &Environment) -> Settings {
        // With --json a program reads: then every line of stderr is JSON too, unless a person watches it.
        let is_read_by_program = self.json && !io::IsTerminal::is_terminal(&io::stderr());
        let mode = if self.progress == Mode::Auto && is_read_by_program { Mode::Json } else { self.progress };
        Settings {
            mode,
            cursor_moves: !environment.is_dumb_terminal(),
            coloured: self.is_coloured(environment),
            verbose: self.verbose,
            quiet: self.quiet,
        }
    }

    fn is_coloured(&self, environment: &Environment) -> bool {
        match self.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => environment.allows_colour(&io::stderr()),
        }
    }
}
