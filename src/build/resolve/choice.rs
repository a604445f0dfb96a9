//! Which entries of the lock are kept, which are looked up anew, and what `--locked` forbids.

use crate::error::{Error, Result, codes};
use crate::lock::{self, Lock};
use crate::oci::reference::Reference;
use crate::quote::quote;
use crate::spec::{Image, Spec, suggest};

/// What helps when the lock is not enough.
const LOCK_AGAIN: &str = "run `airlock bundle lock`, review the change of bundle.lock, and build again";

/// Which lock entries are looked up anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// None, and what is missing is an error.
    Nothing,
    /// Those that the lock lacks or that do not answer the spec any more.
    Missing,
    /// Those and the named ones.
    Named(Vec<String>),
    /// All.
    Everything,
}

/// Which entries may keep their pins and which must be looked up.
pub(super) struct Choice<'a> {
    pub(super) old: Option<&'a Lock>,
    pub(super) update: &'a Update,
}

impl Choice<'_> {
    /// Whether the user asked to move this entry.
    pub(super) fn wants(&self, name: &str) -> bool {
        match self.update {
            Update::Nothing | Update::Missing => false,
            Update::Named(names) => names.iter().any(|wanted| same_name(wanted, name)),
            Update::Everything => true,
        }
    }

    pub(super) fn may_look_up(&self, name: &str) -> Result<()> {
        if *self.update != Update::Nothing {
            return Ok(());
        }
        Err(match self.old {
            None => {
                Error::new(codes::LOCK_MISSING, "there is no bundle.lock, and --locked forbids to make one")
                    .with_help(LOCK_AGAIN)
            }
            Some(_) => Error::new(
                codes::LOCK_OUTDATED,
                format!("bundle.lock does not cover `{name}` as bundle.yaml asks for it"),
            )
            .with_help(LOCK_AGAIN),
        })
    }

    /// With `--locked`, the lock must be exactly what the spec gives: nothing dropped, nothing renamed. What was
    /// proven about it may be missing.
    pub(super) fn check_complete(&self, new: &Lock) -> Result<()> {
        match (self.update, self.old) {
            (Update::Nothing, Some(old)) if !old.is_same_content(new) => {
                let mut error =
                    Error::new(codes::LOCK_OUTDATED, "bundle.lock is not what bundle.yaml asks for")
                        .with_help(LOCK_AGAIN);
                for line in lock::change::lines(&lock::change::changes(Some(old), new)) {
                    error = error.with_detail(line);
                }
                Err(error)
            }
            (Update::Nothing, None) => self.may_look_up("anything"),
            _ => Ok(()),
        }
    }

    /// Every name given to `--update` must mean something. A pattern for files is known by its directory and
    /// by everything in it.
    pub(super) fn check_names(&self, spec: &Spec, images: &[(Image, &str)]) -> Result<()> {
        let Update::Named(names) = self.update else { return Ok(()) };
        let mut known: Vec<String> = vec!["airlock".to_owned()];
        known.extend(spec.k3s.iter().map(|_| "k3s".to_owned()));
        known.extend(images.iter().map(|(image, _)| image.reference.to_string()));
        known.extend(spec.files.iter().map(|file| file.path.clone()));
        known.extend(spec.apt.iter().map(|target| target.name.clone()));
        for name in names {
            if !known.iter().any(|known| same_name(name, known)) {
                return Err(unknown_name(name, &known));
            }
        }
        Ok(())
    }
}

fn unknown_name(name: &str, known: &[String]) -> Error {
    let help = match suggest::nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "it takes `k3s`, `airlock`, an image as in bundle.yaml, the path of a file on the node, or a target of \
             `apt`; known are: {}",
            known.join(", ")
        ),
    };
    let message = format!("--update: `{}` is not in bundle.yaml", quote(name));
    Error::new(codes::LOCK_NAME, message).with_help(help)
}

/// Whether the user's `wanted` means the entry `name`: images may be given in short form, and a file of a
/// pattern, whose name ends in `/`, by its own path.
fn same_name(wanted: &str, name: &str) -> bool {
    wanted == name
        || name.ends_with('/') && wanted.starts_with(name)
        || wanted.parse::<Reference>().is_ok_and(|reference| reference.to_string() == name)
}
