//! Progress on a terminal: a bar for each stage and below it the names of what is being worked on.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

use self::fleet::Fleet;
use super::lines::{ended, finished};
use super::{Display, Settings, running};
use crate::progress::{Event, Progress, Stage};
use crate::ui::text::escape;

mod fleet;
mod style;

/// How many names are shown below a bar.
const NAMES: usize = 4;
/// How often rate and time left are redrawn while nothing happens.
const TICK: Duration = Duration::from_millis(200);
/// Redraws per second at most.
const REDRAWS: u8 = 12;

/// Draws bars on stderr.
pub(super) struct Bars(Mutex<State>);

impl Bars {
    pub(super) fn new(settings: Settings) -> Self {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(REDRAWS));
        Self::on(screen, settings)
    }

    fn on(screen: MultiProgress, settings: Settings) -> Self {
        Bars(Mutex::new(State {
            screen,
            settings,
            stages: BTreeMap::new(),
            fleet: Fleet::default(),
            is_closed: false,
        }))
    }
}

impl Progress for Bars {
    fn event(&self, event: Event<'_>) {
        if let Ok(mut state) = self.0.lock() {
            state.take(event);
        }
    }
}

impl Display for Bars {
    fn close(&self) {
        if let Ok(mut state) = self.0.lock() {
            state.is_closed = true;
            std::mem::take(&mut state.stages).into_values().for_each(Run::clear);
            state.fleet.clear();
            let _ = state.screen.clear();
        }
    }

    fn aside(&self, print: &mut dyn FnMut()) {
        match self.0.lock() {
            Ok(state) => state.screen.suspend(print),
            Err(_) => print(),
        }
    }
}

struct State {
    screen: MultiProgress,
    settings: Settings,
    stages: BTreeMap<Stage, Run>,
    fleet: Fleet,
    is_closed: bool,
}

/// One stage on the screen.
struct Run {
    bar: ProgressBar,
    started: Instant,
    /// Everything in work, oldest first. The first few have a line each.
    names: Vec<String>,
    lines: Vec<ProgressBar>,
}

impl State {
    fn take(&mut self, event: Event<'_>) {
        if self.is_closed {
            return;
        }
        match event {
            Event::Started { stage, bytes } => self.start(stage, bytes),
            Event::Total { stage, bytes } => {
                self.with(stage, |run, settings| run.set_total(bytes, settings.coloured));
            }
            Event::Advanced { stage, bytes } => self.with(stage, |run, _| run.bar.inc(bytes)),
            Event::ItemStarted { stage, name } => self.start_item(stage, name),
            Event::ItemFinished { stage, name } => self.finish_item(stage, name),
            Event::Finished { stage } => {
                if let Some(run) = self.stages.remove(&stage) {
                    let line = finished(stage, run.bar.position(), run.started.elapsed());
                    run.clear();
                    self.say(&line);
                }
            }
            Event::Note { text } => self.say(&escape(text)),
            Event::StepStarted { title, .. } => self.say(&escape(title)),
            Event::StepFinished { .. } => {}
            Event::Served(served) => self.say(&escape(&served.to_string())),
            Event::HostStarted { host, what } => {
                self.fleet.start(&self.screen, host, what, Instant::now());
            }
            Event::OnHost { host, event } => self.on_host(host, event),
            Event::HostFinished { host, what } => {
                let took = self.fleet.end(&self.screen, host, true, Instant::now());
                self.say(&ended(host, what, took));
            }
            Event::HostFailed { host, error } => {
                let took = self.fleet.end(&self.screen, host, false, Instant::now());
                self.say(&ended(host, &format!("failed, {}: {}", error.code(), error.message()), took));
            }
            Event::Warning { text } => {
                let line = style::warning(&escape(text), self.settings.coloured);
                self.say(&line);
            }
        }
    }

    fn on_host(&mut self, host: &str, event: &Event<'_>) {
        match event {
            Event::Warning { text } => {
                let text = format!("{}: {}", escape(host), escape(text));
                self.say(&style::warning(&text, self.settings.coloured));
            }
            Event::Note { text } if self.settings.verbose => {
                self.say(&format!("{}: {}", escape(host), escape(text)));
            }
            event => self.fleet.on_host(host, event, Instant::now()),
        }
    }

    fn with(&mut self, stage: Stage, change: impl FnOnce(&mut Run, Settings)) {
        if let Some(run) = self.stages.get_mut(&stage) {
            change(run, self.settings);
        }
    }

    fn start(&mut self, stage: Stage, bytes: Option<u64>) {
        let bar = self.screen.add(ProgressBar::no_length());
        bar.set_prefix(running(stage));
        let mut run = Run { bar, started: Instant::now(), names: Vec::new(), lines: Vec::new() };
        match bytes {
            Some(bytes) => run.set_total(bytes, self.settings.coloured),
            None => run.bar.set_style(style::spinner()),
        }
        run.bar.enable_steady_tick(TICK);
        self.stages.insert(stage, run);
    }

    fn start_item(&mut self, stage: Stage, name: &str) {
        let screen = self.screen.clone();
        self.with(stage, |run, settings| {
            run.names.push(escape(name).into_owned());
            run.show_names(&screen, settings.coloured);
        });
    }

    fn finish_item(&mut self, stage: Stage, name: &str) {
        let screen = self.screen.clone();
        let name = escape(name);
        self.with(stage, |run, settings| {
            if let Some(index) = run.names.iter().position(|candidate| *candidate == name) {
                run.names.remove(index);
            }
            run.show_names(&screen, settings.coloured);
        });
        if self.settings.verbose {
            self.say(&format!("{} {name}", super::done(stage)));
        }
    }

    fn say(&self, line: &str) {
        let _ = self.screen.println(line);
    }
}

impl Run {
    fn set_total(&mut self, bytes: u64, coloured: bool) {
        if self.bar.length().is_none() {
            self.bar.set_style(style::bar(coloured));
        }
        self.bar.set_length(bytes);
    }

    /// Brings the lines below the bar in agreement with `names`.
    fn show_names(&mut self, screen: &MultiProgress, coloured: bool) {
        let wanted = self.names.len().min(NAMES);
        while self.lines.len() > wanted {
            if let Some(line) = self.lines.pop() {
                line.finish_and_clear();
                screen.remove(&line);
            }
        }
        while self.lines.len() < wanted {
            let above = self.lines.last().unwrap_or(&self.bar);
            let line = screen.insert_after(above, ProgressBar::no_length());
            line.set_style(style::name(coloured));
            self.lines.push(line);
        }
        let hidden = self.names.len() - wanted;
        for (index, (line, name)) in self.lines.iter().zip(&self.names).enumerate() {
            let more =
                if hidden > 0 && index + 1 == wanted { format!(" and {hidden} more") } else { String::new() };
            line.set_message(format!("{name}{more}"));
        }
    }

    fn clear(self) {
        self.lines.iter().for_each(ProgressBar::finish_and_clear);
        self.bar.finish_and_clear();
    }
}
