//! Pattern lists as OpenSSH has them (ssh_config(5), "PATTERNS"): `*`, `?`, commas, `!` to exclude.

/// Whether `text` matches one pattern of the list and none that begins with `!`.
pub(super) fn list_matches(list: &str, text: &str) -> bool {
    let mut matched = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(excluded) if matches(excluded, text) => return false,
            Some(_) => {}
            None => matched |= matches(pattern, text),
        }
    }
    matched
}

/// Whether the whole of `text` matches `pattern`. Takes time in proportion to the product of their lengths.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut position) = (0, 0);
    // Where to go on when the last star has to take one more byte.
    let mut retry = None;
    while position < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at + 1, position));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[position] => {
                at += 1;
                position += 1;
            }
            _ => {
                let Some((after_star, start)) = retry else { return false };
                retry = Some((after_star, start + 1));
                (at, position) = (after_star, start + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_match_as_in_openssh() {
        for (list, text, expected) in [
            ("airlock.*", "airlock.manifest.v1", true),
            ("*", "", true),
            ("git,airlock.manifest.v1", "airlock.manifest.v1", true),
            ("git", "airlock.manifest.v1", false),
            ("!airlock.sha256.v1,*", "airlock.sha256.v1", false),
            ("*,!airlock.sha256.v1", "airlock.manifest.v1", true),
            ("!git", "file", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*.v1*x", "a.v1.v1x", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(list_matches(list, text), expected, "{list} {text}");
        }
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        assert!(!matches(&"*a".repeat(200), &"a".repeat(199)));
    }

    proptest! {
        #[test]
        fn a_text_matches_itself_and_the_star(text in "[a-z.]{0,20}") {
            prop_assert!(matches(&text, &text));
            prop_assert!(matches("*", &text));
            let pattern = format!("{text}?");
            prop_assert!(!matches(&pattern, &text));
        }
    }
}
