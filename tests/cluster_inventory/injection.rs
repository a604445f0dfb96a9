//! Attempts to smuggle options, commands and control characters through every field of both formats.

use crate::inventory_fields::{INI, YAML};
use crate::{ansible, rendered, yaml};

/// What must get into no argument, file or terminal.
const ATTEMPTS: [&str; 16] = [
    "-oProxyCommand=touch${IFS}x",
    "--option",
    "a;reboot",
    "`reboot`",
    "$(reboot)",
    "a\\nb",
    "a\\u001b[2J",
    "a\\u202eb",
    "a b",
    "a'b",
    "a\\\"b",
    "a|b",
    "a&b",
    "a>b",
    "../../etc/x y",
    "%h",
];

fn assert_refused(what: &str, result: Result<airlock::spec::cluster::Read, airlock::error::Error>) {
    let error = match result {
        Err(error) => error,
        Ok(read) => panic!("{what} is accepted: {:?}", read.inventory),
    };
    assert_eq!(error.kind().exit_status(), 3, "{what}: {error}");
    let shown = rendered(&error);
    assert!(shown.chars().all(|character| character == '\n' || !character.is_control()), "{what}: {shown:?}");
    assert!(!shown.contains('\u{202e}'), "{what}: {shown:?}");
}

#[test]
fn no_field_of_yaml_lets_anything_through() {
    for field in YAML {
        for attempt in ATTEMPTS {
            // Harmless where it stands: a path that begins with dots is one, a `%` begins nothing in these.
            let body = field.replace('X', &format!("\"{attempt}\""));
            assert_refused(&body, yaml(&body));
        }
    }
}

#[test]
fn no_variable_of_an_inventory_lets_anything_through() {
    for variable in INI {
        for attempt in ATTEMPTS {
            let attempt =
                attempt.replace("\\n", "\n").replace("\\u001b", "\u{1b}").replace("\\u202e", "\u{202e}");
            let attempt = attempt.replace("\\\"", "\"");
            if attempt.contains(['\n', '\u{1b}']) {
                let text = format!("[master]\na {variable}='{attempt}'\n");
                assert_refused(&text, ansible(&text));
                continue;
            }
            // Words that are lists already: two of them are two words, and both are fine.
            let is_list = matches!(variable, "tls_san" | "k3s_disable" | "label" | "taints");
            if is_list && attempt == "a b" && !matches!(variable, "label" | "taints") {
                continue;
            }
            let text = format!("[master]\na vip=10.0.0.9 {variable}=\"{}\"\n", attempt.replace('"', "\\\""));
            let text = if variable == "vip" { text.replace("vip=10.0.0.9 ", "") } else { text };
            assert_refused(&text, ansible(&text));
        }
    }
}

#[test]
fn names_of_hosts_let_nothing_through() {
    for name in ["-oProxyCommand=x", "a;b", "`a`", "$(a)", "a'b'c;", "\"a b\"", "a|b", "ä", "a/b", "%h"] {
        let text = format!("[master]\n{name}\n");
        assert_refused(&text, ansible(&text));
    }
}
