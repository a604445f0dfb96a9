//! The real apt takes the calls of `debian::apt_get` as they are meant.

use std::process::{Command, Output};

use airlock::debian::apt_get::{AptGet, Invocation, source_list};

use crate::packages::repository;
use crate::{has, said};

fn run(invocation: &Invocation) -> Output {
    let mut command = Command::new(invocation.program);
    command.args(&invocation.arguments).envs(invocation.environment.iter().copied()).output().unwrap()
}

#[test]
fn apt_reads_and_plans_without_complaint_and_keeps_everything_private() {
    if !has("apt-get") || !has("dpkg-deb") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    // A date in the future: the clock of the node does not matter.
    let repository = repository(directory.path(), "2099-01-01T00:00:00Z");
    let apt = AptGet { directory: directory.path().join("apt"), recommends: false, status: None };
    for place in apt.directories() {
        fs_err::create_dir_all(place).unwrap();
    }
    fs_err::write(apt.source_list(), source_list(&repository.path, &repository.armored)).unwrap();
    let updated = run(&apt.update());
    assert!(updated.status.success() && !said(&updated).contains("W:"), "{}", said(&updated));
    let planned = run(&apt.simulate(&["airlock-probe=1:2.0~rc1+b1-1".to_owned()]));
    assert!(planned.status.success(), "{}", said(&planned));
    assert!(
        !said(&planned).lines().any(|line| line.starts_with("W:") || line.starts_with("N:")),
        "{}",
        said(&planned)
    );
    assert!(said(&planned).contains("Inst airlock-probe (1:2.0~rc1+b1-1 Airlock:airlock [amd64])"));
    let lists = fs_err::read_dir(directory.path().join("apt/lists")).unwrap();
    assert!(lists.count() > 2, "the lists are not where they should be");
    let refused = run(&apt.simulate(&["airlock-probe-data=4".to_owned()]));
    assert_eq!(refused.status.code(), Some(100), "{}", said(&refused));
}
