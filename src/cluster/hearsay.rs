//! What a command on a host tells of its progress, told on here: events in JSON, a line each.

use serde::Deserialize;

use crate::progress::{Event, Progress, Stage};

/// A line as `--progress json` writes it.
#[derive(Deserialize)]
struct Line {
    event: String,
    stage: Option<Stage>,
    name: Option<String>,
    bytes: Option<u64>,
    text: Option<String>,
}

/// Tells whatever happens as something that happens on a host.
pub struct OnHost<'a> {
    /// The host.
    pub host: &'a str,
    /// Who is told.
    pub progress: &'a dyn Progress,
}

impl Progress for OnHost<'_> {
    fn event(&self, event: Event<'_>) {
        self.progress.event(Event::OnHost { host: self.host, event: &event });
    }
}

impl OnHost<'_> {
    /// Something is begun that is none of the steps of which the host tells.
    pub fn begins(&self, step: &str, title: &str) {
        self.event(Event::StepStarted { step, title });
    }
}

/// Tells a line of a host on; one that is no event is nothing to anybody here, it is in the log of the host.
pub fn tell(host: &str, line: &str, progress: &dyn Progress) {
    let Ok(line) = serde_json::from_str::<Line>(line) else { return };
    if let Some(event) = line.event() {
        OnHost { host, progress }.event(event);
    }
}

impl Line {
    fn event(&self) -> Option<Event<'_>> {
        let (name, text) = (self.name.as_deref(), self.text.as_deref());
        Some(match self.event.as_str() {
            "started" => Event::Started { stage: self.stage?, bytes: self.bytes },
            "total" => Event::Total { stage: self.stage?, bytes: self.bytes? },
            "itemStarted" => Event::ItemStarted { stage: self.stage?, name: name? },
            "itemFinished" => Event::ItemFinished { stage: self.stage?, name: name? },
            "advanced" => Event::Advanced { stage: self.stage?, bytes: self.bytes? },
            "finished" => Event::Finished { stage: self.stage? },
            "warning" => Event::Warning { text: text? },
            "note" => Event::Note { text: text? },
            "stepStarted" => Event::StepStarted { step: name?, title: text? },
            "stepFinished" => Event::StepFinished { step: name?, title: text? },
            _ => return None,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Everything that is told, as it is debugged.
    #[derive(Default)]
    pub(crate) struct Heard(pub(crate) Mutex<Vec<String>>);

    impl Progress for Heard {
        fn event(&self, event: Event<'_>) {
            self.0.lock().unwrap().push(format!("{event:?}"));
        }
    }

    #[test]
    fn events_are_told_on_and_other_lines_are_not() {
        let heard = Heard::default();
        for line in [
            r#"{"event":"advanced","stage":"import","bytes":60,"done":120}"#,
            r#"{"event":"stepStarted","name":"k3s","text":"Start k3s"}"#,
            r#"{"event":"served","client":"unix"}"#,
            r#"{"event":"advanced","stage":"import"}"#,
            r#"{"code":"E1055","message":"root"}"#,
            "Warning: something of another program",
        ] {
            tell("gpu1", line, &heard);
        }
        assert_eq!(
            *heard.0.lock().unwrap(),
            [
                r#"OnHost { host: "gpu1", event: Advanced { stage: Import, bytes: 60 } }"#,
                r#"OnHost { host: "gpu1", event: StepStarted { step: "k3s", title: "Start k3s" } }"#
            ]
        );
    }
}
