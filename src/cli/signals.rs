//! Interrupting a command: the first SIGINT or SIGTERM stops it in order, the second one at once.
//!
//! Every command is safe to kill at any instant, so stopping in order means only that the terminal is left
//! tidy and the user learns how to go on.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

use crate::error::{Error, Result, codes};

/// How long work that has changed nothing yet may take to close what it has opened.
const FAREWELL: Duration = Duration::from_secs(1);

/// How a command ended.
pub(super) enum Ending {
    /// By itself.
    Finished(Result<()>),
    /// By a signal, with what is told about it.
    Stopped(Signal, Error),
}

/// A signal that asks the process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGINT, Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Signal {
    /// 128 and the number of the signal, as shells do it.
    pub(super) fn exit_status(self) -> u8 {
        match self {
            Signal::Interrupt => 130,
            Signal::Terminate => 143,
        }
    }

    /// The error to print.
    pub(super) fn error(self) -> Error {
        let what = match self {
            Signal::Interrupt => "interrupted",
            Signal::Terminate => "terminated by SIGTERM",
        };
        Error::new(codes::INTERRUPTED, what)
            .with_help("run the same command again; it continues where this one stopped")
    }
}

/// Runs `command` on a new runtime until it ends or a signal arrives.
pub(super) fn run_until_stopped(command: impl Future<Output = Result<()>>) -> Ending {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Ending::Finished(Err(no_resources(error))),
    };
    let ending = runtime.block_on(async {
        match Signals::new() {
            Ok(signals) => signals.watch(command).await,
            Err(error) => Ending::Finished(Err(no_resources(error))),
        }
    });
    abandon(runtime);
    ending
}

/// What a command shares with the signals that looks itself whether it should stop.
#[derive(Clone, Default)]
pub(super) struct Interruption {
    stop: Arc<AtomicBool>,
    begun: Arc<AtomicBool>,
}

impl Interruption {
    /// Set by the first signal. Whoever works looks at it, and ends soon.
    pub(super) fn stop(&self) -> &Arc<AtomicBool> {
        &self.stop
    }

    /// From now on something is changed, and what comes of it is told even if a signal breaks it off.
    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }
}

/// Runs work on many machines: the first signal asks it to stop, and it ends by itself, telling what it leaves; the second
/// one ends it at once. As long as it only looks, or waits for somebody at the terminal, it is not waited for.
pub(super) fn run_in_order(interruption: Interruption, work: impl Future<Output = Result<()>>) -> Ending {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Ending::Finished(Err(no_resources(error))),
    };
    let ending = runtime.block_on(async {
        match Signals::new() {
            Ok(signals) => signals.break_off(interruption, work).await,
            Err(error) => Ending::Finished(Err(no_resources(error))),
        }
    });
    abandon(runtime);
    ending
}

/// Runs a server: the first signal asks it to stop, and it ends by itself; the second one ends it at once.
pub(super) fn run_server<F: Future<Output = Result<()>>>(server: impl FnOnce(Stop) -> F) -> Ending {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Ending::Finished(Err(no_resources(error))),
    };
    let ending = runtime.block_on(async {
        match Signals::new() {
            Ok(signals) => Ending::Finished(server(Stop(signals)).await),
            Err(error) => Ending::Finished(Err(no_resources(error))),
        }
    });
    abandon(runtime);
    ending
}

/// Waits for the signal that asks a server to stop.
pub(super) struct Stop(Signals);

impl Stop {
    /// Ends when the server is to stop.
    pub(super) async fn wait(mut self) {
        self.0.next().await;
        tokio::spawn(self.0.end_at_the_next());
    }
}

/// Work that still blocks a thread is not waited for; it is safe to kill and ends with the process. The
/// runtime is not shut down either: that work may wait for the network at this moment, and would panic.
fn abandon(runtime: Runtime) {
    std::mem::forget(runtime);
}

fn no_resources(error: io::Error) -> Error {
    Error::new(codes::RESOURCES, "the system refuses the few files and threads that airlock needs to start")
        .with_help("raise the limits of this shell, for example `ulimit -n 1024`, and run the command again")
        .with_source(error)
}

struct Signals {
    interrupt: Stream,
    terminate: Stream,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn watch(mut self, command: impl Future<Output = Result<()>>) -> Ending {
        let stopped = tokio::select! {
            result = command => return Ending::Finished(result),
            stopped = self.next() => stopped,
        };
        tokio::spawn(self.end_at_the_next());
        Ending::Stopped(stopped, stopped.error())
    }

    async fn break_off(
        mut self,
        interruption: Interruption,
        work: impl Future<Output = Result<()>>,
    ) -> Ending {
        let mut work = pin!(work);
        let signal = tokio::select! {
            result = &mut work => return Ending::Finished(result),
            signal = self.next() => signal,
        };
        interruption.stop.store(true, Ordering::Relaxed);
        tokio::spawn(self.end_at_the_next());
        let result = match interruption.begun.load(Ordering::Relaxed) {
            true => work.await,
            false => match tokio::time::timeout(FAREWELL, work).await {
                Ok(result) => result,
                Err(_) => return Ending::Stopped(signal, signal.error()),
            },
        };
        let is_told = interruption.begun.load(Ordering::Relaxed);
        match result {
            // It was done before it heard.
            Ok(()) => Ending::Finished(Ok(())),
            Err(error) if is_told || error.code() == codes::INTERRUPTED => Ending::Stopped(signal, error),
            // Looks and questions that were broken off have errors of all kinds.
            Err(_) => Ending::Stopped(signal, signal.error()),
        }
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }

    /// The user asked twice: whatever still cleans up is not waited for.
    async fn end_at_the_next(mut self) {
        let signal = self.next().await;
        std::process::exit(signal.exit_status().into());
    }
}
