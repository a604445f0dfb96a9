//! The commands that change a node, each on a machine where every step of its own has something to do.

use std::any::Any;
use std::path::{Path, PathBuf};

use airlock::node::plan::Plan;
use airlock::node::reset::{Reset, Spared};
use airlock::node::run;
use airlock::node::step::names::{INSTALL, REPAIR, RESET, SITE};
use airlock::progress::Silent;
use tempfile::TempDir;

use super::aftermath::leftovers;
use super::child::Task;
use super::cluster;
use super::disk::Disk;
use super::external::Site;
use super::machine::Host;
use super::programs;
use super::repair::{damage, medium, mend};
use super::reset;
use super::verify::{check, lines};

/// In the directory of a machine: where the directory of its site is.
const SITE_DIRECTORY: &str = "site";

/// A command that is disturbed.
pub struct Scenario {
    pub task: Task,
    /// The steps of its own, which are disturbed.
    pub steps: &'static [&'static str],
    /// The machine as the command finds it.
    pub prepare: fn() -> Ground,
    /// Brings the command to its end on a disk that is well; what is wrong then.
    pub finish: fn(&Path) -> Vec<String>,
}

/// The directory of a machine, and what lives beside it as long.
pub struct Ground {
    directory: TempDir,
    _beside: Box<dyn Any>,
}

impl Ground {
    fn alone(directory: TempDir) -> Ground {
        Ground { directory, _beside: Box::new(()) }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn root(&self) -> PathBuf {
        self.path().join("root")
    }
}

pub const INSTALLATION: Scenario = Scenario {
    task: Task::Install,
    steps: INSTALL,
    prepare: || Ground::alone(Host::with_everything().into_directory()),
    finish: |directory| {
        let (host, _) = Host::again(directory).install_to_the_end();
        open(&host.plan(false)).into_iter().chain(left_behind(&host)).collect()
    },
};

pub const WITH_SITE: Scenario = Scenario {
    task: Task::InstallWithSite,
    steps: SITE,
    prepare: || {
        let (site, directory) = (Site::start(), Host::new().into_directory());
        let path = site.directory.display().to_string();
        fs_err::write(directory.path().join(SITE_DIRECTORY), path).unwrap();
        Ground { directory, _beside: Box::new(site) }
    },
    finish: |directory| {
        let host = Host::again(directory);
        let steps = site_of(directory).steps_with_login(&host);
        run::run("install", &steps, &host.machine, &Silent).unwrap();
        let plan = Plan::make(&steps, &host.machine).unwrap();
        open(&plan).into_iter().chain(left_behind(&host)).collect()
    },
};

pub const REPAIRING: Scenario = Scenario {
    task: Task::Repair,
    steps: REPAIR,
    prepare: || {
        let (host, _) = Host::with_everything().install_to_the_end();
        damage(&host);
        Disk(host.machine.path("/")).write(&programs::damage("airlock-probe"), "").unwrap();
        Ground::alone(host.into_directory())
    },
    finish: |directory| {
        let host = Host::again(directory);
        let context = host.context(false);
        let repaired = mend(&context, &host, medium(&context));
        let open = lines(&check(&context));
        let failures = repaired.failures.iter().map(|failure| format!("{failure:?}"));
        open.into_iter().chain(failures).chain(left_behind(&host)).collect()
    },
};

pub const RESETTING: Scenario = Scenario {
    task: Task::Reset,
    steps: RESET,
    prepare: || {
        let (host, _) = settled_machine().install_to_the_end();
        let container = cluster::leave(&Disk(host.machine.path("/"))).unwrap();
        Ground { directory: host.into_directory(), _beside: Box::new(container) }
    },
    finish: |directory| {
        let host = Host::again(directory);
        reset::reset(&host.machine, Spared::default());
        let before = reset::snapshot(&settled_machine().machine);
        let difference = reset::difference(&before, &host.machine);
        (!difference.is_empty()).then(|| difference.to_string()).into_iter().collect()
    },
};

/// A machine with files of others, and with the directories that its packages bring files to.
fn settled_machine() -> Host {
    let host = reset::of_others(Host::with_everything());
    for directory in ["/usr/bin", "/usr/sbin", "/usr/lib/systemd/system", "/usr/lib/x86_64-linux-gnu"] {
        fs_err::create_dir_all(host.machine.path(directory)).unwrap();
    }
    Disk(host.machine.path("/")).write("/var/lib/dpkg/status", "").unwrap();
    host
}

/// The site of a machine.
pub fn site_of(directory: &Path) -> Site {
    Site::again(Path::new(&fs_err::read_to_string(directory.join(SITE_DIRECTORY)).unwrap()))
}

fn open(plan: &Plan) -> Option<String> {
    (!plan.is_empty()).then(|| format!("does not converge: {plan:?}"))
}

fn left_behind(host: &Host) -> Option<String> {
    let left = leftovers(&host.machine.path("/"));
    (!left.is_empty()).then(|| format!("leaves {left:?}"))
}

/// The steps of a plan that change something.
fn changing(plan: &Plan) -> Vec<&'static str> {
    plan.steps.iter().filter(|step| !step.changes.is_empty()).map(|step| step.name).collect()
}

#[track_caller]
fn assert_has_every_step(changing: &[&str], scenario: &Scenario) {
    let spared: Vec<_> = scenario.steps.iter().filter(|step| !changing.contains(step)).collect();
    assert!(spared.is_empty(), "without a case here they are not tested against faults: {spared:?}");
}

#[test]
fn every_step_of_a_registry_of_the_site_has_something_to_do() {
    let ground = (WITH_SITE.prepare)();
    let host = Host::again(ground.path());
    let steps = site_of(ground.path()).steps_with_login(&host);
    assert_has_every_step(&changing(&Plan::make(&steps, &host.machine).unwrap()), &WITH_SITE);
}

#[test]
fn every_step_of_a_repair_has_something_to_do() {
    let ground = (REPAIRING.prepare)();
    let host = Host::again(ground.path());
    let context = host.context(false);
    assert_has_every_step(&mend(&context, &host, medium(&context)).changed, &REPAIRING);
}

#[test]
fn every_step_of_a_reset_has_something_to_do() {
    let ground = (RESETTING.prepare)();
    let machine = Host::again(ground.path()).machine;
    let reset = Reset::of(&machine, Spared::default()).unwrap().unwrap();
    assert_has_every_step(&changing(&reset.plan(&machine).unwrap()), &RESETTING);
}
