//! How things that others chose are shown in messages: without control characters, secrets and endless length.

use reqwest::Url;

use crate::quote::shorten;

/// Longest foreign text repeated in a message, in characters.
const LONGEST: usize = 200;

/// `text` on one line, control characters escaped, cut at 200 characters.
pub(crate) fn printable(text: &str) -> String {
    shorten(text.trim(), LONGEST)
}

/// `url` without user, query and fragment: signed URLs carry their secret in the query.
pub(crate) fn url(url: &Url) -> String {
    let mut shown = url.clone();
    // Both only fail for URLs that cannot have a user, which then have nothing to hide.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    printable(shown.as_str())
}

/// `host` or `host:port`, as image references and settings name a server.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_move_the_cursor_or_fill_the_screen() {
        assert_eq!(printable("a\u{1b}[2J\r\nb\u{202e}"), "a\\u{1b}[2J\\r\\nb\\u{202e}");
        assert_eq!(printable(&"é".repeat(300)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn urls_are_shown_without_their_secrets() {
        let secret = Url::parse("https://user:hunter2@host:8443/a/b?signature=hunter2#x").unwrap();
        assert_eq!(url(&secret), "https://host:8443/a/b");
        assert_eq!(authority(&secret), "host:8443");
    }
}
