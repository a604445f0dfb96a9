//! The grammar of references, as the distribution project writes it down (`reference/regexp.go`), and the
//! completion of short names that Docker taught everybody.
//!
//! Written by hand: compiling the one large regular expression of `oci-client` takes longer than verifying
//! a hundred megabytes. Tests compare the two.

const HUB: &str = "docker.io";

/// Another name of Docker Hub, found in old configurations.
const OLD_HUB: &str = "index.docker.io";

/// Most characters of a repository.
pub(crate) const LONGEST_REPOSITORY: usize = 255;

/// Most characters of a tag.
const LONGEST_TAG: usize = 128;

/// A reference without its digest, taken apart and completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) host: String,
    pub(super) repository: String,
    pub(super) tag: Option<String>,
}

/// Takes `host/repository:tag` apart; host and tag may be absent. The error is the reason.
pub(super) fn parse(text: &str) -> Result<Parts, &'static str> {
    const INVALID: &str = "invalid reference format";
    let last_slash = text.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match text[last_slash..].split_once(':') {
        Some((end, tag)) => (&text[..last_slash + end.len()], Some(tag)),
        None => (text, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err(INVALID);
    }
    let (host, path) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => (HUB, name),
    };
    if !is_host(host) || !path.split('/').all(is_element) {
        return Err(INVALID);
    }
    let host = if host == OLD_HUB { HUB } else { host };
    let short = host == HUB && !path.contains('/');
    let repository = if short { format!("library/{path}") } else { path.to_owned() };
    if repository.len() > LONGEST_REPOSITORY {
        return Err("repository name must not be more than 255 characters");
    }
    Ok(Parts { host: host.to_owned(), repository, tag: tag.map(str::to_owned) })
}

/// `[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}`
pub(crate) fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|first| word(*first))
        && bytes.len() <= LONGEST_TAG
        && bytes.iter().all(|byte| word(*byte) || matches!(byte, b'.' | b'-'))
}

/// Labels of letters, digits and inner hyphens, joined by dots; then a port, if any.
pub(crate) fn is_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    port.is_none_or(is_port) && name.split('.').all(is_label)
}

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !text.is_empty() && !text.starts_with('-') && !text.ends_with('-') && text.bytes().all(inner)
}

/// Words of lower case letters and digits, joined by `.`, `_`, `__` or any number of `-`.
pub(crate) fn is_element(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let bounded =
        bytes.first().is_some_and(|byte| is_word(*byte)) && bytes.last().is_some_and(|byte| is_word(*byte));
    let separators = bytes.split(|byte| is_word(*byte)).filter(|separator| !separator.is_empty());
    bounded && separators.into_iter().all(is_separator)
}

fn is_separator(bytes: &[u8]) -> bool {
    matches!(bytes, b"." | b"_" | b"__") || bytes.iter().all(|byte| *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of_oci_client(text: &str) -> Option<Parts> {
        let reference: oci_client::Reference = text.parse().ok()?;
        // It takes `A/b` for a host while matching, and for a repository afterwards, whose names it would
        // refuse otherwise.
        if !reference.repository().split('/').all(is_element) {
            return None;
        }
        let has_tag = text[text.rfind('/').unwrap_or(0)..].contains(':');
        Some(Parts {
            host: reference.registry().to_owned(),
            repository: reference.repository().to_owned(),
            // The other parser makes up `latest`.
            tag: reference.tag().filter(|_| has_tag).map(str::to_owned),
        })
    }

    #[test]
    fn known_cases_agree_with_the_reference_parser() {
        for text in [
            "a",
            "a:b",
            "a/b:c",
            "localhost/a",
            "localhost:5000/a:1",
            "A.b/c:1",
            "a.b:1/c",
            "a_b",
            "a__b",
            "a___b",
            "a--b",
            "a-",
            "-a",
            "a..b",
            "a/",
            "/a",
            "a//b",
            "a:",
            "a:-b",
            "index.docker.io/a:1",
            "docker.io/a/b:1",
            "a.-b/c",
            "x.y:/c",
            "a.b:1x/c",
            "a:b:c",
            "",
            "a/B:1",
            "ä:1",
        ] {
            assert_eq!(parse(text).ok(), of_oci_client(text), "{text}");
        }
        let (long, longer) = ("a".repeat(247), "a".repeat(248));
        for name in [long, longer] {
            assert_eq!(parse(&name).ok(), of_oci_client(&name), "{}", name.len());
        }
    }

    proptest! {
        #[test]
        fn anything_agrees_with_the_reference_parser(text in "[aA0._:/-]{0,14}") {
            prop_assert_eq!(parse(&text).ok(), of_oci_client(&text));
        }
    }
}
