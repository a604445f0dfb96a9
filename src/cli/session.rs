//! What a running command needs besides its own arguments.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::environment::Environment;
use super::options::GlobalOptions;
use super::passphrase::Prompt;
use super::signals::Interruption;
use crate::error::{Error, Result, codes};
use crate::progress::{Event, Progress};
use crate::ui::printer::Printer;
use crate::ui::progress::{Display, on_stderr};

/// Environment, output and progress of a command. Clones share them.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    environment: Environment,
    printer: Mutex<Printer>,
    progress: Arc<dyn Display>,
    prompt: Prompt,
    interruption: Interruption,
}

impl Session {
    pub(super) fn new(options: &GlobalOptions, environment: Environment) -> Self {
        Session(Arc::new(Inner {
            printer: Mutex::new(Printer::stdout(options.json)),
            progress: on_stderr(options.progress_settings(&environment)),
            environment,
            prompt: Prompt::default(),
            interruption: Interruption::default(),
        }))
    }

    /// Variables and directories of the process.
    pub fn environment(&self) -> &Environment {
        &self.0.environment
    }

    /// Where long work reports to.
    pub fn progress(&self) -> &dyn Progress {
        &*self.0.progress
    }

    /// The same, for work that lives on other threads.
    pub fn shared_progress(&self) -> Arc<dyn Progress> {
        self.0.progress.clone()
    }

    /// Asks for passphrases.
    pub(super) fn prompt(&self) -> &Prompt {
        &self.0.prompt
    }

    /// What work on many machines shares with the signals.
    pub(super) fn interruption(&self) -> &Interruption {
        &self.0.interruption
    }

    /// Tells something the user should know although the work goes on.
    pub fn warn(&self, text: &str) {
        self.0.progress.event(Event::Warning { text });
    }

    /// Tells what was done on the way, such as changes of the lock.
    pub fn note(&self, text: &str) {
        self.0.progress.event(Event::Note { text });
    }

    /// Prints the result of the command, see [`Printer::result`].
    pub fn print<T: Serialize>(&self, value: &T, human: impl FnOnce(&T) -> String) -> Result<()> {
        let (mut human, mut printed) = (Some(human), Ok(()));
        self.0.progress.aside(&mut || {
            if let Some(human) = human.take() {
                printed = self.0.printer.lock().unwrap_or_else(PoisonError::into_inner).result(value, human);
            }
        });
        printed
    }

    /// Runs work that blocks its thread (disks, hashing) beside the one that waits for signals.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Session) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let session = self.clone();
        let joined = tokio::task::spawn_blocking(move || work(&session)).await;
        joined.map_err(|error| {
            Error::new(codes::INTERNAL, "the command stopped because of a bug").with_source(error)
        })?
    }

    /// Gives the terminal back: no bars, echo as it was.
    pub(super) fn close(&self) {
        self.0.progress.close();
        self.0.prompt.restore_terminal();
    }
}
