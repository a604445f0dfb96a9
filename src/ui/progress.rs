//! Shows progress on stderr: bars on a terminal, plain lines elsewhere, JSON lines for programs.

mod bars;
mod json;
mod lines;
mod quiet;

use std::io::{self, IsTerminal};
use std::sync::Arc;

use crate::progress::{Progress, Silent, Stage};

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// Bars on a terminal, plain lines elsewhere
    #[default]
    Auto,
    /// Bars with rate and time left
    Bars,
    /// A line now and then
    Plain,
    /// One JSON object per event and line
    Json,
    /// Nothing but warnings
    None,
}

/// What decides how progress is shown, besides [`Mode`].
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What the user asked for.
    pub mode: Mode,
    /// The terminal understands cursor movement (`TERM` is not `dumb`).
    pub cursor_moves: bool,
    /// Colour may be used.
    pub coloured: bool,
    /// Name every item, not only stages.
    pub verbose: bool,
    /// Show nothing at all, not even warnings.
    pub quiet: bool,
}

/// A [`Progress`] that holds a part of the screen until it is closed.
pub trait Display: Progress {
    /// Takes everything that moves off the screen; later events show nothing. Called before an error is
    /// printed and before the process ends.
    fn close(&self);

    /// Prints something beside it, so that what moves neither mixes with it nor wipes it out.
    fn aside(&self, print: &mut dyn FnMut()) {
        print();
    }
}

/// The display on stderr that fits.
pub fn on_stderr(settings: Settings) -> Arc<dyn Display> {
    if settings.quiet {
        return Arc::new(Silent);
    }
    let can_draw = io::stderr().is_terminal() && settings.cursor_moves;
    match settings.mode {
        Mode::Auto | Mode::Bars if can_draw => Arc::new(bars::Bars::new(settings)),
        Mode::Auto | Mode::Bars | Mode::Plain => Arc::new(lines::Lines::new(io::stderr(), settings.verbose)),
        Mode::Json => Arc::new(json::Json::new(io::stderr())),
        Mode::None => Arc::new(quiet::WarningsOnly::new(io::stderr())),
    }
}

impl Display for Silent {
    fn close(&self) {}
}

/// What a stage is called while it runs.
fn running(stage: Stage) -> &'static str {
    match stage {
        Stage::Resolve => "Resolving",
        Stage::Fetch => "Fetching",
        Stage::Write => "Writing",
        Stage::Check => "Checking",
        Stage::Verify => "Verifying",
        Stage::Extract => "Extracting",
        Stage::Prove => "Proving",
        Stage::Import => "Importing",
        Stage::Repair => "Repairing",
        Stage::Push => "Pushing",
    }
}

/// What it is called when it has ended.
fn done(stage: Stage) -> &'static str {
    match stage {
        Stage::Resolve => "Resolved",
        Stage::Fetch => "Fetched",
        Stage::Write => "Written",
        Stage::Check => "Checked",
        // Not "verified": the stage also ends when it has found damage.
        Stage::Verify => "Checked",
        Stage::Extract => "Extracted",
        Stage::Prove => "Proved",
        Stage::Import => "Imported",
        Stage::Repair => "Repaired",
        Stage::Push => "Pushed",
    }
}
