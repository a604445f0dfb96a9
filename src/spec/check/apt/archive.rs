//! The distribution's own archive, as far as the file says anything about it.

use crate::spec::apt::Archive;
use crate::spec::raw::Text;
use crate::spec::raw::apt as raw;
use crate::spec::source::Source;
use crate::spec::yaml::Located;

use super::super::list::{list, word};
use super::super::{Check, lacking, refused};
use super::{repository, signed_by};
use crate::error::Result;

/// The archive; `main` of what this machine's apt uses if nothing is said.
pub(super) fn archive(check: &mut Check<'_>, section: Option<&Located<raw::Archive>>) -> Option<Archive> {
    let defaults = Archive { components: vec!["main".to_owned()], ..Archive::default() };
    let Some(section) = section else { return Some(defaults) };
    let raw = &section.value;
    if let (None, Some(security)) = (raw.uri.as_ref(), raw.security_uri.as_ref()) {
        let help = "add `uri:` with the address of the archive itself";
        check.keep::<()>(Err(lacking(
            check.source,
            &security.span,
            "`securityUri` stands without `uri`",
            help,
        )));
    }
    let uri = check.optional(raw.uri.as_ref(), repository::uri);
    let security_uri = check.optional(raw.security_uri.as_ref(), repository::uri);
    let suites = raw.suites.as_ref().map(|suites| list(check, "suites", suites, suite));
    let components = match raw.components.as_ref() {
        Some(components) => list(check, "components", components, word),
        None => Some(defaults.components),
    };
    let signed_by = check.optional(raw.signed_by.as_ref(), signed_by::signed_by);
    Some(Archive {
        uri: uri?,
        security_uri: security_uri?,
        components: components?,
        suites: match suites {
            Some(suites) => Some(suites?),
            None => None,
        },
        signed_by: signed_by?,
        allow_expired: raw.allow_expired.unwrap_or(false),
    })
}

/// A suite below `dists`.
fn suite(source: &Source<'_>, value: &Text) -> Result<String> {
    let suite = repository::suite(source, value)?;
    match suite.ends_with('/') {
        false => Ok(suite),
        true => {
            let help = "write it without the `/` at its end; flat repositories stand under `repositories`";
            Err(refused(source, &value.span, "the archive of a distribution is not flat", help))
        }
    }
}
