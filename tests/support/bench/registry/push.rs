//! skopeo pushes the corpus, eight images one after the other.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::contestant::{Contestant, TOKEN};
use crate::Result;
use crate::corpus;
use crate::measure::timed;

/// How long it takes.
pub fn push(layout: &Path, server: &Contestant) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for name in corpus::names() {
        let source = format!("oci:{}:docker.io/{name}:1", layout.display());
        let target = format!("docker://{}/{name}:1", server.address);
        let credentials = format!("bench:{TOKEN}");
        let mut copy = Command::new("skopeo");
        copy.args(["copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false"]);
        sum += timed(copy.args(["--dest-creds", &credentials, &source, &target]))?.time;
    }
    Ok(sum)
}
