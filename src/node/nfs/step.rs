//! The step that has network file systems mounted.

use std::time::Duration;

use super::NfsMount;
use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::owned::Owned;
use crate::node::resource::{Resource as _, unit_state, with_log};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;
use crate::quote::quote;

/// How long a file system may take to be mounted; systemd gives up before.
const MOUNTED: Duration = Duration::from_secs(60);

/// The step that mounts them.
pub struct Mounts {
    /// What, where, how.
    pub mounts: Vec<NfsMount>,
}

impl Mounts {
    fn make(mount: &NfsMount, work: &mut Work<'_>) -> Result<()> {
        let (unit, automount) = (mount.mount_unit(), mount.automount_unit());
        // A reset stops the newest first: nothing is mounted again while it is unmounted.
        work.own(Owned::Unit { name: unit.clone() })?;
        work.own(Owned::Unit { name: automount.clone() })?;
        let files = mount.files();
        if has_other_files(mount, work.machine())? {
            // What is mounted is as the old units say.
            for name in [&automount, &unit] {
                if unit_state(work.machine(), name)?.active == "active" {
                    work.run(Call::new("systemctl").with(["stop", name]).within(MOUNTED))
                        .map_err(|error| in_use(error, mount))?;
                }
            }
            files.iter().try_for_each(|file| file.make(work))?;
        }
        make_place(mount, work)?;
        work.run(Call::new("systemctl").with(["daemon-reload"]))?;
        work.machine().run(&Call::new("systemctl").with(["reset-failed", &unit]))?;
        let start = |call: Call| work.run(call.within(MOUNTED)).map(drop);
        start(Call::new("systemctl").with(["enable", "--quiet", "--now", &automount]))
            .and_then(|()| start(Call::new("systemctl").with(["start", &unit])))
            .map_err(|error| not_mounted(error, mount, work.machine()))
    }
}

/// Looking at a directory hangs where something is mounted whose server is away: then it is not looked at.
fn make_place(mount: &NfsMount, work: &mut Work<'_>) -> Result<()> {
    match unit_state(work.machine(), &mount.automount_unit())?.active.as_str() {
        "active" => Ok(()),
        _ => work.make_directory(&mount.path, 0o755),
    }
}

/// Whether the units say something else, or are not there.
fn has_other_files(mount: &NfsMount, machine: &Machine) -> Result<bool> {
    for file in mount.files() {
        if file.check(machine)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn change(mount: &NfsMount, machine: &Machine) -> Result<Option<Change>> {
    let automount = unit_state(machine, &mount.automount_unit())?;
    let is_on = automount.active == "active" && automount.file == "enabled";
    let is_mounted = is_on && unit_state(machine, &mount.mount_unit())?.active == "active";
    let verb = match (has_other_files(mount, machine)?, is_mounted) {
        (false, true) => return Ok(None),
        (true, true) => Verb::Restart,
        (_, false) => Verb::Start,
    };
    Ok(Some(Change::new(verb, &mount.path).with_detail(format!("mount {}", mount.source))))
}

fn in_use(error: Error, mount: &NfsMount) -> Error {
    let message = format!("`{}` is in use and cannot be mounted anew", quote(&mount.path));
    Error::new(codes::NFS_MOUNT, message).with_source(error).with_help(format!(
        "`fuser --mount {}` shows who uses it; end that, then run the same command again",
        mount.path
    ))
}

fn not_mounted(error: Error, mount: &NfsMount, machine: &Machine) -> Error {
    let message = format!("`{}` cannot be mounted at `{}`", quote(&mount.source), quote(&mount.path));
    let host = mount.source.split(":/").next().unwrap_or_default();
    let told = Error::new(codes::NFS_MOUNT, message).with_source(error).with_help(format!(
        "see that the server is up and lets this machine mount it: `showmount -e {host}` lists what it exports; \
         then run the same command again"
    ));
    with_log(told, machine, &mount.mount_unit())
}

impl Step for Mounts {
    fn name(&self) -> &'static str {
        names::NETWORK_MOUNTS
    }

    fn title(&self) -> String {
        "Mount network file systems".to_owned()
    }

    fn deadline(&self) -> Duration {
        MOUNTED * 3 * u32::try_from(self.mounts.len().max(1)).unwrap_or(u32::MAX / 1000)
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        self.mounts.iter().filter_map(|mount| change(mount, machine).transpose()).collect()
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        for mount in &self.mounts {
            if change(mount, work.machine())?.is_some() {
                Mounts::make(mount, work)?;
            }
        }
        Ok(Outcome::Done)
    }
}
