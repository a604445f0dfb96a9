//! `airlock registry serve` as a process of its own, whose lines are kept.
#![allow(dead_code, reason = "every test program uses another part of it")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a line is waited for; a server that is silent for so long has a fault.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server, ended with the test.
pub struct Serving {
    child: Child,
    news: Receiver<String>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Serving {
    /// Starts it in `directory` with these arguments besides; returns when it listens everywhere.
    pub fn start(directory: &Path, arguments: &[&str]) -> Serving {
        let mut command = Command::new(env!("CARGO_BIN_EXE_airlock"));
        command.args(["registry", "serve", "--progress", "plain"]).args(arguments);
        command.env_clear().env("HOME", directory).env("PATH", "/usr/bin:/bin").current_dir(directory);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (tell, news) = channel();
        let said = Arc::new(Mutex::new(Vec::new()));
        let keep = said.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                keep.lock().unwrap().push(line.clone());
                // Nobody need listen any more.
                let _ = tell.send(line);
            }
        });
        let serving = Serving { child, news, said };
        for _ in arguments.iter().filter(|argument| ["--listen", "--unix"].contains(argument)) {
            serving.wait_for("Listening at ");
        }
        serving
    }

    /// Waits for the next line with `part`.
    pub fn wait_for(&self, part: &str) -> String {
        loop {
            match self.news.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(part) => return line,
                Ok(_) => {}
                Err(_) => panic!("`{part}` is not in {:#?}", self.said()),
            }
        }
    }

    /// Everything it has said so far.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// `HOST:PORT` of the first listener.
    pub fn first_address(&self) -> String {
        let line = self.said().into_iter().find(|line| line.contains("Listening at ")).unwrap();
        line.rsplit_once("//").map_or(line.clone(), |(_, address)| address.to_owned())
    }

    /// `HOST:PORT` of the listener with this scheme.
    pub fn address(&self, scheme: &str) -> String {
        let start = format!("{scheme}://");
        let said = self.said();
        let line = said.iter().find_map(|line| line.split_once("Listening at ")?.1.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("no {scheme} in {said:#?}")).to_owned()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
