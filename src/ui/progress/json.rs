//! Progress for programs: one JSON object per event and line.
//!
//! `{"event":"advanced","stage":"fetch","bytes":1048576,"done":5242880}`; the names of events and stages
//! are those of [`crate::progress`] in camel case. Advances are summed up and come at most ten times a
//! second for each stage, and always before the stage's `finished`.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Display;
use crate::progress::{Event, Progress, Served, Stage};
use crate::ui::text::json_line;

const INTERVAL: Duration = Duration::from_millis(100);

/// Writes JSON lines.
pub(super) struct Json<W>(Mutex<State<W>>);

impl<W: Write + Send> Json<W> {
    pub(super) fn new(out: W) -> Self {
        Json(Mutex::new(State { out, stages: BTreeMap::new() }))
    }
}

impl<W: Write + Send> Progress for Json<W> {
    fn event(&self, event: Event<'_>) {
        if let Ok(mut state) = self.0.lock() {
            state.take(event, Instant::now());
        }
    }
}

impl<W: Write + Send> Display for Json<W> {
    fn close(&self) {
        if let Ok(mut state) = self.0.lock() {
            let stages: Vec<(String, Stage)> = state.stages.keys().cloned().collect();
            stages.into_iter().for_each(|key| state.flush(key));
        }
    }
}

struct State<W> {
    out: W,
    /// By the name of the host, which is empty for this machine.
    stages: BTreeMap<(String, Stage), Advance>,
}

#[derive(Default)]
struct Advance {
    pending: u64,
    done: u64,
    last: Option<Instant>,
}

#[derive(Default, Serialize)]
struct Line<'a> {
    event: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    host: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// Of an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

/// A request that a server has answered.
#[derive(Serialize)]
struct Request<'a> {
    event: &'static str,
    client: &'a str,
    method: &'a str,
    target: &'a str,
    status: u16,
    bytes: u64,
    seconds: f64,
}

impl<'a> From<&'a Served<'a>> for Request<'a> {
    fn from(served: &'a Served<'a>) -> Self {
        let &Served { client, method, target, status, bytes, elapsed } = served;
        Request { event: "served", client, method, target, status, bytes, seconds: elapsed.as_secs_f64() }
    }
}

impl<W: Write> State<W> {
    fn take(&mut self, event: Event<'_>, now: Instant) {
        match event {
            Event::OnHost { host, event } => self.take_on(host, event, now),
            Event::HostStarted { host, what } => {
                self.write(&Line { event: "hostStarted", host, text: Some(what), ..Line::default() });
            }
            Event::HostFinished { host, what } => {
                self.write(&Line { event: "hostFinished", host, text: Some(what), ..Line::default() });
            }
            Event::HostFailed { host, error } => {
                let (text, code) = (Some(error.message()), Some(error.code().to_string()));
                self.write(&Line { event: "hostFailed", host, text, code, ..Line::default() });
            }
            event => self.take_on("", &event, now),
        }
    }

    fn take_on(&mut self, host: &str, event: &Event<'_>, now: Instant) {
        let line =
            |event, stage: &Stage| Line { event, host, stage: Some(stage_name(*stage)), ..Line::default() };
        let text = |event, text| Line { event, host, text: Some(text), ..Line::default() };
        match event {
            Event::Advanced { stage, bytes } => self.advance((host.to_owned(), *stage), *bytes, now),
            Event::Started { stage, bytes } => {
                self.stages.insert((host.to_owned(), *stage), Advance::default());
                self.write(&Line { bytes: *bytes, ..line("started", stage) });
            }
            Event::Total { stage, bytes } => {
                self.write(&Line { bytes: Some(*bytes), ..line("total", stage) })
            }
            Event::ItemStarted { stage, name } => {
                self.write(&Line { name: Some(name), ..line("itemStarted", stage) });
            }
            Event::ItemFinished { stage, name } => {
                self.write(&Line { name: Some(name), ..line("itemFinished", stage) });
            }
            Event::Finished { stage } => {
                self.flush((host.to_owned(), *stage));
                self.write(&line("finished", stage));
            }
            Event::Note { text: note } => self.write(&text("note", note)),
            Event::Warning { text: warning } => self.write(&text("warning", warning)),
            Event::StepStarted { step, title } => {
                self.write(&Line { name: Some(step), ..text("stepStarted", title) });
            }
            Event::StepFinished { step, title } => {
                self.write(&Line { name: Some(step), ..text("stepFinished", title) });
            }
            Event::Served(served) => self.write(&Request::from(*served)),
            // A host has no hosts of its own.
            Event::OnHost { .. }
            | Event::HostStarted { .. }
            | Event::HostFinished { .. }
            | Event::HostFailed { .. } => {}
        }
    }

    fn advance(&mut self, key: (String, Stage), bytes: u64, now: Instant) {
        let advance = self.stages.entry(key.clone()).or_default();
        // A host may say any number.
        advance.pending = advance.pending.saturating_add(bytes);
        if advance.last.is_none_or(|last| now.duration_since(last) >= INTERVAL) {
            advance.last = Some(now);
            self.flush(key);
        }
    }

    fn flush(&mut self, key: (String, Stage)) {
        let (host, stage) = key.clone();
        let advance = self.stages.entry(key).or_default();
        let bytes = std::mem::take(&mut advance.pending);
        advance.done = advance.done.saturating_add(bytes);
        let done = advance.done;
        if bytes > 0 {
            self.write(&Line {
                event: "advanced",
                host: &host,
                stage: Some(stage_name(stage)),
                bytes: Some(bytes),
                done: Some(done),
                ..Line::default()
            });
        }
    }

    fn write(&mut self, line: &impl Serialize) {
        if let Ok(text) = json_line(line) {
            // Nobody listens any more: the work itself goes on.
            let _ = writeln!(self.out, "{text}");
        }
    }
}

fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Resolve => "resolve",
        Stage::Fetch => "fetch",
        Stage::Write => "write",
        Stage::Check => "check",
        Stage::Verify => "verify",
        Stage::Extract => "extract",
        Stage::Prove => "prove",
        Stage::Import => "import",
        Stage::Repair => "repair",
        Stage::Push => "push",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_counts_nonsense_harms_nobody() {
        let mut state = State { out: Vec::new(), stages: BTreeMap::new() };
        for bytes in [1, u64::MAX, u64::MAX] {
            let event = Event::Advanced { stage: Stage::Import, bytes };
            state.take(Event::OnHost { host: "gpu1", event: &event }, Instant::now());
        }
        let event = Event::Finished { stage: Stage::Import };
        state.take(Event::OnHost { host: "gpu1", event: &event }, Instant::now());
        let told = String::from_utf8(state.out).unwrap();
        assert!(told.contains(&u64::MAX.to_string()), "{told}");
    }

    #[test]
    fn advances_are_summed_and_none_is_lost() {
        let mut state = State { out: Vec::new(), stages: BTreeMap::new() };
        let start = Instant::now();
        let stage = Stage::Fetch;
        state.take(Event::Started { stage, bytes: Some(300) }, start);
        for milliseconds in [0, 10, 20, 130, 140] {
            let now = start + Duration::from_millis(milliseconds);
            state.take(Event::Advanced { stage, bytes: 60 }, now);
        }
        state.take(Event::ItemFinished { stage, name: "a\u{9b}" }, start);
        state.take(Event::Finished { stage }, start);
        state.take(Event::Warning { text: "late" }, start);
        let event = Event::StepStarted { step: "k3s", title: "Start k3s" };
        state.take(Event::OnHost { host: "gpu1", event: &event }, start);
        insta::assert_snapshot!(String::from_utf8(state.out).unwrap(), @r#"
        {"event":"started","stage":"fetch","bytes":300}
        {"event":"advanced","stage":"fetch","bytes":60,"done":60}
        {"event":"advanced","stage":"fetch","bytes":180,"done":240}
        {"event":"itemFinished","stage":"fetch","name":"a\u009b"}
        {"event":"advanced","stage":"fetch","bytes":60,"done":300}
        {"event":"finished","stage":"fetch"}
        {"event":"warning","text":"late"}
        {"event":"stepStarted","host":"gpu1","name":"k3s","text":"Start k3s"}
        "#);
    }
}
