//! Reads the inventory, whichever of the two formats it has.

use std::path::{Path, PathBuf};

use crate::cli::environment::Environment;
use crate::cli::session::Session;
use crate::cli::{files, secret_file};
use crate::error::{Error, Result, codes};
use crate::quote::escape;
use crate::secret::Secret;
use crate::spec::cluster::{Read, Warning};
use crate::spec::{MAX_BYTES, ansible, cluster};

/// Longest password or token, in bytes.
const SECRET_LIMIT: u64 = 4096;

/// Reads the inventory in a file, and tells what the user should know about it.
///
/// # Errors
/// Those of [`cluster::parse`] and [`ansible::parse`]; [`codes::FILE_READ`]; [`codes::SECRET_OPEN`] if others can read a
/// password.
pub(crate) fn read_inventory(path: &Path, session: &Session) -> Result<Read> {
    let bytes = read_file(path)?;
    let name = files::shown(path);
    // Paths in it stay the same, wherever they are used.
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let directory = absolute.parent().unwrap_or(Path::new("/"));
    let read = if ansible::is_ansible_yaml(&bytes) {
        Err(ansible::not_ini(&name))
    } else if ansible::is_ini(&bytes) {
        name_unread_directories(directory, session);
        ansible::parse(&bytes, &name, directory)
    } else {
        let environment = session.environment();
        cluster::parse(&bytes, &name, directory, &mut |path| read_secret(path, environment))
    }?;
    if let Some(secret) = &read.secret {
        secret_file::require_closed(path, "change the password or token").map_err(|error| {
            error.with_detail(format!("it holds a password or token, on line {}", secret.line))
        })?;
    }
    read.warnings.iter().for_each(|warning| session.warn(&told(warning)));
    Ok(read)
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    files::read(path, "inventory", MAX_BYTES as u64).map_err(|error| match path.exists() {
        true => error,
        false => error.with_help(
            "name the inventory: `--inventory FILE`; manifests/examples/cluster.yaml is one to start from, and the \
             Ansible inventory of an earlier installation will do as well",
        ),
    })
}

/// Ansible reads variables from directories beside the inventory; we do not, and say so.
fn name_unread_directories(directory: &Path, session: &Session) {
    for name in ["group_vars", "host_vars"] {
        if directory.join(name).is_dir() {
            session.warn(&format!(
                "`{name}` beside the inventory is not read; write what matters of it under `[all:vars]`, or into a \
                 `cluster.yaml`: `airlock cluster inventory convert`"
            ));
        }
    }
}

/// The one line in a file with a password or token.
fn read_secret(path: &Path, environment: &Environment) -> Result<Secret<String>> {
    let path = below_home(path, environment)?;
    secret_file::require_closed(&path, "change the password or token")?;
    let text = Secret::new(files::read_text(&path, "file with the password or token", SECRET_LIMIT)?);
    let line = text.reveal().trim_end_matches(['\n', '\r']);
    match !line.is_empty() && !line.contains(char::is_control) {
        true => Ok(Secret::new(line.to_owned())),
        false => {
            Err(Error::new(codes::FILE_READ, format!("`{}` does not hold one line", files::shown(&path)))
                .with_help("write the password or token into it, and nothing else"))
        }
    }
}

fn below_home(path: &Path, environment: &Environment) -> Result<PathBuf> {
    match (path.strip_prefix("~"), &environment.home) {
        (Err(_), _) => Ok(path.to_owned()),
        (Ok(rest), Some(home)) => Ok(home.join(rest)),
        (Ok(_), None) => Err(Error::new(codes::ENVIRONMENT, "there is no home directory for `~`")
            .with_help("write the path in full, or set `HOME`")),
    }
}

/// A warning on one line.
fn told(warning: &Warning) -> String {
    let Warning { message, help, location } = warning;
    format!("{}:{}: {}; {}", escape(&location.file), location.line, escape(message), escape(help))
}
