//! The client against an agent of our own that can misbehave; `tests/bundle_format` uses the real one.

use std::os::unix::net::UnixListener;
use std::thread;

use super::*;
use crate::trust::key;
use crate::trust::signature::MANIFEST_NAMESPACE;
use proptest::prelude::*;

/// Answers one request after the other with the given messages, then closes.
fn agent_that_answers(answers: Vec<Vec<u8>>) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent");
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut length = [0; 4];
            stream.read_exact(&mut length).unwrap();
            stream.read_exact(&mut vec![0; u32::from_be_bytes(length) as usize]).unwrap();
            let _ = stream.write_all(&answer);
        }
    });
    (directory, socket)
}

fn message(body: &[u8]) -> Vec<u8> {
    let mut message = (body.len() as u32).to_be_bytes().to_vec();
    message.extend_from_slice(body);
    message
}

fn identities(keys: &[&PublicKey]) -> Vec<u8> {
    let mut body = vec![IDENTITIES_ANSWER];
    (keys.len() as u32).encode(&mut body).unwrap();
    for key in keys {
        key.encoded().encode(&mut body).unwrap();
        "comment".encode(&mut body).unwrap();
    }
    message(&body)
}

fn new_key() -> PublicKey {
    key::generate("test", None).unwrap().public
}

#[test]
fn a_missing_key_is_named_with_those_that_are_there() {
    let (wanted, held) = (new_key(), new_key());
    let (_directory, socket) = agent_that_answers(vec![identities(&[&held])]);
    let error = Agent::connect(&socket, wanted.clone()).err().unwrap();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::AGENT_KEY, 7));
    assert!(error.message().contains(&wanted.fingerprint()));
    assert!(error.details()[0].contains(&held.fingerprint()));
}

#[test]
fn an_agent_that_misbehaves_is_an_error_and_not_a_signature() {
    let key = new_key();
    let list = || identities(&[&key]);
    for (answer, expected) in [
        (message(&[5]), "refused to sign"),
        (message(&[SIGN_RESPONSE]), "gave a malformed signature"),
        (message(&[SIGN_RESPONSE, 0, 0, 0, 9, 1]), "gave a malformed signature"),
        (vec![0xff; 8], "cannot be reached"),
        (vec![0; 4], "cannot be reached"),
        (Vec::new(), "cannot be reached"),
    ] {
        let (_directory, socket) = agent_that_answers(vec![list(), answer]);
        let agent = Agent::connect(&socket, key.clone()).unwrap();
        let error = agent.signature(MANIFEST_NAMESPACE, b"message").unwrap_err();
        assert!(error.message().ends_with(expected), "{error}");
    }
}

#[test]
fn no_agent_at_all_is_an_error_with_a_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let error = Agent::connect(&directory.path().join("none"), new_key()).err().unwrap();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::AGENT, 7));
    assert!(error.help().unwrap().contains("ssh-add -l"));
}

proptest! {
    #[test]
    fn no_answer_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_identities(&bytes);
        let _ = parse_signature(&bytes);
    }
}
