//! Progress for logs and dumb terminals: a line when a stage starts and ends, and now and then between.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{Display, done, running};
use crate::progress::{Event, Progress, Stage};
use crate::ui::human;
use crate::ui::text::escape;

/// A line comes after this many per cent of a stage, unless the last one is too fresh …
const STEP: u64 = 10;
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// … or after this long.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Writes plain lines.
pub(super) struct Lines<W>(Mutex<State<W>>);

impl<W: Write + Send> Lines<W> {
    /// `verbose` names every item.
    pub(super) fn new(out: W, verbose: bool) -> Self {
        Lines(Mutex::new(State { out, verbose, stages: BTreeMap::new(), hosts: BTreeMap::new() }))
    }
}

impl<W: Write + Send> Progress for Lines<W> {
    fn event(&self, event: Event<'_>) {
        if let Ok(mut state) = self.0.lock() {
            state.take(event, Instant::now());
        }
    }
}

impl<W: Write + Send> Display for Lines<W> {
    fn close(&self) {}
}

struct State<W> {
    out: W,
    verbose: bool,
    /// Stages on this machine, and on hosts by their name.
    stages: BTreeMap<(String, Stage), Run>,
    /// When the work on a host began.
    hosts: BTreeMap<String, Instant>,
}

/// One stage on its way.
struct Run {
    total: Option<u64>,
    done: u64,
    started: Instant,
    said_at: Instant,
    said_percent: u64,
}

impl<W: Write> State<W> {
    fn take(&mut self, event: Event<'_>, now: Instant) {
        match event {
            Event::OnHost { host, event } => self.take_on(host, event, now),
            Event::HostStarted { host, what } => {
                self.hosts.insert(host.to_owned(), now);
                self.say(&format!("{}: {}", escape(host), escape(what)));
            }
            Event::HostFinished { host, what } => {
                let took = self.took(host, now);
                self.say(&ended(host, what, took));
            }
            Event::HostFailed { host, error } => {
                let took = self.took(host, now);
                self.say(&ended(host, &format!("failed, {}: {}", error.code(), error.message()), took));
            }
            event => self.take_on("", &event, now),
        }
    }

    /// What happens on a host, or here where it has no name.
    fn take_on(&mut self, host: &str, event: &Event<'_>, now: Instant) {
        let at = if host.is_empty() { String::new() } else { format!("{}: ", escape(host)) };
        let key = |stage: &Stage| (host.to_owned(), *stage);
        match event {
            Event::Started { stage, bytes } => {
                let run = Run { total: *bytes, done: 0, started: now, said_at: now, said_percent: 0 };
                self.stages.insert(key(stage), run);
                let total = bytes.map(|bytes| format!(" {}", human::size(bytes))).unwrap_or_default();
                self.say(&format!("{at}{}{total}", running(*stage)));
            }
            Event::Total { stage, bytes } => {
                if let Some(run) = self.stages.get_mut(&key(stage)) {
                    run.total = Some(*bytes);
                }
            }
            Event::Advanced { stage, bytes } => {
                let line = self.stages.get_mut(&key(stage)).and_then(|run| {
                    run.done = run.done.saturating_add(*bytes);
                    run.line(*stage, now)
                });
                line.into_iter().for_each(|line| self.say(&format!("{at}{line}")));
            }
            Event::Finished { stage } => {
                if let Some(run) = self.stages.remove(&key(stage)) {
                    let line = finished(*stage, run.done, now.duration_since(run.started));
                    self.say(&format!("{at}{line}"));
                }
            }
            event => {
                if let Some(line) = told(event, self.verbose) {
                    self.say(&format!("{at}{line}"));
                }
            }
        }
    }

    fn took(&mut self, host: &str, now: Instant) -> Duration {
        self.hosts.remove(host).map_or(Duration::ZERO, |since| now.duration_since(since))
    }

    fn say(&mut self, line: &str) {
        // Nobody listens any more: the work itself goes on.
        let _ = writeln!(self.out, "{line}");
    }
}

impl Run {
    /// What is worth saying now, if anything.
    fn line(&mut self, stage: Stage, now: Instant) -> Option<String> {
        let percent = self.percent();
        let pause = now.duration_since(self.said_at);
        let is_step = percent.is_some_and(|percent| percent >= self.said_percent + STEP);
        if !(is_step && pause >= SHORTEST_PAUSE || pause >= LONGEST_PAUSE) {
            return None;
        }
        self.said_at = now;
        self.said_percent = self.said_percent.max(percent.unwrap_or(0));
        let share = match self.total {
            Some(total) => {
                let done = human::size(self.done);
                format!("{} %, {done} of {}", self.said_percent, human::size(total))
            }
            None => human::size(self.done),
        };
        let rate = human::rate(self.done, now.duration_since(self.started));
        let rate = rate.map(|rate| format!(", {rate}")).unwrap_or_default();
        Some(format!("{} {share}{rate}", running(stage)))
    }

    fn percent(&self) -> Option<u64> {
        let total = self.total.filter(|total| *total > 0)?;
        Some((u128::from(self.done) * 100 / u128::from(total)).min(100) as u64)
    }
}

/// The line of an event that has no stretch of work behind it; nothing where it is not worth one.
fn told(event: &Event<'_>, verbose: bool) -> Option<String> {
    Some(match event {
        Event::ItemStarted { stage, name } if verbose => format!("{} {}", running(*stage), escape(name)),
        Event::ItemFinished { stage, name } if verbose => format!("{} {}", done(*stage), escape(name)),
        Event::Note { text } => escape(text).into_owned(),
        Event::StepStarted { title, .. } => escape(title).into_owned(),
        Event::StepFinished { title, .. } if verbose => format!("Done: {}", escape(title)),
        Event::Served(served) => escape(&served.to_string()).into_owned(),
        Event::Warning { text } => format!("warning: {}", escape(text)),
        _ => return None,
    })
}

/// The line that closes the work on a host; also used above bars.
pub(super) fn ended(host: &str, what: &str, took: Duration) -> String {
    format!("{}: {} ({})", escape(host), escape(what), human::duration(took))
}

/// The line that closes a stage; also used above bars.
pub(super) fn finished(stage: Stage, bytes: u64, elapsed: Duration) -> String {
    let amount = if bytes > 0 { format!(" {}", human::size(bytes)) } else { String::new() };
    let rate = human::rate(bytes, elapsed).filter(|_| bytes > 0);
    let rate = rate.map(|rate| format!(" ({rate})")).unwrap_or_default();
    format!("{}{amount} in {}{rate}", done(stage), human::duration(elapsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn lines_come_every_tenth_or_every_ten_seconds() {
        let mut state =
            State { out: Vec::new(), verbose: false, stages: BTreeMap::new(), hosts: BTreeMap::new() };
        let start = Instant::now();
        let stage = Stage::Fetch;
        state.take(Event::Started { stage, bytes: Some(1000 << 20) }, start);
        state.take(Event::ItemStarted { stage, name: "busybox" }, start);
        for (seconds, mebibytes) in [(0, 200), (1, 10), (2, 50), (5, 30), (15, 1), (16, 409), (17, 300)] {
            state.take(Event::Advanced { stage, bytes: mebibytes << 20 }, after(start, seconds));
        }
        state.take(Event::Warning { text: "a\nb" }, start);
        state.take(Event::Finished { stage }, after(start, 20));
        insta::assert_snapshot!(String::from_utf8(state.out).unwrap(), @r"
        Fetching 1000 MiB
        Fetching 21 %, 210 MiB of 1000 MiB, 210 MiB/s
        Fetching 29 %, 291 MiB of 1000 MiB, 19.4 MiB/s
        Fetching 70 %, 700 MiB of 1000 MiB, 43.8 MiB/s
        Fetching 100 %, 1000 MiB of 1000 MiB, 58.8 MiB/s
        warning: a\nb
        Fetched 1000 MiB in 20 s (50.0 MiB/s)
        ");
    }

    #[test]
    fn lines_of_hosts_begin_with_their_name() {
        let mut state =
            State { out: Vec::new(), verbose: false, stages: BTreeMap::new(), hosts: BTreeMap::new() };
        let start = Instant::now();
        let stage = Stage::Import;
        let mut on = |host, event: Event<'_>, seconds| {
            state.take(Event::OnHost { host, event: &event }, after(start, seconds));
        };
        on("s1", Event::Started { stage, bytes: Some(100 << 20) }, 0);
        on("s2", Event::Started { stage, bytes: Some(100 << 20) }, 0);
        on("s1", Event::Advanced { stage, bytes: 50 << 20 }, 5);
        on("s2", Event::StepStarted { step: "store", title: "Copy the bundle" }, 5);
        on("s1", Event::Finished { stage }, 10);
        state.take(Event::HostStarted { host: "s1", what: "installing" }, start);
        state.take(Event::HostFinished { host: "s1", what: "installed" }, after(start, 65));
        insta::assert_snapshot!(String::from_utf8(state.out).unwrap(), @r"
        s1: Importing 100 MiB
        s2: Importing 100 MiB
        s1: Importing 50 %, 50.0 MiB of 100 MiB, 10.0 MiB/s
        s2: Copy the bundle
        s1: Imported 50.0 MiB in 10 s (5.0 MiB/s)
        s1: installing
        s1: installed (1 min 5 s)
        ");
    }

    #[test]
    fn a_stage_without_total_still_tells_that_it_lives() {
        let mut state =
            State { out: Vec::new(), verbose: true, stages: BTreeMap::new(), hosts: BTreeMap::new() };
        let start = Instant::now();
        let stage = Stage::Resolve;
        state.take(Event::Started { stage, bytes: None }, start);
        state.take(Event::ItemFinished { stage, name: "quay.io/a/b:1" }, start);
        state.take(Event::Advanced { stage, bytes: 1 << 20 }, after(start, 11));
        state.take(Event::Total { stage, bytes: 0 }, start);
        state.take(Event::Advanced { stage, bytes: 1 << 20 }, after(start, 22));
        state.take(Event::Finished { stage }, after(start, 30));
        insta::assert_snapshot!(String::from_utf8(state.out).unwrap(), @r"
        Resolving
        Resolved quay.io/a/b:1
        Resolving 1.0 MiB, 93.1 KiB/s
        Resolving 0 %, 2.0 MiB of 0 B, 93.1 KiB/s
        Resolved 2.0 MiB in 30 s (68.3 KiB/s)
        ");
    }
}
