//! Wall time and peak memory of a command, medians, and the table of promises.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Result;

/// What one run of a command took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Wall time.
    pub time: Duration,
    /// Peak resident memory in KiB, of the command itself.
    pub peak_kib: u64,
}

/// Runs a command to its end under time(1). A failure of the command is an error that shows what it said.
pub fn timed(command: &mut Command) -> Result<Cost> {
    let report = tempfile::NamedTempFile::new()?;
    let mut wrapped = Command::new("/usr/bin/time");
    wrapped.args(["--format", "%M", "--quiet", "--output"]).arg(report.path());
    wrapped.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        wrapped.env(name, value.unwrap_or_default());
    }
    if let Some(directory) = command.get_current_dir() {
        wrapped.current_dir(directory);
    }
    let start = Instant::now();
    let output = wrapped.output()?;
    let time = start.elapsed();
    if !output.status.success() {
        return Err(
            format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into()
        );
    }
    let peak_kib = fs_err::read_to_string(report.path())?.trim().parse()?;
    Ok(Cost { time, peak_kib })
}

/// Writes a file back and forgets its page cache, so that the next read comes from the medium.
pub fn make_cold(file: &Path) -> Result<()> {
    fs_err::File::open(file)?.sync_all()?;
    let input = format!("if={}", file.display());
    timed(Command::new("dd").args([&input, "iflag=nocache", "count=0", "status=none"]))?;
    Ok(())
}

/// The middle one of several durations, in seconds.
pub fn median(durations: &[Duration]) -> f64 {
    let mut seconds: Vec<f64> = durations.iter().map(Duration::as_secs_f64).collect();
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
}

/// How busy the machine is otherwise: the averages of uptime(1).
pub fn machine_load() -> Result<String> {
    let text = fs_err::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
}

/// Tells at once how far a long measurement is.
pub fn tell(text: &str) {
    // Nobody reads a line that cannot be written.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Facts and promises, printed at the end.
#[derive(Default)]
pub struct Table {
    facts: Vec<(String, String)>,
    promises: Vec<(String, f64, f64, bool)>,
}

impl Table {
    /// A figure without a promise.
    pub fn fact(&mut self, name: &str, value: impl Into<String>) {
        self.facts.push((name.to_owned(), value.into()));
    }

    /// A promise that `measured` is at most `limit`.
    pub fn at_most(&mut self, name: &str, measured: f64, limit: f64) {
        self.promises.push((format!("{name} at most"), measured, limit, measured <= limit));
    }

    /// A promise that `measured` is at least `limit`.
    pub fn at_least(&mut self, name: &str, measured: f64, limit: f64) {
        self.promises.push((format!("{name} at least"), measured, limit, measured >= limit));
    }

    /// Whether every promise was kept.
    pub fn all_kept(&self) -> bool {
        self.promises.iter().all(|(_, _, _, kept)| *kept)
    }

    /// Prints everything to stdout.
    pub fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for (name, value) in &self.facts {
            writeln!(out, "{name:<58} {value}")?;
        }
        for (name, measured, limit, kept) in &self.promises {
            let verdict = if *kept { "pass" } else { "MISS" };
            writeln!(out, "{name:<58} {limit:>8.2}  measured {measured:>8.2}  {verdict}")?;
        }
        Ok(())
    }
}
