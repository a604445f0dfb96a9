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
