//! `airlock cluster ping`, against hosts of every kind.

use std::net::TcpListener;

use serde_json::json;

use crate::server::{Site, code, free_port, is_possible};

#[test]
fn hosts_that_can_be_worked_on_and_hosts_that_cannot() {
    if !is_possible() {
        return;
    }
    let site = Site::new();
    let (good, unknown, refusing) =
        (site.server(), site.server(), site.server_at(free_port(), "AllowUsers nobody"));
    let (pinned, other) = (site.server(), site.server());
    let shell_less = site.server_at(free_port(), "ForceCommand echo This account is not available; exit 1");
    for server in [&good, &refusing, &shell_less] {
        site.trust(server);
    }
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let right = format!("hostKeys: [\"{}\"]", pinned.fingerprint);
    let wrong = format!("hostKeys: [\"{}\"]", pinned.fingerprint);
    site.inventory(&[
        ("good", good.port, ""),
        ("unknown", unknown.port, ""),
        ("refusing", refusing.port, ""),
        ("pinned", pinned.port, &right),
        ("other", other.port, &wrong),
        ("dead", free_port(), ""),
        ("silent", silent.local_addr().unwrap().port(), ""),
        ("shell-less", shell_less.port, ""),
        ("keyless", good.port, &format!("identityFile: {}", site.text("missing"))),
    ]);
    let (status, rows, output) = site.ping(&[]);
    assert_eq!(status, 9, "{}", String::from_utf8_lossy(&output.stderr));
    let told: Vec<_> = rows.iter().map(|row| (row["name"].as_str().unwrap(), code(row))).collect();
    let expected = [
        ("good", "none"),
        ("unknown", "E1125"),
        ("refusing", "E1127"),
        ("pinned", "none"),
        ("other", "E1126"),
        ("dead", "E1123"),
        ("silent", "E1123"),
        ("shell-less", "E1130"),
        ("keyless", "E1128"),
    ];
    assert_eq!(told, expected, "{rows:#?}");
    assert!(rows[0]["clockAhead"].as_f64().unwrap().abs() < 10.0);
    let details = rows[1]["error"]["details"].to_string();
    assert!(
        details.contains(&unknown.fingerprint) && details.contains(&format!("[127.0.0.1]:{}", unknown.port)),
        "{details}"
    );
    assert_eq!((&rows[2]["reachable"], &rows[2]["login"]), (&json!(true), &json!(false)));
    assert!(site.has_no_connection_left());
}

#[test]
fn a_changed_key_stops_the_host_with_both_fingerprints() {
    if !is_possible() {
        return;
    }
    let site = Site::new();
    let old = site.server();
    site.trust(&old);
    let (port, fingerprint) = (old.port, old.fingerprint.clone());
    drop(old);
    let new = site.server_at(port, "");
    site.inventory(&[("node1", port, "")]);
    let (status, rows, _) = site.ping(&[]);
    assert_eq!((status, code(&rows[0])), (9, "E1126"));
    let error = rows[0]["error"].to_string();
    for word in [&fingerprint, &new.fingerprint, &site.text("known_hosts")] {
        assert!(error.contains(word), "{word} in {error}");
    }
}
