//! What the survey has warned of is not said again by every installation; it stays in the logs of the hosts.

use crate::cluster::survey::Finding;
use crate::progress::{Event, Progress};

/// Tells everything on but warnings that are among these findings.
pub(super) struct Told<'a> {
    pub(super) findings: &'a [Finding],
    pub(super) progress: &'a dyn Progress,
}

impl Told<'_> {
    /// A host begins what it says of a check with the name of that: `K9 options of the kernel …`.
    fn is_known(&self, host: &str, text: &str) -> bool {
        let of_host = self.findings.iter().filter(|finding| finding.host.as_deref() == Some(host));
        let mut names = of_host.map(|finding| finding.id.as_str());
        names.any(|name| text.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))
    }
}

impl Progress for Told<'_> {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::OnHost { host, event: Event::Warning { text } } if self.is_known(host, text) => {}
            event => self.progress.event(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::hearsay::tests::Heard;
    use crate::cluster::survey::Severity;
    use crate::error::codes;

    #[test]
    fn only_what_was_found_on_the_same_host_is_not_told_again() {
        let heard = Heard::default();
        let findings = [Finding {
            id: "K9".to_owned(),
            severity: Severity::Warn,
            host: Some("gpu1".to_owned()),
            text: "options".to_owned(),
            help: "build it".to_owned(),
            code: codes::CLUSTER_BLOCKED,
        }];
        let told = Told { findings: &findings, progress: &heard };
        for (host, text) in [("gpu1", "K9 options"), ("gpu1", "K99 other"), ("gpu2", "K9 options")] {
            told.event(Event::OnHost { host, event: &Event::Warning { text } });
        }
        told.event(Event::OnHost { host: "gpu1", event: &Event::Note { text: "K9 is a note" } });
        let heard = heard.0.lock().unwrap();
        assert_eq!(heard.len(), 3, "{heard:?}");
        assert!(
            heard[0].contains("K99") && heard[1].contains("gpu2") && heard[2].contains("note"),
            "{heard:?}"
        );
    }
}
