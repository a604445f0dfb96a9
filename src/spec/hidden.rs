//! Where an inventory holds passwords and tokens, so that no snippet of an error shows them.
//!
//! The file may be broken just there, so nothing but lines and names of keys is relied upon, and rather too much
//! is hidden than too little: all that follows on the line.

use std::ops::Range;

/// Parts of names whose values are secrets.
const SECRET_WORDS: [&str; 4] = ["pass", "token", "secret", "credential"];

/// The bytes after every `=` or `:` that follows a name such as `ansible_become_pass` or `token`, to the end of the
/// line; and the lines below it that are indented more, as YAML continues a value.
pub(super) fn secret_values(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut continued: Option<usize> = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end();
        let indentation = content.len() - content.trim_start().len();
        if continued.is_some_and(|above| indentation > above || content.is_empty()) {
            found.push(start..start + content.len());
        } else if let Some(offset) = secret_value(content) {
            found.push(start + offset..start + content.len());
            continued = Some(indentation);
        } else {
            continued = None;
        }
        start += line.len();
    }
    found
}

/// Where the value of the first secret of a line begins.
fn secret_value(line: &str) -> Option<usize> {
    let separators = line.match_indices(['=', ':']).map(|(at, _)| at);
    separators.filter(|at| is_secret_name(last_word(&line[..*at]))).map(|at| at + 1).next()
}

fn last_word(text: &str) -> &str {
    let text = text.trim_end().trim_end_matches(['"', '\'']);
    let is_part = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-');
    text.rsplit(|character| !is_part(character)).next().unwrap_or_default()
}

/// Whether the value of a key is a secret. The path of a file is none.
pub(super) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word)) && !name.ends_with("file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_in_broken_lines_too() {
        for text in [
            "a ansible_become_pass=hunter2",
            "a ansible_become_pass='hunter2 b=c",
            "[all:vars]\nconvect_token = hunter2",
            "  token: hunter2",
            "servers: [{name: a, \"sudoPassword\": hunter2}]",
            "token: |\n  hunter2\n\n  hunter2\nx: y",
            "password:\n - hunter2",
        ] {
            let mut shown = text.to_owned();
            for range in secret_values(text).into_iter().rev() {
                shown.replace_range(range, "");
            }
            assert!(!shown.contains("hunter2"), "{text}: {shown}");
        }
        for text in ["tokenFile: secrets/t", "a ansible_user=b my_iface=eth1", "sudoPasswordFile: p"] {
            assert!(secret_values(text).is_empty(), "{text}");
        }
    }
}
