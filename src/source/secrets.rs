//! Secrets never travel: finds private keys and the like in files that would go into a bundle.

/// How much of a file is looked at, in bytes. Keys, tokens and kubeconfigs are small.
pub const LOOK_AT: usize = 1 << 20;

/// What kind of secret the beginning of a file shows, in words for a message; `None` for none.
pub fn find(head: &[u8]) -> Option<&'static str> {
    if has_private_key(head) {
        Some("a private key")
    } else if contains(head, b"client-key-data:") || is_token_kubeconfig(head) {
        Some("a kubeconfig with credentials")
    } else if has_cluster_token(head) {
        Some("a k3s join token")
    } else {
        None
    }
}

/// PEM and OpenPGP armor: `-----BEGIN [...] PRIVATE KEY[ BLOCK]-----` (RFC 7468, RFC 9580).
fn has_private_key(head: &[u8]) -> bool {
    positions(head, b"-----BEGIN ").any(|start| {
        let line = head[start..].split(|byte| *byte == b'\n').next().unwrap_or_default();
        contains(line, b"PRIVATE KEY-----") || contains(line, b"PRIVATE KEY BLOCK-----")
    })
}

fn is_token_kubeconfig(head: &[u8]) -> bool {
    contains(head, b"kind: Config") && contains(head, b"users:") && contains(head, b"token:")
}

/// `K10<64 hex digits>::` begins every full k3s token.
fn has_cluster_token(head: &[u8]) -> bool {
    positions(head, b"K10").any(|start| {
        let rest = &head[start + 3..];
        rest.len() > 66 && rest[..64].iter().all(u8::is_ascii_hexdigit) && rest[64..].starts_with(b"::")
    })
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    positions(haystack, needle).next().is_some()
}

/// Every offset at which `needle` begins. Skips from one first byte to the next.
fn positions<'a>(haystack: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let mut from = 0;
    std::iter::from_fn(move || {
        while let Some(step) = haystack[from..].iter().position(|byte| *byte == needle[0]) {
            let start = from + step;
            from = start + 1;
            if haystack[start..].starts_with(needle) {
                return Some(start);
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_recognised() {
        let token = format!("K10{}::server:abcdef\n", "a1".repeat(32));
        for (text, kind) in [
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n", "a private key"),
            ("text before\n-----BEGIN RSA PRIVATE KEY-----\n", "a private key"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "a private key"),
            ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "a private key"),
            ("users:\n- user:\n    client-key-data: LS0t\n", "a kubeconfig with credentials"),
            ("kind: Config\nusers:\n- user:\n    token: abc\n", "a kubeconfig with credentials"),
            (token.as_str(), "a k3s join token"),
        ] {
            assert_eq!(find(text.as_bytes()), Some(kind), "{text}");
        }
    }

    #[test]
    fn ordinary_files_are_let_through() {
        let almost = format!("K10{}:server", "a1".repeat(32));
        for text in [
            "",
            "-----BEGIN CERTIFICATE-----\n",
            "-----BEGIN PUBLIC KEY-----\nPRIVATE KEY-----",
            "kind: ConfigMap\n",
            "K10",
            &almost,
        ] {
            assert_eq!(find(text.as_bytes()), None, "{text}");
        }
    }
}
