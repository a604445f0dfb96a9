//! Many hosts on the screen: a line for each that is being worked on, and one that counts the others.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar};

use super::style;
use crate::progress::{Event, Stage};
use crate::ui::human;
use crate::ui::progress::running;
use crate::ui::text::escape;

/// Lines of hosts at the same time; a terminal of 40 lines still has room for what is said.
const LINES: usize = 30;
/// How often the time behind a host is told anew.
const TICK: Duration = Duration::from_secs(1);
/// Widest name of a host that stays in its column.
const NAME: usize = 16;

/// The hosts.
#[derive(Default)]
pub(super) struct Fleet {
    hosts: BTreeMap<String, Row>,
    count: Option<ProgressBar>,
    finished: usize,
    failed: usize,
}

/// One host.
struct Row {
    line: Option<ProgressBar>,
    doing: Doing,
    since: Instant,
}

/// What a host does.
struct Doing {
    what: String,
    step: Option<String>,
    bytes: Option<Bytes>,
}

/// A stage of it that is measured.
struct Bytes {
    stage: Stage,
    done: u64,
    total: Option<u64>,
    since: Instant,
}

impl Fleet {
    pub(super) fn start(&mut self, screen: &MultiProgress, host: &str, what: &str, now: Instant) {
        let doing = Doing { what: what.to_owned(), step: None, bytes: None };
        let row = Row { line: None, doing, since: now };
        if let Some(before) = self.hosts.insert(escape(host).into_owned(), row) {
            before.clear();
        }
        self.draw(screen, now);
    }

    pub(super) fn on_host(&mut self, host: &str, event: &Event<'_>, now: Instant) {
        let name = escape(host);
        let Some(row) = self.hosts.get_mut(&*name) else { return };
        if let (Event::StepStarted { .. }, Some(line)) = (event, &row.line) {
            line.reset_elapsed();
        }
        row.doing.take(event, now);
        row.show(&name, now);
    }

    /// Takes a host off the screen; how long it was there.
    pub(super) fn end(
        &mut self,
        screen: &MultiProgress,
        host: &str,
        is_well: bool,
        now: Instant,
    ) -> Duration {
        let row = self.hosts.remove(&*escape(host));
        let took = row.as_ref().map_or(Duration::ZERO, |row| now.duration_since(row.since));
        row.into_iter().for_each(Row::clear);
        if is_well {
            self.finished += 1
        } else {
            self.failed += 1
        }
        self.draw(screen, now);
        took
    }

    /// Takes everything off the screen.
    pub(super) fn clear(&mut self) {
        std::mem::take(&mut self.hosts).into_values().for_each(Row::clear);
        if let Some(count) = self.count.take() {
            count.finish_and_clear();
        }
    }

    /// Gives lines to hosts that have none while there is room, and counts.
    fn draw(&mut self, screen: &MultiProgress, now: Instant) {
        if self.hosts.is_empty() {
            self.clear();
            (self.finished, self.failed) = (0, 0);
            return;
        }
        let count = self.count.get_or_insert_with(|| {
            let count = screen.add(ProgressBar::no_length());
            count.set_style(style::plain());
            count
        });
        let mut shown = self.hosts.values().filter(|row| row.line.is_some()).count();
        for (name, row) in &mut self.hosts {
            if row.line.is_none() && shown < LINES {
                let line = screen.insert_before(count, ProgressBar::no_length());
                line.set_style(style::timed());
                line.enable_steady_tick(TICK);
                row.line = Some(line);
                shown += 1;
            }
            row.show(name, now);
        }
        let waiting = self.hosts.len() - shown;
        count.set_message(counted(self.finished, self.failed, self.hosts.len(), waiting));
    }
}

fn counted(finished: usize, failed: usize, running: usize, unseen: usize) -> String {
    let mut parts = vec![format!("{finished} done"), format!("{running} at work")];
    if unseen > 0 {
        parts.push(format!("{unseen} of them not shown"));
    }
    if failed > 0 {
        parts.push(format!("{failed} failed"));
    }
    parts.join(", ")
}

impl Row {
    fn show(&self, name: &str, now: Instant) {
        if let Some(line) = &self.line {
            line.set_message(format!("{name:<NAME$} {}", self.doing.text(now)));
        }
    }

    fn clear(self) {
        self.line.iter().for_each(ProgressBar::finish_and_clear);
    }
}

impl Doing {
    fn take(&mut self, event: &Event<'_>, now: Instant) {
        match event {
            Event::StepStarted { title, .. } => {
                self.step = Some(escape(title).into_owned());
                self.bytes = None;
            }
            Event::Started { stage, bytes } => {
                self.bytes = Some(Bytes { stage: *stage, done: 0, total: *bytes, since: now });
            }
            Event::Total { stage, bytes } => {
                if let Some(measured) = self.bytes.as_mut().filter(|measured| measured.stage == *stage) {
                    measured.total = Some(*bytes);
                }
            }
            Event::Advanced { stage, bytes } => {
                if let Some(measured) = self.bytes.as_mut().filter(|measured| measured.stage == *stage) {
                    measured.done += bytes;
                }
            }
            Event::Finished { .. } => self.bytes = None,
            _ => {}
        }
    }

    fn text(&self, now: Instant) -> String {
        let mut text = self.step.clone().unwrap_or_else(|| self.what.clone());
        if let Some(bytes) = &self.bytes {
            text = format!("{text}  {}", bytes.text(now));
        }
        text
    }
}

impl Bytes {
    /// `Importing 1.2 GiB of 3.2 GiB  112 MiB/s  18 s left`.
    fn text(&self, now: Instant) -> String {
        let mut text = format!("{} {}", running(self.stage), human::size(self.done));
        let elapsed = now.duration_since(self.since);
        let rate = human::rate(self.done, elapsed).filter(|_| self.done > 0);
        if let Some(total) = self.total {
            text += &format!(" of {}", human::size(total));
        }
        if let Some(rate) = rate {
            text += &format!("  {rate}");
        }
        // The first seconds say nothing about the rest.
        if let Some(total) = self.total.filter(|_| self.done > 0 && elapsed >= Duration::from_secs(2)) {
            let left = elapsed.as_secs_f64() * (total.saturating_sub(self.done) as f64 / self.done as f64);
            text += &format!("  {} left", human::time_left(Duration::from_secs_f64(left.min(1e9))));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::*;

    fn screen() -> MultiProgress {
        MultiProgress::with_draw_target(ProgressDrawTarget::hidden())
    }

    /// The lines that are on the screen.
    fn lines(fleet: &Fleet) -> String {
        let hosts = fleet.hosts.values().filter_map(|row| row.line.as_ref());
        hosts.chain(&fleet.count).map(|line| line.message() + "\n").collect()
    }

    #[test]
    fn a_host_has_a_line_while_it_is_at_work() {
        let (screen, mut fleet, start) = (screen(), Fleet::default(), Instant::now());
        for host in ["s1", "gpu1"] {
            fleet.start(&screen, host, "installing", start);
        }
        let stage = Stage::Import;
        fleet.on_host("s1", &Event::StepStarted { step: "store", title: "Copy the bundle" }, start);
        fleet.on_host("s1", &Event::Started { stage, bytes: Some(100 << 20) }, start);
        fleet.on_host("s1", &Event::Advanced { stage, bytes: 20 << 20 }, start + Duration::from_secs(4));
        fleet.on_host("nobody", &Event::Advanced { stage, bytes: 1 }, start);
        insta::assert_snapshot!(lines(&fleet), @r"
        gpu1             installing
        s1               Copy the bundle  Importing 20.0 MiB of 100 MiB  5.0 MiB/s  16 s left
        0 done, 2 at work
        ");
        let took = fleet.end(&screen, "gpu1", false, start + Duration::from_secs(9));
        assert_eq!(took, Duration::from_secs(9));
        assert!(lines(&fleet).ends_with("0 done, 1 at work, 1 failed\n"), "{}", lines(&fleet));
        fleet.end(&screen, "s1", true, start);
        assert_eq!(lines(&fleet), "");
    }

    #[test]
    fn more_hosts_than_lines_are_counted() {
        let (screen, mut fleet, start) = (screen(), Fleet::default(), Instant::now());
        for index in 0..40 {
            fleet.start(&screen, &format!("node{index:02}"), "installing", start);
        }
        assert_eq!(lines(&fleet).lines().count(), LINES + 1);
        assert!(lines(&fleet).ends_with("0 done, 40 at work, 10 of them not shown\n"));
        fleet.end(&screen, "node00", true, start);
        assert!(lines(&fleet).contains("node30"), "the next one has its line");
    }
}
