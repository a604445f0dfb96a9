//! The grammar of relationship fields: examples, refusals, round trip.

use proptest::prelude::*;

use super::*;
use crate::error::codes;

fn printed(groups: &[AnyOf<'_>]) -> String {
    groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_real_field_is_understood() {
    let field = "libc6 (>= 2.34), default-mta | mail-transport-agent,\n python3:any (>= 3.9~),perl:native|perl:amd64(=5.36)";
    let groups = parse(field).unwrap();
    let alternatives: Vec<usize> = groups.iter().map(|group| group.alternatives.len()).collect();
    assert_eq!(alternatives, [1, 2, 1, 2]);
    assert_eq!(groups[2].alternatives[0].qualifier, Some(Qualifier::Any));
    assert_eq!(groups[3].alternatives[1].qualifier, Some(Qualifier::Architecture("amd64")));
    assert_eq!(
        printed(&groups),
        "libc6 (>= 2.34), default-mta | mail-transport-agent, python3:any (>= 3.9~), perl:native | perl:amd64 (= 5.36)"
    );
}

#[test]
fn operators_accept_what_they_say() {
    let [earlier, equal, later] = ["1.0~rc1", "1.0", "1.0-1"].map(|text| Version::parse(text).unwrap());
    for (operator, accepted) in [
        ("<<", [true, false, false]),
        ("<=", [true, true, false]),
        ("<", [true, true, false]),
        ("=", [false, true, false]),
        (">=", [false, true, true]),
        (">", [false, true, true]),
        (">>", [false, false, true]),
    ] {
        let field = format!("a ({operator} 1.0)");
        let constraint = parse(&field).unwrap()[0].alternatives[0].constraint.unwrap();
        assert_eq!(
            [earlier, equal, later].map(|version| constraint.accepts(&version)),
            accepted,
            "{operator}"
        );
    }
}

#[test]
fn empty_fields_and_spare_commas_relate_to_nothing() {
    for field in ["", " ", ",", " , ,\n ,"] {
        assert_eq!(parse(field).unwrap(), []);
        assert_eq!(parse_provides(field).unwrap(), []);
    }
    assert_eq!(printed(&parse(",a, b,").unwrap()), "a, b");
}

#[test]
fn only_equal_provides() {
    let provided = parse_provides("awk, libfoo (= 1:2.0), bar (>= 3), baz:any (=1)").unwrap();
    let shown: Vec<_> =
        provided.iter().map(|entry| (entry.name, entry.version.map(|version| version.as_str()))).collect();
    assert_eq!(shown, [("awk", None), ("libfoo", Some("1:2.0")), ("baz", Some("1"))]);
    assert!(parse_provides("a | b").is_err());
}

#[test]
fn what_dpkg_refuses_is_refused() {
    for field in [
        "a (>= 1",
        "a (>= )",
        "a ()",
        "a (=> 1)",
        "a (>= 1) b",
        "a b",
        "a |",
        "| a",
        "(>= 1)",
        "a:",
        "a: (>= 1)",
        "a [amd64]",
        "a <!nocheck>",
        "a (>= 1 2)",
        "a (>= 1_2)",
        "-a",
        "a\u{1b}[31m",
        "\u{e9}",
        "a (>= 1))",
    ] {
        let error = parse(field).expect_err(field);
        assert_eq!(error.code(), codes::DEBIAN_RELATION, "{field}");
        assert!(error.help().is_some() && !error.message().contains('\u{1b}'), "{field}");
    }
}

fn relation() -> impl Strategy<Value = String> {
    let qualifier = prop_oneof![3 => Just(""), 1 => Just(":any"), 1 => Just(":native"), 1 => Just(":arm64")];
    let constraint = prop_oneof![
        Just(String::new()),
        ("<<|<=|=|>=|>>", "([0-9]:)?[0-9]{1,2}[a-z~+.]{0,3}[0-9](-[0-9a-z~]{1,3})?")
            .prop_map(|(operator, version)| format!(" ({operator} {version})"))
    ];
    ("[a-z0-9][a-z0-9+.-]{1,8}", qualifier, constraint)
        .prop_map(|(name, qualifier, constraint)| name + qualifier + &constraint)
}

proptest! {
    #[test]
    fn printing_and_reading_agree(
        groups in prop::collection::vec(prop::collection::vec(relation(), 1..4), 0..6)
    ) {
        let field = groups.iter().map(|group| group.join(" | ")).collect::<Vec<_>>().join(", ");
        let parsed = parse(&field).unwrap();
        prop_assert_eq!(printed(&parsed), field.clone());
        let loose = field.replace(", ", " ,\n\t").replace(" | ", "|").replace('(', "  ( ").replace(')', " )");
        prop_assert_eq!(parse(&loose).unwrap(), parsed);
    }

    #[test]
    fn no_input_panics(field in "\\PC{0,30}|[ab:(),|<>=\\[ 1.-]{0,20}") {
        let _ = parse(&field);
        let _ = parse_provides(&field);
    }
}
