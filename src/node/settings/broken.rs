//! Settings that are no JSON, or not what was expected: where, and the way out.

use super::PATH;
use crate::error::{Error, Location, Snippet, codes};

/// Longest line that is shown, in bytes.
const LONGEST: usize = 200;

/// The error at the place where reading `json` of `file` ended.
pub(super) fn error(json: &[u8], file: &str, cause: serde_json::Error) -> Error {
    let help = match file {
        PATH => format!(
            "move it away, `mv {PATH} {PATH}.old`, and run `airlock install` with all its options again; the node stays \
             as it is"
        ),
        _ => "correct it; bundle-spec/settings.md says what may stand there".to_owned(),
    };
    let message = "the settings of the node cannot be understood";
    let location = location(json, file, cause.line(), cause.column());
    Error::new(codes::NODE_SETTINGS, message).with_location(location).with_help(help).with_source(cause)
}

/// serde_json counts columns in bytes; a file that ends too soon has its place behind the last byte.
fn location(json: &[u8], file: &str, line: usize, column: usize) -> Location {
    let line = line.max(1);
    let text = json.split(|&byte| byte == b'\n').nth(line - 1).unwrap_or_default();
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= LONGEST);
    let before = text.map(|text| text.get(..column.saturating_sub(1)).unwrap_or(text));
    let snippet = text.zip(before).map(|(text, before)| {
        let end = before.len() + text[before.len()..].chars().next().map_or(0, char::len_utf8);
        Snippet { text: text.to_owned(), first_line: line, span: before.len()..end, label: String::new() }
    });
    let column = before.map_or(column, |before| before.chars().count() + 1);
    Location { file: file.to_owned(), line, column, snippet }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;

    #[test]
    fn the_place_is_told_and_the_way_out() {
        let error = Settings::parse_file(b"{\n  \"role\": \"serfer\"\n}\n", "node.json").unwrap_err();
        let place = error.location().unwrap();
        assert_eq!((place.file.as_str(), place.line, place.column), ("node.json", 2, 18));
        assert!(error.help().unwrap().contains("settings.md"));
        let error = Settings::parse(b"{\"role\": ").unwrap_err();
        assert!(error.help().unwrap().contains("mv /var/lib/airlock/settings.json "));
        assert_eq!(error.kind().exit_status(), 3);
    }

    #[test]
    fn whatever_is_read_the_place_lies_in_it() {
        for json in
            [&b""[..], b"\xff", b"{\n", "{\"ä\": 1}".as_bytes(), &[b' '; 5000], b"{\"role\": \"\xc3\xa4\" x}"]
        {
            let error = Settings::parse_file(json, "node.json").unwrap_err();
            let place = error.location().unwrap();
            assert!(place.line > 0);
            if let Some(snippet) = &place.snippet {
                assert!(snippet.text.get(snippet.span.clone()).is_some());
            }
        }
    }
}
