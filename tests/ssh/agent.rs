//! The hidden command itself, as the other end of a pipe.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::server::is_possible;

#[test]
fn the_agent_serves_one_request_and_ends() {
    if !is_possible() {
        return;
    }
    let mut agent = Command::new(env!("CARGO_BIN_EXE_airlock"));
    agent.args(["--json", "node", "agent"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut agent = agent.spawn().unwrap();
    let mut output = BufReader::new(agent.stdout.take().unwrap());
    let mut hello = String::new();
    output.read_line(&mut hello).unwrap();
    assert_eq!(hello, "{\"airlockAgent\":1}\n");
    let request = b"{\"program\":\"airlock\",\"arguments\":[\"--version\"]}\n";
    agent.stdin.take().unwrap().write_all(request).unwrap();
    let mut frames = String::new();
    output.read_to_string(&mut frames).unwrap();
    assert!(frames.starts_with("{\"output\":\"airlock ") && frames.ends_with("{\"exit\":0}\n"), "{frames}");
    assert!(agent.wait().unwrap().success());
}
