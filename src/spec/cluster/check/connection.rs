//! How a host is reached.

use super::Secrets;
use super::host::Effective;
use super::value;
use crate::cluster::inventory::{Connection, Ssh};
use crate::error::Result;
use crate::secret::Secret;
use crate::spec::check::Check;
use crate::spec::check::refused;
use crate::spec::raw::Text;
use crate::spec::source::Source;

/// The connection to a host, whose address is filled in for each host of a range.
pub(super) fn connection(
    check: &mut Check<'_>,
    effective: &Effective<'_>,
    secrets: &mut Secrets<'_>,
) -> Option<Connection> {
    let (source, directory) = (check.source, check.directory);
    let sudo_password = sudo_password(check, effective, secrets);
    if effective.own.local.as_ref().is_some_and(|local| local.value) {
        check.keep(nothing_about_ssh(source, effective))?;
        return Some(Connection::Local { sudo_password: sudo_password? });
    }
    let user = check.optional(effective.get(|host| &host.user), value::user);
    let port = check.optional(effective.get(|host| &host.port), value::port);
    let identity_file = check.optional(effective.get(|host| &host.identity_file), |source, path| {
        value::local_path(source, directory, path)
    });
    let jump = check.optional(effective.get(|host| &host.jump), value::jump);
    let keys = match effective.get(|host| &host.host_keys) {
        Some(keys) => crate::spec::check::list::list(check, "hostKeys", keys, value::fingerprint),
        None => Some(Vec::new()),
    };
    Some(Connection::Ssh(Ssh {
        host: String::new(),
        user: user?,
        port: port?,
        identity_file: identity_file?,
        jump: jump?,
        host_keys: keys?,
        sudo_password: sudo_password?,
    }))
}

fn sudo_password(
    check: &mut Check<'_>,
    effective: &Effective<'_>,
    secrets: &mut Secrets<'_>,
) -> Option<Option<Secret<String>>> {
    if let Some(password) = &effective.own.sudo_password {
        return Some(Some(password.clone()));
    }
    let directory = check.directory;
    check.optional(effective.get(|host| &host.sudo_password_file), |source, path| {
        value::secret(source, directory, path, secrets)
    })
}

/// Refuses what is said about SSH for the machine itself.
fn nothing_about_ssh(source: &Source<'_>, effective: &Effective<'_>) -> Result<()> {
    let own = effective.own;
    let given: [(&str, Option<&Text>); 5] = [
        ("host", own.host.as_ref()),
        ("user", own.user.as_ref()),
        ("port", own.port.as_ref()),
        ("identityFile", own.identity_file.as_ref()),
        ("jump", own.jump.as_ref()),
    ];
    match given.into_iter().find_map(|(key, value)| value.map(|value| (key, value))) {
        None => Ok(()),
        Some((key, value)) => {
            let message = format!("`{key}` is about SSH, and the host is the machine itself");
            Err(refused(source, &value.span, message, format!("delete `{key}`, or `local: true`")))
        }
    }
}
