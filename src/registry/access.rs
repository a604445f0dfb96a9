//! Who may do what: everybody may pull where the server is told so; pushing and deleting need a token, or the
//! unix socket, to which the file system controls access.
//!
//! A token of the token file is the password of any user name, as `docker login` sends it; it is also taken as
//! it is (`Authorization: Bearer TOKEN`). Clients that log in get a short-lived one for it at `/token`
//! (distribution, "Token Authentication"), so that the real one crosses the network once.

mod pass;
pub mod token_file;

use std::time::Instant;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::pass::Passes;
use super::route::Action;
use crate::error::Result;
use crate::oci::digest::Digest;
use crate::secret::Secret;

/// For how many seconds a pass is good.
pub const PASS_SECONDS: u64 = pass::LIFETIME;

/// Longest header that is looked at; tokens are far shorter.
const LONGEST_HEADER: usize = 4096;

/// What somebody may do at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rights {
    /// Ask whether the server is there.
    Nothing,
    /// Read.
    Pull,
    /// Read, write and, where the server allows it, remove.
    Everything,
}

/// The credentials are wrong, or too weak for what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAllowed;

/// Decides who may do what.
pub struct Access {
    /// Digests, so that comparing takes the same time whatever was sent.
    tokens: Vec<Digest>,
    anonymous: Rights,
    passes: Passes,
}

impl Access {
    /// `tokens` are those of the token file, none without one. `anonymous_pull`: whether everybody may read.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn new(tokens: &[Secret<String>], anonymous_pull: bool) -> Result<Access> {
        Ok(Access {
            tokens: tokens.iter().map(|token| Digest::of(token.reveal().as_bytes())).collect(),
            anonymous: if anonymous_pull { Rights::Pull } else { Rights::Nothing },
            passes: Passes::new()?,
        })
    }

    /// Whether anybody could log in.
    pub fn has_tokens(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// What the sender of this `Authorization` header may do.
    ///
    /// # Errors
    /// If it names credentials, but none that are good: also where anybody may read, so that a client that
    /// logs in learns that its password is wrong.
    pub fn rights(&self, authorization: Option<&str>, now: Instant) -> Result<Rights, NotAllowed> {
        let Some(header) = authorization else { return Ok(self.anonymous) };
        let (scheme, value) =
            header.split_once(' ').filter(|_| header.len() <= LONGEST_HEADER).ok_or(NotAllowed)?;
        let value = value.trim();
        if scheme.eq_ignore_ascii_case("basic") {
            return self.rights_of_password(value);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(NotAllowed);
        }
        match self.passes.rights(value, now) {
            Some(rights) => Ok(rights),
            None if self.is_token(value.as_bytes()) => Ok(Rights::Everything),
            None => Err(NotAllowed),
        }
    }

    /// Whether the sender of this header may do `action`.
    ///
    /// # Errors
    /// If not.
    pub fn check(&self, authorization: Option<&str>, action: Action, now: Instant) -> Result<(), NotAllowed> {
        let needed = match action {
            Action::Open => return Ok(()),
            Action::Pull => Rights::Pull,
            Action::Push | Action::Delete => Rights::Everything,
        };
        (self.rights(authorization, now)? >= needed).then_some(()).ok_or(NotAllowed)
    }

    /// A pass for the sender of this header, good for [`PASS_SECONDS`]. Anonymous ones get one too, since many
    /// clients ask for a pass before they do anything else.
    ///
    /// # Errors
    /// If the credentials are wrong.
    pub fn pass(&self, authorization: Option<&str>, now: Instant) -> Result<String, NotAllowed> {
        match self.rights(authorization, now)? {
            Rights::Nothing => Err(NotAllowed),
            rights => Ok(self.passes.issue(rights, now)),
        }
    }

    fn rights_of_password(&self, encoded: &str) -> Result<Rights, NotAllowed> {
        let decoded = STANDARD.decode(encoded).map_err(|_| NotAllowed)?;
        let colon = decoded.iter().position(|byte| *byte == b':').ok_or(NotAllowed)?;
        match self.is_token(&decoded[colon + 1..]) {
            true => Ok(Rights::Everything),
            false => Err(NotAllowed),
        }
    }

    /// Looks at all of them, and at all bytes, whatever was sent.
    fn is_token(&self, candidate: &[u8]) -> bool {
        let candidate = Digest::of(candidate);
        let equal = |token: &Digest| verify_slices_are_equal(token.bytes(), candidate.bytes()).is_ok();
        self.tokens.iter().fold(false, |found, token| equal(token) | found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn access(anonymous: bool) -> Access {
        let tokens = ["first-token-of-the-file", "second-token-of-the-file"]
            .map(|token| Secret::new(token.to_owned()));
        Access::new(&tokens, anonymous).unwrap()
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn tokens_are_good_in_every_form() {
        let (access, now) = (access(true), Instant::now());
        let pass = access.pass(Some(&basic("ada:first-token-of-the-file")), now).unwrap();
        for header in [
            basic("ada:first-token-of-the-file"),
            basic(":second-token-of-the-file").replace("Basic", "bAsIc"),
            "Bearer second-token-of-the-file".to_owned(),
            format!("Bearer {pass}"),
        ] {
            assert_eq!(access.rights(Some(&header), now), Ok(Rights::Everything), "{header}");
            assert_eq!(access.check(Some(&header), Action::Delete, now), Ok(()));
        }
        assert_eq!(
            access.rights(Some(&format!("Bearer {pass}")), now + Duration::from_secs(3600)),
            Err(NotAllowed)
        );
    }

    #[test]
    fn wrong_credentials_are_refused_even_where_none_are_needed() {
        let (access, now) = (access(true), Instant::now());
        for header in [
            basic("ada:wrong"),
            basic("ada:"),
            basic("first-token-of-the-file"),
            "Basic !".to_owned(),
            "Basic".to_owned(),
            "Bearer ".to_owned(),
            "Bearer x".to_owned(),
            "Digest first-token-of-the-file".to_owned(),
            format!("Bearer {}", "a".repeat(1 << 16)),
        ] {
            assert_eq!(access.check(Some(&header), Action::Pull, now), Err(NotAllowed), "{header}");
        }
    }

    #[test]
    fn without_credentials_only_reading_is_possible_and_only_where_it_is_allowed() {
        let now = Instant::now();
        let everybody = access(true);
        assert_eq!(everybody.check(None, Action::Pull, now), Ok(()));
        assert_eq!(everybody.check(None, Action::Push, now), Err(NotAllowed));
        let pass = format!("Bearer {}", everybody.pass(None, now).unwrap());
        assert_eq!(everybody.check(Some(&pass), Action::Pull, now), Ok(()));
        assert_eq!(everybody.check(Some(&pass), Action::Push, now), Err(NotAllowed));
        let nobody = access(false);
        assert_eq!(nobody.check(None, Action::Pull, now), Err(NotAllowed));
        assert_eq!(nobody.check(None, Action::Open, now), Ok(()));
        assert!(nobody.pass(None, now).is_err());
        assert_eq!(nobody.check(Some(&pass), Action::Pull, now), Err(NotAllowed), "a pass of another server");
    }
}
