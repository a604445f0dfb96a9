//! `install` on bare machines behind a gap, with real systemd, real apt and the real program, from a stick that
//! cannot be written. Only k3s is a stand-in.

use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::lab::{Lab, is_possible};
use crate::stick::{self, Stick};

/// `install` of the stick.
const INSTALL: &str = "/media/stick/install";

fn install_server(node: &Node, stick: &Stick) -> String {
    node.succeed(&[INSTALL, "--trust", &stick.fingerprint, "--yes"]).unwrap()
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_server_and_an_agent_are_installed_from_one_stick() {
    if !is_possible() {
        return;
    }
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::with_gap("install", Gap::Drop).unwrap();
    let capture = lab.capture().unwrap();
    let server = lab.node_with_stick("server1", Release::Bookworm, &stick.path()).unwrap();
    eprintln!("{}", install_server(&server, stick));
    let _ = (capture, stick::IMAGES);
}
