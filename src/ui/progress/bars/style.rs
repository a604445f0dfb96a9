//! How a bar looks: `Fetching   ━━━━━━━━━╸────────────── 1.4 GiB of 3.2 GiB  112 MiB/s  18 s left`.

use std::fmt::Write;
use std::time::{Duration, Instant};

use indicatif::style::ProgressTracker;
use indicatif::{ProgressState, ProgressStyle};

use crate::ui::human;

/// Cells of a bar. With everything beside it, a line stays within 80 columns.
const WIDTH: usize = 24;

/// The bar of a stage whose total is known.
pub(super) fn bar(coloured: bool) -> ProgressStyle {
    let bar = if coloured { "{cells:.cyan}" } else { "{cells}" };
    let style = template(&format!("{{prefix:10}} {bar} {{amount}}{{speed}}{{left}}"));
    style
        .with_key("cells", Cells::default())
        .with_key("amount", amount)
        .with_key("speed", speed)
        .with_key("left", left)
}

/// The line of a stage whose total is not known.
pub(super) fn spinner() -> ProgressStyle {
    template("{prefix:10} {spinner} {amount}{speed}").with_key("amount", amount).with_key("speed", speed)
}

/// The line of one thing that is being worked on.
pub(super) fn name(coloured: bool) -> ProgressStyle {
    template(if coloured { "           {wide_msg:.dim}" } else { "           {wide_msg}" })
}

/// A line of text.
pub(super) fn plain() -> ProgressStyle {
    template("{wide_msg}")
}

/// A line of text, with how long it is there.
pub(super) fn timed() -> ProgressStyle {
    template("{wide_msg} {time}").with_key("time", time)
}

/// A warning above the bars; `text` is escaped already.
pub(super) fn warning(text: &str, coloured: bool) -> String {
    if coloured { format!("\u{1b}[1;33mwarning\u{1b}[0m: {text}") } else { format!("warning: {text}") }
}

fn template(text: &str) -> ProgressStyle {
    // The templates above are constants that parse; a default bar is better than a panic.
    ProgressStyle::with_template(text).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn amount(state: &ProgressState, out: &mut dyn Write) {
    let _ = match state.len() {
        Some(total) => write!(out, "{} of {}", human::size(state.pos()), human::size(total)),
        None if state.pos() > 0 => write!(out, "{}", human::size(state.pos())),
        None => Ok(()),
    };
}

fn time(state: &ProgressState, out: &mut dyn Write) {
    if state.elapsed().as_secs() >= 1 {
        let _ = write!(out, "{}", human::duration(Duration::from_secs(state.elapsed().as_secs())));
    }
}

fn speed(state: &ProgressState, out: &mut dyn Write) {
    if state.per_sec() >= 1.0 {
        let _ = write!(out, "  {}/s", human::size(state.per_sec() as u64));
    }
}

fn left(state: &ProgressState, out: &mut dyn Write) {
    // The first seconds say nothing about the rest.
    if state.per_sec() >= 1.0 && state.elapsed() >= Duration::from_secs(2) {
        let _ = write!(out, "  {} left", human::time_left(state.eta()));
    }
}

/// Draws the bar. It never becomes shorter, even when the total grows while the work is under way.
#[derive(Clone, Copy, Default)]
struct Cells {
    filled: usize,
}

impl Cells {
    fn advance(&mut self, fraction: f32) {
        let half_cells = (fraction.clamp(0.0, 1.0) * (2 * WIDTH) as f32) as usize;
        self.filled = self.filled.max(half_cells);
    }
}

impl ProgressTracker for Cells {
    fn clone_box(&self) -> Box<dyn ProgressTracker> {
        Box::new(*self)
    }

    fn tick(&mut self, state: &ProgressState, _now: Instant) {
        self.advance(state.fraction());
    }

    fn reset(&mut self, _state: &ProgressState, _now: Instant) {
        self.filled = 0;
    }

    fn write(&self, _state: &ProgressState, out: &mut dyn Write) {
        let full = self.filled / 2;
        let half = if self.filled % 2 == 1 { "╸" } else { "" };
        let empty = WIDTH - full - self.filled % 2;
        let _ = write!(out, "{}{half}{}", "━".repeat(full), "─".repeat(empty));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bar_never_runs_backwards(fractions in prop::collection::vec(0.0f32..=1.0, 1..20)) {
            let mut cells = Cells::default();
            for fraction in fractions {
                let before = cells.filled;
                cells.advance(fraction);
                prop_assert!(cells.filled >= before && cells.filled <= 2 * WIDTH);
            }
        }
    }
}
