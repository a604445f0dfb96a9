//! What all commands have in common that change a cluster: the plan, the question, the work, what came of it.

mod screen;

use std::path::PathBuf;

pub(super) use self::screen::{Shown, report as shown_report};
use super::connecting::ConnectionOptions;
use crate::cli::install::consent::{ask, has_terminal};
use crate::cli::session::Session;
use crate::cluster::operation::execute::{Deliver, Means, execute};
use crate::cluster::operation::site::Site;
use crate::cluster::operation::{Consent, Plan};
use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// Which inventory, and how its hosts are connected to.
#[derive(Clone, Debug, clap::Args)]
pub struct SiteOptions {
    /// The inventory: a cluster.yaml, or an Ansible inventory in INI
    #[arg(short, long, value_name = "FILE", default_value = "cluster.yaml")]
    pub inventory: PathBuf,

    /// How.
    #[command(flatten)]
    pub connection: ConnectionOptions,
}

/// Options of every change.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ChangeOptions {
    /// Show what would be done, with the commands, and change nothing
    #[arg(long)]
    pub plan: bool,

    /// Do not ask before the first change
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// The consent that is typed.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ConfirmOption {
    /// The name that would be asked for, typed beforehand: that of the first server
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

/// Shows a plan, asks, and does it.
///
/// # Errors
/// [`codes::CLUSTER_CONSENT`] if nobody has agreed; whatever has failed on nodes.
pub(super) fn carry_out(
    plan: &Plan,
    (options, confirmed): (&ChangeOptions, Option<&str>),
    site: &Site<'_>,
    deliver: Option<&dyn Deliver>,
    session: &Session,
) -> Result<()> {
    if !begins(plan, (options, confirmed), session)? {
        return Ok(());
    }
    let report = execute(plan, site, Means { deliver, restart: false }, session.progress());
    session.print(&report, screen::report)?;
    report.into_result()
}

/// Shows a plan, and asks. Whether anything is to be done now.
///
/// # Errors
/// [`codes::CLUSTER_CONSENT`] if nobody has agreed.
pub(super) fn begins(
    plan: &Plan,
    (options, confirmed): (&ChangeOptions, Option<&str>),
    session: &Session,
) -> Result<bool> {
    let is_done = plan.is_empty() && plan.out_of_reach.is_empty();
    if options.plan || is_done {
        session.print(plan, |plan| Shown(plan).to_string())?;
        return Ok(false);
    }
    if !plan.is_empty() && !agreed(plan, options.yes, confirmed)? {
        session.note("Nothing was changed");
        return Ok(false);
    }
    session.interruption().begin();
    Ok(true)
}

fn agreed(plan: &Plan, yes: bool, confirmed: Option<&str>) -> Result<bool> {
    match &plan.consent {
        Consent::None => Ok(true),
        Consent::Agreement if yes || confirmed.is_some() => Ok(true),
        Consent::Agreement if !has_terminal() => Err(nobody_to_ask(plan, "--yes")),
        Consent::Agreement => {
            let answer = ask(&format!("{}Go on? [y/N] ", Shown(plan)))?;
            Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
        }
        Consent::Typed(name) => {
            let typed = match confirmed {
                Some(typed) => typed.to_owned(),
                None if !has_terminal() => return Err(nobody_to_ask(plan, &format!("--confirm {name}"))),
                None => {
                    ask(&format!("{}To go on, type the name of the first server, {name}: ", Shown(plan)))?
                }
            };
            if typed == *name { Ok(true) } else { Err(wrong_name(&typed, name)) }
        }
    }
}

fn nobody_to_ask(plan: &Plan, option: &str) -> Error {
    let message = format!("{} takes consent, and nobody can be asked here", plan.operation);
    Error::new(codes::CLUSTER_CONSENT, message)
        .with_help(format!("look at it first, with `--plan`, and then agree beforehand: `{option}`"))
}

fn wrong_name(typed: &str, name: &str) -> Error {
    let message = format!("`{}` is not the name of the first server; nothing was changed", quote(typed));
    Error::new(codes::CLUSTER_CONSENT, message).with_help(format!("run it again with `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(consent: Consent) -> Plan {
        Plan { consent, ..Plan::new("reset") }
    }

    #[test]
    fn a_name_has_to_be_typed_where_a_yes_is_not_enough() {
        let typed = plan(Consent::Typed("s1".to_owned()));
        assert!(agreed(&typed, false, Some("s1")).unwrap());
        let error = agreed(&typed, true, Some("s2")).unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::CLUSTER_CONSENT, 2));
        assert!(agreed(&plan(Consent::Agreement), true, None).unwrap());
        assert!(agreed(&plan(Consent::None), false, None).unwrap());
    }
}
