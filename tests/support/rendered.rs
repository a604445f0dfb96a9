//! Errors about files as text, for tests that look at them.

use airlock::error::Error;

/// All fields of an error as text, the underline drawn below its line.
pub fn rendered(error: &Error) -> String {
    let mut text = format!("error[{}]: {}", error.code(), error.message());
    if let Some(location) = error.location() {
        text += &format!(" ({}:{}:{})\n", location.file, location.line, location.column);
        let snippet = location.snippet.as_ref().expect("a place in a file comes with a snippet");
        let mut offset = 0;
        for (number, line) in (snippet.first_line..).zip(snippet.text.split('\n')) {
            text += &format!("{number:3} | {line}\n");
            if (offset..=offset + line.len()).contains(&snippet.span.start) {
                let start = snippet.span.start - offset;
                let indent = line[..start].chars().count();
                let length = line[start..snippet.span.end - offset].chars().count().max(1);
                text += &format!("    | {}{} {}", " ".repeat(indent), "^".repeat(length), snippet.label);
                text = text.trim_end().to_owned() + "\n";
            }
            offset += line.len() + 1;
        }
    } else {
        text.push('\n');
    }
    for detail in error.details() {
        text += &format!("note: {detail}\n");
    }
    text + &format!("help: {}\n", error.help().expect("an error about a file says what to do"))
}
