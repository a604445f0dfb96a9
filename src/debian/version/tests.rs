//! Versions against the policy's examples and against dpkg itself.
#![allow(clippy::print_stderr, reason = "a skipped test must be heard of")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;

fn version(text: &str) -> Version<'_> {
    Version::parse(text).unwrap()
}

#[test]
fn the_parts_are_found() {
    let full = version("2:1.0:rc-1-3+b2");
    assert_eq!((full.epoch(), full.upstream(), full.revision()), (2, "1.0:rc-1", "3+b2"));
    let native = version("20240101");
    assert_eq!((native.epoch(), native.upstream(), native.revision()), (0, "20240101", ""));
    assert_eq!(full.to_string(), "2:1.0:rc-1-3+b2");
}

#[test]
fn versions_sort_as_the_policy_says() {
    let ascending = [
        "1.0~~",
        "1.0~~a",
        "1.0~",
        "1.0~rc1-1",
        "1.0",
        "1.0a",
        "1.0+dfsg-1",
        "1.0.1",
        "1.2",
        "1.10",
        "2.0-0~1",
        "2.0",
        "2.0-1",
        "2.0-1+b1",
        "2.0-1.1",
        "2.0+",
        "1:0.1",
    ];
    let mut sorted = ascending;
    sorted.sort_by_key(|text| version(text));
    assert_eq!(sorted, ascending);
}

#[test]
fn a_missing_number_is_zero() {
    for (left, right) in
        [("1.0", "1."), ("1.0", "0:1.00-0"), ("1+dfsg", "1+dfsg0"), ("1.007", "1.7"), ("1.0-0", "1.0")]
    {
        assert_eq!(version(left), version(right), "{left} {right}");
    }
    // Found in bookworm, where other implementations sort it the other way.
    assert!(version("3.1.2+dfsg-13") > version("3.1.2+dfsg0-1"));
    assert!(version("0.99999999999999999999999999") < version("0.100000000000000000000000000"));
}

#[test]
fn what_dpkg_refuses_is_refused() {
    for text in [
        "",
        "-",
        "1:",
        "a:1",
        ":1",
        "1.0-",
        "1.0 1",
        "1_0",
        "1.0-1_2",
        "2147483648:1",
        "-1:1",
        "1\u{e9}",
        "\n",
    ] {
        let error = Version::parse(text).expect_err(text);
        assert_eq!(error.code(), codes::DEBIAN_VERSION);
        assert!(error.help().is_some() && !error.message().contains('\n'));
    }
}

/// Pairs that are close to each other more often than chance would make them.
fn pairs() -> impl Strategy<Value = (String, String)> {
    let part = "[0-9]{1,3}|[a-z]|[~+.]|0+|dfsg|rc";
    let text = |count| prop::collection::vec(part, count).prop_map(|parts| parts.concat());
    let epoch = prop_oneof![6 => Just(String::new()), 1 => Just("0:".to_owned()), 1 => Just("1:".to_owned())];
    let side = (
        epoch,
        text(0..3_usize),
        prop_oneof![2 => Just(String::new()), 1 => "-[0-9]{1,2}(~[a-z]|\\+b[0-9])?|-0"],
    );
    (text(0..5_usize), side.clone(), side).prop_map(|(common, left, right)| {
        let whole =
            |(epoch, own, revision): (String, String, String)| format!("{epoch}1{common}{own}{revision}");
        (whole(left), whole(right))
    })
}

fn random_pairs(count: usize) -> Vec<(String, String)> {
    let mut runner = TestRunner::default();
    (0..count).map(|_| pairs().new_tree(&mut runner).unwrap().current()).collect()
}

fn word(order: Ordering) -> &'static str {
    match order {
        Ordering::Less => "lt",
        Ordering::Equal => "eq",
        Ordering::Greater => "gt",
    }
}

/// The pairs on which dpkg does not agree with us. One process a pair: dpkg compares one pair at a time.
fn disagreements(pairs: &[(String, String)]) -> Option<Vec<String>> {
    Command::new("dpkg").arg("--version").stdout(Stdio::null()).status().ok()?;
    let agrees = |(left, right): &&(String, String)| {
        let order = word(version(left).cmp(&version(right)));
        let dpkg = Command::new("dpkg").args(["--compare-versions", left, order, right]).status().unwrap();
        !dpkg.success()
    };
    Some(pairs.iter().filter(agrees).map(|pair| format!("{pair:?}")).collect())
}

fn assert_agreement(count: usize) {
    match disagreements(&random_pairs(count)) {
        Some(wrong) => assert!(wrong.is_empty(), "dpkg disagrees on {wrong:?}"),
        None => eprintln!("SKIPPED: dpkg is not installed"),
    }
}

#[test]
fn dpkg_agrees_on_some_pairs() {
    assert_agreement(200);
}

#[test]
#[ignore = "starts dpkg 10,000 times; the next test does the same in one process"]
fn dpkg_agrees_on_ten_thousand_pairs() {
    assert_agreement(10_000);
}

/// `Dpkg::Version` is dpkg's own implementation for scripts: ten thousand pairs in one process.
#[test]
fn dpkg_for_perl_agrees_on_ten_thousand_pairs() {
    const SCRIPT: &str = "use Dpkg::Version; while (<STDIN>) { chomp; my ($l, $r) = split / /;
        my $o = version_compare($l, $r); print $o < 0 ? 'lt' : $o > 0 ? 'gt' : 'eq', qq(\n) }";
    // Perl compares numbers as floating point, dpkg digit by digit: only the latter is right about long ones.
    let is_long =
        |version: &str| version.split(|byte: char| !byte.is_ascii_digit()).any(|run| run.len() > 15);
    let mut pairs = random_pairs(30_000);
    pairs.retain(|(left, right)| !is_long(left) && !is_long(right));
    pairs.truncate(10_000);
    assert_eq!(pairs.len(), 10_000);
    let input: String = pairs.iter().map(|(left, right)| format!("{left} {right}\n")).collect();
    let Some(answers) = perl(SCRIPT, &input) else {
        eprintln!("SKIPPED: perl with Dpkg::Version (package libdpkg-perl) is not installed");
        return;
    };
    assert_eq!(answers.lines().count(), pairs.len());
    for ((left, right), answer) in pairs.iter().zip(answers.lines()) {
        assert_eq!(word(version(left).cmp(&version(right))), answer, "{left} {right}");
    }
}

/// What `script` answers to `input`; `None` where perl or the module is missing.
fn perl(script: &str, input: &str) -> Option<String> {
    let input_file = tempfile::tempfile().and_then(|mut file| {
        file.write_all(input.as_bytes())?;
        std::io::Seek::rewind(&mut file)?;
        Ok(file)
    });
    let output = Command::new("perl").args(["-e", script]).stdin(input_file.unwrap()).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

proptest! {
    #[test]
    fn the_order_is_total(one in pairs(), two in pairs()) {
        let (a, b, c) = (version(&one.0), version(&one.1), version(&two.0));
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
    }

    #[test]
    fn no_input_panics(text in "\\PC{0,20}|[0-9:~a+.-]{0,12}") {
        if let Ok(version) = Version::parse(&text) {
            prop_assert_eq!(version.to_string(), text);
        }
    }
}
