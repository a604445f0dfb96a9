//! The bundles by which clusters are made and upgraded: what the tests of clusters rely on.

use crate::stick::{Stick, VIP_PACKAGES};

#[test]
#[ignore = "builds bundles; started by scripts/test"]
fn editions_have_rising_serials_and_the_releases_of_k3s_that_they_name() {
    let Some(sticks) = Stick::for_clusters() else { return };
    let serials =
        sticks.iter().zip(["v1.36.3+k3s1", "v1.37.1+k3s1", "v1.39.0+k3s1"]).map(|(stick, release)| {
            let shown = stick.inspect();
            let text = shown.to_string();
            assert!(text.contains(release), "{text}");
            assert!(VIP_PACKAGES.iter().all(|package| text.contains(&format!("\"{package}\""))), "{text}");
            shown["serial"].as_u64().unwrap()
        });
    assert_eq!(serials.collect::<Vec<_>>(), [1, 2, 3]);
}
