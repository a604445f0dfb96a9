//! Where the files of a repository lie: `URIs` and `Suites` of sources.list(5), pooled and flat.

use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// A suite at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    base: String,
    directory: String,
    is_flat: bool,
}

impl Suite {
    /// The suite `name` of the repository at `uri`, in which `$(ARCH)` stands for `architecture`. A name that ends
    /// in `/` is the directory of a flat repository: one without components, all in one place.
    ///
    /// # Errors
    /// [`codes::DEBIAN_LOCATION`] if one of them cannot be part of a URL.
    pub fn new(uri: &str, name: &str, architecture: &str) -> Result<Self> {
        let fits = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let inside = !name.starts_with("//") && name.split('/').all(|part| part != "..");
        if !uri.contains("://") || name.is_empty() || !inside || !fits(uri) || !fits(name) {
            let message = format!("`{} {}` is no repository and suite", quote(uri), quote(name));
            return Err(Error::new(codes::DEBIAN_LOCATION, message).with_help(
                "write the URL of a repository and a suite such as `bookworm`; that of a flat repository ends in `/`, best `./`",
            ));
        }
        let substituted = |text: &str| text.replace("$(ARCH)", architecture);
        let base = substituted(uri).trim_end_matches('/').to_owned() + "/";
        let is_flat = name.ends_with('/');
        let directory = if is_flat { flat_directory(&substituted(name)) } else { format!("dists/{name}/") };
        Ok(Suite { base, directory, is_flat })
    }

    /// Whether it has no components.
    pub fn is_flat(&self) -> bool {
        self.is_flat
    }

    /// The URL of a file of metadata, such as `InRelease` or the path of an index file.
    pub fn metadata_url(&self, path: &str) -> String {
        format!("{}{}{}", self.base, self.directory, quoted(path))
    }

    /// The URL of a `.deb` by the `Filename` in its description. Also in a flat repository it is relative to the
    /// URI, not to the directory of the suite.
    pub fn archive_url(&self, filename: &str) -> String {
        format!("{}{}", self.base, quoted(filename.trim_start_matches("./")))
    }
}

/// The directory of a flat repository without the parts that mean nothing.
fn flat_directory(name: &str) -> String {
    let parts = name.split('/').filter(|part| !part.is_empty() && *part != ".");
    parts.map(|part| format!("{part}/")).collect()
}

/// A path as part of a URL. `+` is quoted too: object stores behind some repositories take it for a space.
fn quoted(path: &str) -> String {
    path.bytes().fold(String::with_capacity(path.len()), |mut url, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/:,=@".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
        url
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(uri: &str, suite: &str) -> [String; 2] {
        let suite = Suite::new(uri, suite, "amd64").unwrap();
        [suite.metadata_url("InRelease"), suite.archive_url("./pool/g/g++_12%3a1~a_amd64.deb")]
    }

    #[test]
    fn pooled_and_flat_repositories_are_laid_out_as_apt_expects() {
        let base = "https://example.com/debian";
        let archive = format!("{base}/pool/g/g%2B%2B_12%253a1~a_amd64.deb");
        for (suite, metadata) in [
            ("bookworm", "dists/bookworm/InRelease"),
            ("bookworm-security/updates", "dists/bookworm-security/updates/InRelease"),
            ("./", "InRelease"),
            ("/", "InRelease"),
            ("sub/", "sub/InRelease"),
            ("./$(ARCH)/", "amd64/InRelease"),
        ] {
            assert_eq!(urls(base, suite), [format!("{base}/{metadata}"), archive.clone()], "{suite}");
            assert_eq!(urls(&format!("{base}/"), suite), urls(base, suite));
        }
        let toolkit = Suite::new("https://example.com/stable/deb/$(ARCH)", "/", "arm64").unwrap();
        assert_eq!(toolkit.metadata_url("InRelease"), "https://example.com/stable/deb/arm64/InRelease");
        assert!(toolkit.is_flat());
    }

    #[test]
    fn what_cannot_be_a_url_is_refused() {
        for (uri, suite) in [
            ("example.com", "a"),
            ("https://example.com/a b", "a"),
            ("https://example.com", ""),
            ("https://example.com", "../a"),
            ("https://example.com", "a\n"),
            ("https://example.com", "//other.example.com/"),
        ] {
            let error = Suite::new(uri, suite, "amd64").expect_err(suite);
            assert_eq!(error.code(), codes::DEBIAN_LOCATION);
            assert!(error.help().is_some() && !error.message().contains('\n'));
        }
    }
}
