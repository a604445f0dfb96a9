//! Kills an installation at every boundary of every step. Each run goes on from where the one before it was killed, and
//! is killed in the next step.

use airlock::node::step::names::{INSTALL, NOUVEAU};

use super::aftermath::{is_whole, leftovers};
use super::child::{Boundary, Ending, install};
use super::machine::Host;
use super::scenario::INSTALLATION;
use super::systemd;

/// Kills at this boundary of one step after the other; the steps that never came there.
fn kill_in_every_step(boundary: Boundary) -> Vec<&'static str> {
    let directory = Host::with_everything().into_directory();
    let mut missed = Vec::new();
    for step in INSTALL {
        loop {
            match install(directory.path(), &[], Some((step, boundary))) {
                Ending::Killed => break,
                Ending::Restart(by) => {
                    systemd::boot(&directory.path().join("root")).unwrap();
                    if by == *step {
                        missed.push(*step);
                        break;
                    }
                }
                Ending::Done => {
                    missed.push(*step);
                    break;
                }
                other => panic!("{step} {boundary:?}: {other:?}"),
            }
        }
        assert_eq!(is_whole(&INSTALLATION, directory.path()), Ok(()), "{step} {boundary:?}");
    }
    let (host, _) = Host::again(directory.path()).install_to_the_end();
    let plan = host.plan(false);
    assert!(plan.is_empty(), "{boundary:?}: {plan:?}");
    assert_eq!(leftovers(&host.machine.path("/")), [] as [String; 0], "{boundary:?}");
    missed
}

#[test]
fn kills_before_the_begin_of_every_step_are_made_good() {
    assert_eq!(kill_in_every_step(Boundary::BeforeBegin), [] as [&str; 0]);
}

#[test]
fn kills_after_the_begin_of_every_step_are_made_good() {
    assert_eq!(kill_in_every_step(Boundary::AfterBegin), [] as [&str; 0]);
}

#[test]
fn kills_after_what_every_step_does_are_made_good() {
    assert_eq!(kill_in_every_step(Boundary::AfterAct), [] as [&str; 0]);
}

/// A step that asks for a restart has no end in that run.
#[test]
fn kills_before_the_end_of_every_step_are_made_good() {
    assert_eq!(kill_in_every_step(Boundary::BeforeEnd), [NOUVEAU]);
}

#[test]
fn kills_after_the_end_of_every_step_are_made_good() {
    assert_eq!(kill_in_every_step(Boundary::AfterEnd), [NOUVEAU]);
}
