//! The repositories of a target, in the order of a list of sources: the archive of the distribution, then those
//! the spec adds.

use super::Bench;
use super::keys;
use super::machine::Known;
use super::release::{Family, Release, is_security};
use crate::debian::openpgp::Keyring;
use crate::error::{Error, Result, codes};
use crate::spec::apt::{Archive, Target};

/// One suite of one repository.
#[derive(Clone, Debug)]
pub(super) struct Upstream {
    /// Where the repository is; may contain `$(ARCH)`.
    pub(super) uri: String,
    pub(super) suite: String,
    pub(super) components: Vec<String>,
    /// Belongs to the archive of the distribution, whose suites are called as they call themselves.
    pub(super) is_archive: bool,
    pub(super) keyring: Keyring,
    /// Use it although its `Release` has expired.
    pub(super) allow_expired: bool,
    /// Patterns of the only packages that are taken; empty for all.
    pub(super) only: Vec<String>,
    /// Where the spec asks for it, for errors.
    pub(super) line: usize,
}

/// All suites of all repositories of `target`.
pub(super) async fn all(bench: &Bench<'_>, target: &Target, release: &Release) -> Result<Vec<Upstream>> {
    let mut all = archive(bench, target, release).await?;
    for repository in &target.repositories {
        let keyring =
            keys::named(bench, &repository.signed_by).await.map_err(|error| at(error, repository.line))?;
        all.extend(repository.suites.iter().map(|suite| Upstream {
            uri: repository.uri.clone(),
            suite: suite.clone(),
            components: repository.components.clone(),
            is_archive: false,
            keyring: keyring.clone(),
            allow_expired: repository.allow_expired,
            only: repository.only.clone(),
            line: repository.line,
        }));
    }
    Ok(all)
}

async fn archive(bench: &Bench<'_>, target: &Target, release: &Release) -> Result<Vec<Upstream>> {
    let archive = &target.archive;
    let known = Known::of(bench.machine, release, target.platform.architecture())?;
    let keyring = match &archive.signed_by {
        Some(signed_by) => keys::named(bench, signed_by).await,
        None => keys::of_machine(bench, &known.signed_by, release.family),
    };
    let keyring = keyring.map_err(|error| at(error, target.line))?;
    let suites = archive.suites.clone().unwrap_or_else(|| release.suites());
    let addresses = Addresses::of(archive, known);
    let upstream = |suite: &String| {
        Ok(Upstream {
            uri: addresses.of_suite(suite, release).map_err(|error| at(error, target.line))?,
            suite: suite.clone(),
            components: components(archive),
            is_archive: true,
            keyring: keyring.clone(),
            allow_expired: archive.allow_expired,
            only: Vec::new(),
            line: target.line,
        })
    };
    suites.iter().map(upstream).collect()
}

fn components(archive: &Archive) -> Vec<String> {
    if archive.components.is_empty() { vec!["main".to_owned()] } else { archive.components.clone() }
}

/// Where an archive and its security updates are, as far as that is known.
#[derive(Debug)]
struct Addresses {
    uri: Option<String>,
    security_uri: Option<String>,
}

impl Addresses {
    /// What the spec says goes first. If it only names the archive, the security updates are there, too: a
    /// mirror of one's own is not mixed with another one.
    fn of(archive: &Archive, known: Known) -> Addresses {
        let uri = archive.uri.clone();
        let security_uri = archive.security_uri.clone().or_else(|| uri.clone()).or(known.security_uri);
        Addresses { uri: uri.or(known.uri), security_uri }
    }

    fn of_suite(&self, suite: &str, release: &Release) -> Result<String> {
        let (address, key) = match is_security(suite) {
            // Ubuntu has everything in one place.
            true if release.family == Family::Ubuntu => {
                (self.security_uri.as_ref().or(self.uri.as_ref()), "uri")
            }
            true => (self.security_uri.as_ref(), "securityUri"),
            false => (self.uri.as_ref(), "uri"),
        };
        address.cloned().ok_or_else(|| unknown(suite, key, release))
    }
}

fn unknown(suite: &str, key: &str, release: &Release) -> Error {
    let name = release.family.name();
    let message =
        format!("it is not known where {suite} of {} is: this machine's apt does not use it", release.host);
    Error::new(codes::APT_ARCHIVE_UNKNOWN, message).with_help(format!(
        "name a mirror of {name} at the target in bundle.yaml: `archive: {{{key}: http://MIRROR/{}}}`",
        match (key, release.family) {
            ("securityUri", _) => "debian-security",
            (_, Family::Debian) => "debian",
            (_, Family::Ubuntu) => "ubuntu",
        }
    ))
}

/// Adds the line of the spec to an error.
pub(super) fn at(error: Error, line: usize) -> Error {
    error.with_detail(format!("line {line} of bundle.yaml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(archive: Archive, known: Known) -> (Result<String>, Result<String>) {
        let release = Release::of("debian-12").unwrap();
        let addresses = Addresses::of(&archive, known);
        (addresses.of_suite("bookworm", &release), addresses.of_suite("bookworm-security", &release))
    }

    fn known() -> Known {
        let address = |name: &str| Some(format!("http://machine.example.com/{name}"));
        Known { uri: address("debian"), security_uri: address("debian-security"), signed_by: Vec::new() }
    }

    #[test]
    fn the_spec_goes_before_the_machine() {
        let (base, security) = addresses(Archive::default(), known());
        assert_eq!(base.unwrap(), "http://machine.example.com/debian");
        assert_eq!(security.unwrap(), "http://machine.example.com/debian-security");
        let own = Archive { uri: Some("https://example.com/debian".to_owned()), ..Archive::default() };
        let (base, security) = addresses(own.clone(), known());
        assert_eq!((base.unwrap(), security.unwrap()), (own.uri.clone().unwrap(), own.uri.unwrap()));
    }

    #[test]
    fn what_is_missing_is_told_with_the_key_to_write() {
        let (base, security) = addresses(Archive::default(), Known { security_uri: None, ..known() });
        assert!(base.is_ok());
        let error = security.unwrap_err();
        assert_eq!(error.code(), codes::APT_ARCHIVE_UNKNOWN);
        assert!(
            error.help().unwrap().contains("archive: {securityUri: http://MIRROR/debian-security}"),
            "{error:?}"
        );
    }
}
