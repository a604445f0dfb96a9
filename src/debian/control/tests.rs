//! Stanzas and fields: verbatim, in order, with their places.

use proptest::prelude::*;

use super::*;

fn all(text: &str) -> Vec<Stanza<'_>> {
    stanzas(text.as_bytes()).collect::<Result<_>>().unwrap()
}

#[test]
fn stanzas_keep_their_bytes_and_places() {
    let text =
        "\n\nPackage: a\nDescription: one\n two\n .\n\tthree\n\n\n\nPackage: b\r\nSize: 1\r\n\r\nPackage: c";
    let stanzas = all(text);
    assert_eq!(stanzas.len(), 3);
    for stanza in &stanzas {
        let end = stanza.offset() + stanza.text().len();
        assert_eq!(&text.as_bytes()[stanza.offset()..end], stanza.text());
    }
    assert_eq!(stanzas[0].text(), b"Package: a\nDescription: one\n two\n .\n\tthree\n");
    assert_eq!(stanzas[0].field("description").unwrap(), Some(&b"one\n two\n .\n\tthree"[..]));
    assert_eq!(stanzas[1].field("Package").unwrap(), Some(&b"b"[..]));
    assert_eq!(stanzas[2].text(), b"Package: c");
    assert_eq!(stanzas[2].field("Size").unwrap(), None);
}

#[test]
fn a_line_of_spaces_continues_a_field_as_in_apt() {
    let stanzas = all("Package: a\nDescription: one\n \nSize: 1\n");
    assert_eq!(stanzas.len(), 1);
    assert_eq!(stanzas[0].field("Size").unwrap(), Some(&b"1"[..]));
}

#[test]
fn lines_that_are_no_fields_are_refused() {
    for text in [
        "<html>\n",
        " a: b\n",
        "Package\n",
        ": a\n",
        "Pack age: a\n",
        "A: b\nPackage\u{1b}[1m: a",
        "A: b\n\u{e9}: a",
    ] {
        let error = all(text)[0].fields().find_map(Result::err).expect(text);
        assert_eq!(error.code(), codes::DEBIAN_CONTROL);
        assert!(error.help().is_some() && error.message().is_ascii() && !error.message().contains('\u{1b}'));
    }
}

#[test]
fn a_stanza_without_end_is_refused() {
    let text = ["Package: a\n".to_owned(), " x\n".repeat(LARGEST_STANZA / 3)].concat();
    let mut stanzas = stanzas(text.as_bytes());
    assert!(stanzas.next().unwrap().is_err());
    assert!(stanzas.next().is_none());
}

proptest! {
    #[test]
    fn pieces_give_the_same_stanzas(text in "[ab:\n\r ]{0,60}", size in 0_usize..20) {
        let whole: Vec<Stanza<'_>> = stanzas(text.as_bytes()).collect::<Result<_>>().unwrap();
        let pieces = stanzas_by_pieces(text.as_bytes(), size);
        let parts: Vec<Stanza<'_>> = pieces.into_iter().flatten().collect::<Result<_>>().unwrap();
        prop_assert_eq!(parts, whole);
    }

    #[test]
    fn what_is_written_is_read(
        written in prop::collection::vec(
            prop::collection::vec(("[A-Za-z][A-Za-z-]{0,9}", "[a-z0-9:]{1,9}(\n [a-z0-9:]{1,9}){0,2}"), 1..5), 0..5)
    ) {
        let stanza = |fields: &Vec<(String, String)>| -> String {
            fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
        };
        let text = written.iter().map(stanza).collect::<Vec<_>>().join("\n");
        let read: Vec<Vec<(String, String)>> = all(&text)
            .iter()
            .map(|stanza| {
                let field = |field: Result<Field<'_>>| {
                    let Field { name, value, .. } = field.unwrap();
                    (String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value).into_owned())
                };
                stanza.fields().map(field).collect()
            })
            .collect();
        prop_assert_eq!(read, written);
    }

    #[test]
    fn no_input_panics(text in prop::collection::vec(prop::sample::select(&b"a: \n\r\t\x00\xff"[..]), 0..40)) {
        for stanza in stanzas(&text).flatten() {
            let _ = stanza.fields().count();
        }
    }
}
