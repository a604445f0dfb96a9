//! The report for people: what needs attention, the worst first, with what to do about it.

use crate::node::preflight::{Finding, Report, Severity, Verdict};
use crate::ui::table::{Align, Table};
use crate::ui::text::escape;

/// The report; with `all` also what passed and what could not be checked.
pub(super) fn report(report: &Report, all: bool) -> String {
    let mut text = String::new();
    for (severity, heading) in
        [(Severity::Block, "Blocks"), (Severity::Warn, "Warnings"), (Severity::Info, "For information")]
    {
        let findings: Vec<&Finding> = report.failed(severity).collect();
        text += &section(heading, &findings);
    }
    if all {
        let of = |verdict| report.findings.iter().filter(move |finding| finding.verdict == verdict).collect();
        let passed: Vec<&Finding> = of(Verdict::Passed);
        text += &section("Passed", &passed);
        let unknown: Vec<&Finding> = of(Verdict::Unknown);
        text += &section("Not checked", &unknown);
    }
    text + &summary(report, all)
}

fn section(heading: &str, findings: &[&Finding]) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let mut table = Table::new([
        ("ID", Align::Left),
        ("CHECK", Align::Left),
        ("FOUND", Align::Left),
        ("WANTED", Align::Left),
    ]);
    for finding in findings {
        table.row([finding.id, finding.title, &finding.measured, finding.threshold]);
    }
    let remedies: String = findings.iter().filter_map(|finding| remedy(finding)).collect();
    let gap = if remedies.is_empty() { "" } else { "\n" };
    format!("{heading}\n\n{}{gap}{remedies}\n", table.render())
}

fn remedy(finding: &Finding) -> Option<String> {
    let remedy = finding.remedy.as_ref()?;
    let weighed = finding.policy_reason.as_ref().map(|reason| format!("  (policy: {})", escape(reason)));
    Some(format!("{}: {}{}\n", finding.id, escape(remedy), weighed.unwrap_or_default()))
}

fn summary(report: &Report, all: bool) -> String {
    let hint = if all || report.unknown == 0 { "" } else { "; --all lists them" };
    format!(
        "{} block, {} warn, {} passed, {} could not be checked{hint}\n",
        report.blocking, report.warnings, report.passed, report.unknown
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(id: &'static str, verdict: Verdict, severity: Severity) -> Finding {
        let remedy = (verdict == Verdict::Failed).then(|| format!("`mend {id}`"));
        Finding {
            id,
            title: "something",
            verdict,
            severity,
            measured: "1\u{1b}[2J".to_owned(),
            threshold: "2",
            remedy,
            fixable: false,
            policy_reason: (id == "N8").then(|| "logs must agree".to_owned()),
        }
    }

    #[test]
    fn the_worst_comes_first_and_what_passed_only_if_asked_for() {
        let findings = vec![
            finding("K1", Verdict::Passed, Severity::Block),
            finding("P11", Verdict::Failed, Severity::Warn),
            finding("N8", Verdict::Failed, Severity::Block),
            finding("D8", Verdict::Unknown, Severity::Warn),
        ];
        let report_of = Report { blocking: 1, warnings: 1, passed: 1, unknown: 1, findings };
        insta::assert_snapshot!(report(&report_of, false), @r"
        Blocks

        ID  CHECK      FOUND       WANTED
        N8  something  1\u{1b}[2J  2

        N8: `mend N8`  (policy: logs must agree)

        Warnings

        ID   CHECK      FOUND       WANTED
        P11  something  1\u{1b}[2J  2

        P11: `mend P11`

        1 block, 1 warn, 1 passed, 1 could not be checked; --all lists them
        ");
        insta::assert_snapshot!(report(&report_of, true), @r"
        Blocks

        ID  CHECK      FOUND       WANTED
        N8  something  1\u{1b}[2J  2

        N8: `mend N8`  (policy: logs must agree)

        Warnings

        ID   CHECK      FOUND       WANTED
        P11  something  1\u{1b}[2J  2

        P11: `mend P11`

        Passed

        ID  CHECK      FOUND       WANTED
        K1  something  1\u{1b}[2J  2

        Not checked

        ID  CHECK      FOUND       WANTED
        D8  something  1\u{1b}[2J  2

        1 block, 1 warn, 1 passed, 1 could not be checked
        ");
    }
}
