//! Every check, once on a machine on which all is well and once where it is not: `checks.yaml` says what differs.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use airlock::node::facts::{Facts, Request};
use airlock::node::preflight::{
    Circumstances, Finding, Policy, Report, Role, Severity, Verdict, checks, examine,
};
use airlock::spec;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::machines::{ALL, Machine};

/// A machine that differs from a good one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// How much it should matter; nothing if the check should pass.
    found: Option<Severity>,
    /// What differs: paths into facts and circumstances, and values. `null` takes away.
    #[serde(default)]
    with: BTreeMap<String, Value>,
}

fn cases() -> BTreeMap<String, Vec<Case>> {
    serde_saphyr::from_str(include_str!("checks.yaml")).unwrap()
}

/// A good machine that is to be a server, and a bundle that fits it.
static GOOD: LazyLock<Value> = LazyLock::new(good);

fn good() -> Value {
    let facts = Machine::new("debian-12-server").facts_for(&Request::default());
    let mut circumstances = serde_json::to_value(Circumstances::usual(Role::Server)).unwrap();
    circumstances["bundle"] = json!({
        "name": "edge-1.0", "created": "2026-11-01T00:00:00Z", "architectures": ["amd64"], "hosts": ["debian-12"],
        "bytes": 4_u64 << 30, "imageBytes": 3_u64 << 30, "largestBlob": 1_u64 << 29, "k3s": "v1.36.3+k3s1",
        "drivers": {"debian-12": {
            "version": "580.95.05", "open": true, "prebuilt": ["6.1.0-18-amd64"], "built": [], "hasDkms": false,
            "fabricManager": "580.95.05",
        }},
    });
    circumstances["writeLatency"] = 2_000.into();
    json!({"facts": facts, "circumstances": circumstances})
}

/// Puts `value` at `path`, which is made of names and indices with slashes between.
fn put(tree: &mut Value, path: &str, value: Value) {
    let (above, name) = path.rsplit_once('|').or_else(|| path.rsplit_once('/')).unwrap();
    let above = tree.pointer_mut(&format!("/{above}")).unwrap_or_else(|| panic!("nothing is at {above}"));
    match (above, value) {
        (Value::Object(map), Value::Null) => drop(map.remove(name)),
        (Value::Object(map), value) => drop(map.insert(name.to_owned(), value)),
        (other, value) => *other.get_mut(name.parse::<usize>().unwrap()).unwrap() = value,
    }
}

fn report(case: &Case, policy: &Policy) -> Report {
    let mut tree = GOOD.clone();
    for (path, value) in &case.with {
        put(&mut tree, path, value.clone());
    }
    let facts: Facts = serde_json::from_value(tree["facts"].take()).unwrap();
    let circumstances: Circumstances = serde_json::from_value(tree["circumstances"].take()).unwrap();
    examine(&facts, &circumstances, policy)
}

fn finding<'a>(report: &'a Report, id: &str) -> &'a Finding {
    report.findings.iter().find(|finding| finding.id == id).unwrap_or_else(|| panic!("{id} was not examined"))
}

#[test]
fn every_check_passes_where_all_is_well_and_fails_where_it_should() {
    let (mut cases, mut wrong) = (cases(), Vec::new());
    for check in checks::all() {
        let own = cases.remove(check.id).unwrap_or_default();
        let passing = own.iter().filter(|case| case.found.is_none()).count();
        assert!(passing > 0, "checks.yaml has no machine on which {} passes", check.id);
        let worst = own.iter().filter_map(|case| case.found).max();
        assert_eq!(
            worst,
            Some(check.severity),
            "checks.yaml has no machine on which {} fails as badly as it can",
            check.id
        );
        for case in own {
            let report = report(&case, &Policy::default());
            let finding = finding(&report, check.id);
            let found = (finding.verdict == Verdict::Failed).then_some(finding.severity);
            let has_remedy = finding.remedy.as_deref().is_some_and(|text| text.len() > 5);
            let is_whole = !finding.measured.is_empty() && has_remedy == found.is_some();
            if found != case.found || finding.verdict == Verdict::Unknown || !is_whole {
                wrong.push(format!("{case:?} gives {finding:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.is_empty(), "there are no such checks: {:?}", cases.keys());
}

#[test]
fn on_a_good_machine_nothing_fails_and_nothing_is_unknown() {
    let report = report(&Case { found: None, with: BTreeMap::new() }, &Policy::default());
    let other: Vec<&Finding> =
        report.findings.iter().filter(|finding| finding.verdict != Verdict::Passed).collect();
    assert!(other.is_empty(), "{other:#?}");
    assert!(!report.blocks() && report.passed == report.findings.len());
}

#[test]
fn nothing_is_guessed_where_nothing_is_known() {
    let facts = json!({"facts": Machine::new("container").facts()});
    let facts: Facts = serde_json::from_value(facts["facts"].clone()).unwrap();
    let report = examine(&facts, &Circumstances::usual(Role::Server), &Policy::default());
    for id in ["K5", "K9", "S1", "D4", "D8", "S7"] {
        assert_eq!(finding(&report, id).verdict, Verdict::Unknown, "{id}");
    }
}

#[test]
fn findings_of_every_machine() {
    for name in ALL {
        let mut lines = Vec::new();
        for role in [Role::Server, Role::Agent] {
            let report =
                examine(&Machine::new(name).facts(), &Circumstances::usual(role), &Policy::default());
            lines.push(format!("{role:?}"));
            for severity in [Severity::Block, Severity::Warn, Severity::Info] {
                let of =
                    |finding: &Finding| format!("  {} {}: {}", severity.name(), finding.id, finding.measured);
                lines.extend(report.failed(severity).map(of));
            }
        }
        insta::assert_snapshot!(format!("findings-{}", name.replace('.', "-")), lines.join("\n"));
    }
}

#[test]
fn a_policy_weighs_differently_and_says_why() {
    let ids: Vec<&str> = checks::all().map(|check| check.id).collect();
    let text = "apiVersion: airlock/v1\nkind: PreflightPolicy\nchecks:\n  \
                H1: {severity: info, reason: small lab}\n  N8: {severity: block, reason: logs must agree}\n";
    let policy = Policy::from(spec::preflight::parse(text.as_bytes(), "policy.yaml", &ids).unwrap());
    let with = BTreeMap::from([
        ("facts/cpu/count".to_owned(), json!(1)),
        ("facts/clock/service".to_owned(), Value::Null),
    ]);
    let case = Case { found: None, with };
    let report = report(&case, &policy);
    let found = |id: &str| (finding(&report, id).severity, finding(&report, id).policy_reason.as_deref());
    assert_eq!(found("H1"), (Severity::Info, Some("small lab")));
    assert_eq!(found("N8"), (Severity::Block, Some("logs must agree")));
    assert_eq!(found("K1").1, None);
    assert_eq!((report.blocking, report.warnings), (1, 0));
}
