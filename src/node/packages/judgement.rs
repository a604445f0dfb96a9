//! What apt may do to the packages of a machine, and how it is told where it may not or cannot.

use super::Database;
use super::install::Missing;
use crate::bundle::manifest::apt::Apt;
use crate::debian::transaction::{Transaction, Unpacked};
use crate::debian::transcript;
use crate::error::{Error, Result, codes};
use crate::node::machine::Finished;
use crate::quote::quote;

/// Whether nothing that is missing is held at an older version.
///
/// # Errors
/// [`codes::PACKAGES_HELD`].
pub(super) fn check_holds(missing: &[Missing<'_>]) -> Result<()> {
    let held: Vec<&str> = missing
        .iter()
        .filter(|missing| missing.is_held)
        .map(|missing| missing.wanted.package.as_str())
        .collect();
    match held.is_empty() {
        true => Ok(()),
        false => Err(is_held(&held)),
    }
}

fn is_held(names: &[&str]) -> Error {
    let names = quote(&names.join(" "));
    let message = format!("packages of this machine are held at a version that is too old: {names}");
    Error::new(codes::PACKAGES_HELD, message).with_help(format!(
        "if they may be upgraded, `apt-mark unhold {names}`, then run the same command again"
    ))
}

/// Whether apt may do that: nothing is removed, becomes older, or changes that the administrator holds.
///
/// # Errors
/// [`codes::PACKAGES_REFUSED`], [`codes::PACKAGES_HELD`].
pub(super) fn judge(transaction: &Transaction, database: &Database) -> Result<()> {
    let installs = || transaction.installs.iter();
    if !transaction.removals.is_empty() {
        let removed = quote(&transaction.removals.join(" "));
        let message = format!("apt would have to remove packages of this machine: {removed}");
        return Err(Error::new(codes::PACKAGES_REFUSED, message).with_help(format!(
            "if nobody needs them, `apt-get remove {removed}`, then run the same command again; else leave out \
             of bundle.yaml what conflicts with them"
        )));
    }
    let older: Vec<&Unpacked> = installs().filter(|package| package.is_downgrade()).collect();
    if !older.is_empty() {
        let error = Error::new(codes::PACKAGES_REFUSED, "apt would have to replace packages by older ones")
            .with_help("build the bundle anew, with the status of this machine as baseline: `baseline: {status: FILE}`");
        return Err(older.into_iter().fold(error, |error, package| {
            let old = package.old.as_deref().unwrap_or_default();
            error.with_detail(format!(
                "{}: {} is here, {} in the bundle",
                package.full_name(),
                old,
                package.new
            ))
        }));
    }
    let entry = |package: &Unpacked| database.find(&package.full_name(), "").cloned();
    let held: Vec<String> =
        installs().filter_map(entry).filter(|entry| entry.is_held()).map(|entry| entry.name).collect();
    match held.is_empty() {
        true => Ok(()),
        false => Err(is_held(&held.iter().map(String::as_str).collect::<Vec<_>>())),
    }
}

/// apt sees no way: packages are held that it would have to upgrade, or what the bundle was made for is not what is
/// here.
pub(super) fn unplannable(finished: &Finished, apt: &Apt, database: &Database) -> Error {
    let held = apt.packages.iter().filter_map(|package| {
        let entry = database.find(&package.name, &package.architecture)?;
        (entry.is_held() && !entry.is_at_least(&package.version)).then_some(package.name.as_str())
    });
    let held: Vec<&str> = held.collect();
    let error = refused("plan the installation", finished);
    if !held.is_empty() {
        return error.details().iter().fold(is_held(&held), Error::with_detail);
    }
    let baseline = apt.baseline.as_str();
    let status = "with what this machine has, `baseline: {status: FILE}` and its /var/lib/dpkg/status";
    let assumed = format!("the bundle assumes that nodes have the packages of `{}`", quote(baseline));
    error.with_detail(assumed).with_help(match baseline {
        "essential" => format!("build the bundle anew {status}"),
        _ => format!("build the bundle anew with `baseline: essential`, or {status}"),
    })
}

/// The error for an apt that failed, with what it says.
pub(super) fn refused(what: &str, finished: &Finished) -> Error {
    let said = format!("{}{}", finished.output, finished.errors);
    let blamed = transcript::blamed(&said);
    let because = match blamed.is_empty() {
        true => String::new(),
        false => format!(" because of {}", quote(&blamed.join(", "))),
    };
    let error = Error::new(codes::PACKAGES_REFUSED, format!("apt failed to {what}{because}"))
        .with_help("mend what it says, then run the same command again; it continues");
    transcript::last_lines(&said).into_iter().fold(error, Error::with_detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::manifest::apt::example;
    use crate::debian::transaction;

    fn judged(simulated: &str) -> Result<()> {
        judge(&transaction::parse(simulated), &Database::default())
    }

    #[test]
    fn what_is_new_or_newer_may_be_installed() {
        judged("Inst a (1.0 Airlock:airlock [amd64])\nInst b [1.0] (1.1 Airlock:airlock [all])\n").unwrap();
    }

    #[test]
    fn what_would_become_older_is_named_with_both_versions() {
        let error = judged("Inst b [1.1] (1.0 Airlock:airlock [all])\n").unwrap_err();
        assert_eq!(error.code(), codes::PACKAGES_REFUSED);
        assert_eq!(error.details(), ["b:all: 1.1 is here, 1.0 in the bundle"]);
    }

    #[test]
    fn what_would_go_is_named() {
        let error = judged("Remv ntp [1]\nInst chrony (1.0 Airlock:airlock [amd64])\n").unwrap_err();
        assert_eq!(error.message(), "apt would have to remove packages of this machine: ntp");
    }

    #[test]
    fn an_apt_that_sees_no_way_is_told_with_the_baseline() {
        let said = "The following packages have unmet dependencies:\n nfs-common : Depends: libcom-err2 but it is not installable\n";
        let finished =
            Finished { status: Some(100), output: said.to_owned(), errors: "E: Unable".to_owned() };
        let apt = Apt { baseline: "server".to_owned(), ..example::repository("node", Vec::new()) };
        let error = unplannable(&finished, &apt, &Database::default());
        assert_eq!(error.message(), "apt failed to plan the installation because of nfs-common");
        assert_eq!(
            error.details().last().unwrap(),
            "the bundle assumes that nodes have the packages of `server`"
        );
        assert!(error.help().unwrap().contains("`baseline: essential`, or with"));
    }
}
