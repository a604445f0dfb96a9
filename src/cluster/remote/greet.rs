//! The greeting of an agent, with `sudo` in between.

use std::io::Write as _;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::process::{Heard, Input, Nothing, Process};
use super::talk::{Failure, Patience};
use crate::node::agent::{Hello, VERSION};
use crate::secret::Secret;

/// Waits until the agent says hello. When `prompt` shows up on standard error, sudo gets the password, once.
pub(in crate::cluster) fn greet(
    mut process: Process,
    prompt: &str,
    password: Option<&Secret<String>>,
    patience: Patience,
    stop: &AtomicBool,
) -> Result<Process, Failure> {
    let until = Instant::now() + patience.silence;
    let mut prompts = Prompts::of(prompt);
    let mut has_answered = false;
    loop {
        match process.hear(until, stop) {
            Ok(Heard::Line(line)) => match serde_json::from_slice::<Hello>(&line) {
                Ok(Hello { version: VERSION }) => return Ok(process),
                Ok(Hello { version }) => return Err(Failure::Version(version)),
                // A banner, or what the shell of the user prints at its start.
                Err(_) => process.ignore(&line),
            },
            Ok(Heard::Errors(bytes)) if prompts.show_up_in(&bytes) => match password {
                Some(_) if has_answered => return Err(Failure::PasswordWrong),
                Some(password) => {
                    has_answered = true;
                    answer(process.input.as_mut(), password);
                }
                None => return Err(Failure::PasswordMissing),
            },
            Ok(Heard::Errors(_)) => {}
            Ok(Heard::End) => return Err(Failure::Ended(process.end())),
            Err(Nothing::Late) => return Err(Failure::Silent(process.end())),
            Err(Nothing::Stopped) => return Err(Failure::Stopped),
        }
    }
}

/// If sudo has gone meanwhile, its last words say why.
fn answer(input: Option<&mut Input>, password: &Secret<String>) {
    if let Some(input) = input {
        let line = Secret::new(format!("{}\n", password.reveal()));
        let _ = input.write_all(line.reveal().as_bytes());
    }
}

/// Finds a prompt in a stream, also one that comes in pieces.
struct Prompts<'a> {
    prompt: &'a [u8],
    seen: Vec<u8>,
}

impl<'a> Prompts<'a> {
    fn of(prompt: &'a str) -> Self {
        Prompts { prompt: prompt.as_bytes(), seen: Vec::new() }
    }

    fn show_up_in(&mut self, bytes: &[u8]) -> bool {
        self.seen.extend_from_slice(bytes);
        let found = memchr::memmem::find(&self.seen, self.prompt);
        let used = found.map_or_else(
            || (self.seen.len() + 1).saturating_sub(self.prompt.len()),
            |at| at + self.prompt.len(),
        );
        self.seen.drain(..used.min(self.seen.len()));
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Command;
    use super::super::talk::talk;
    use super::super::talk::tests::{GO_ON, PATIENCE, agent};
    use super::*;

    const HELLO: &str = "echo '{\"airlockAgent\":1}'";

    fn greeted(script: &str, password: Option<&str>) -> Result<Process, Failure> {
        let password = password.map(|password| Secret::new(password.to_owned()));
        greet(agent(script), "PROMPT:", password.as_ref(), PATIENCE, &GO_ON)
    }

    #[test]
    fn noise_before_the_greeting_is_no_greeting() {
        assert!(greeted(&format!("echo '*** authorised use only ***'; echo '{{}}'; {HELLO}"), None).is_ok());
        assert!(matches!(greeted("echo '{\"airlockAgent\":2}'", None), Err(Failure::Version(2))));
        let Err(Failure::Ended(last)) = greeted("echo no >&2; exit 5", None) else { panic!("it ended") };
        assert_eq!((last.status, last.errors), (Some(5), vec!["no".to_owned()]));
    }

    #[test]
    fn the_password_is_said_once_and_only_when_it_is_asked_for() {
        let asks =
            format!("printf 'PRO' >&2; sleep 0.1; printf 'MPT:' >&2; read p; test \"$p\" = right && {HELLO}");
        assert!(greeted(&asks, Some("right")).is_ok());
        assert!(matches!(greeted(&asks, None), Err(Failure::PasswordMissing)));
        let asks_again =
            "printf 'PROMPT:' >&2; read p; printf 'Sorry\\nPROMPT:' >&2; read p; echo \"$p\" >&2";
        assert!(matches!(greeted(asks_again, Some("wrong")), Err(Failure::PasswordWrong)));
        // Nobody asks: the first line that is read is the request.
        let mut process = greeted(
            &format!(
                "{HELLO}; read line; printf '{{\"error\":\"%s\"}}\\n' \"${{#line}}\"; echo '{{\"exit\":0}}'"
            ),
            Some("canary"),
        )
        .unwrap();
        let answer = talk(&mut process, Command::airlock(["x"]), &mut |_| {}, PATIENCE, &GO_ON).unwrap();
        let request = serde_json::to_string(&Command::airlock(["x"]).request).unwrap();
        assert_eq!(answer.errors, [request.len().to_string()]);
    }

    proptest! {
        #[test]
        fn a_prompt_is_found_however_it_is_cut(before in "[A-Z:]{0,9}", cuts in proptest::collection::vec(1usize..5, 0..20)) {
            let text = format!("{before}PROMPT:");
            let (mut prompts, mut rest, mut found) = (Prompts::of("PROMPT:"), text.as_bytes(), 0);
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                found += usize::from(prompts.show_up_in(piece));
                rest = after;
            }
            found += usize::from(prompts.show_up_in(rest));
            prop_assert!(found >= 1);
        }
    }
}
