//! The last lines of what somebody says, who may say anything for ever.

use std::collections::VecDeque;

use crate::quote::shorten;

/// How many lines are kept.
const KEPT: usize = 40;
/// Nobody reads longer lines than this, in bytes.
const LONGEST: usize = 64 * 1024;

/// The last lines of something.
#[derive(Default)]
pub(super) struct Lines {
    lines: VecDeque<String>,
    unfinished: Vec<u8>,
}

impl Lines {
    /// Takes what comes next.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' => self.finish(),
                b'\r' => {}
                byte if self.unfinished.len() < LONGEST => self.unfinished.push(*byte),
                _ => {}
            }
        }
    }

    fn finish(&mut self) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.unfinished)).into_owned();
        if !line.trim().is_empty() {
            self.lines.push_back(line);
        }
        if self.lines.len() > KEPT {
            self.lines.pop_front();
        }
    }

    /// Those lines, with one that is not finished.
    pub(super) fn take(&mut self) -> Vec<String> {
        self.finish();
        std::mem::take(&mut self.lines).into()
    }
}

/// What a process has said last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cluster) struct LastWords {
    /// Its exit status; nothing if it had to be killed.
    pub(in crate::cluster) status: Option<i32>,
    /// The last lines of its standard error.
    pub(in crate::cluster) errors: Vec<String>,
    /// The last lines of its output that were noise.
    pub(in crate::cluster) noise: Vec<String>,
}

/// The lines of somebody else as details of an error may repeat them.
pub(in crate::cluster) fn shown(lines: &[String]) -> impl Iterator<Item = String> + '_ {
    lines.iter().rev().take(8).rev().map(|line| shorten(line, 300))
}
