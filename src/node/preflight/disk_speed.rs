//! How long a small write takes until it is safe, as etcd makes them: 2300 bytes, then fdatasync.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Error, Result, codes};

/// Bytes of one write.
const WRITE: usize = 2300;
/// Writes of a whole measurement: 22 MiB.
const WRITES: usize = 10_000;
/// Fewer than these say nothing about one in a hundred.
const FEWEST: usize = 100;

/// The time within which 99 of 100 writes to the disk of `directory` are safe, in microseconds. Stops after `limit`,
/// or as soon as enough was measured. The file is gone afterwards, however this ends.
///
/// # Errors
/// `E1005` if the directory cannot be written to, or the disk is so slow that nothing can be said.
pub fn measure(directory: &Path, limit: Duration) -> Result<u64> {
    let mut times = latencies(directory, limit).map_err(|error| failed(directory).with_source(error))?;
    if times.len() < FEWEST {
        let detail = format!("only {} writes were done in {} s", times.len(), limit.as_secs());
        return Err(failed(directory).with_detail(detail));
    }
    times.sort_unstable();
    let index = (times.len() * 99).div_ceil(100) - 1;
    // Some hundred writes at least, so the index is within.
    let slow = times.get(index).copied().unwrap_or_default();
    Ok(u64::try_from(slow.as_micros()).unwrap_or(u64::MAX))
}

fn failed(directory: &Path) -> Error {
    let message = format!("the speed of the disk of {} could not be measured", directory.display());
    Error::new(codes::DISK_MEASUREMENT, message)
        .with_help("run the command as root, make room, or leave out `--measure-disk`")
}

fn latencies(directory: &Path, limit: Duration) -> io::Result<Vec<Duration>> {
    let mut file = unnamed(directory)?;
    let begin = Instant::now();
    let mut times = Vec::with_capacity(WRITES);
    while times.len() < WRITES && begin.elapsed() < limit {
        let before = Instant::now();
        file.write_all(&[0x5a; WRITE])?;
        rustix::fs::fdatasync(file.file())?;
        times.push(before.elapsed());
    }
    Ok(times)
}

/// A file that has lost its name already: it is gone when the process ends, however that happens.
fn unnamed(directory: &Path) -> io::Result<fs_err::File> {
    let path = directory.join(format!(".airlock-disk-speed.{}.partial", std::process::id()));
    let file = fs_err::OpenOptions::new().write(true).create_new(true).open(&path)?;
    fs_err::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        // A slow disk of a test machine may do too few; both answers are right.
        if let Err(error) = measure(directory.path(), Duration::from_millis(200)) {
            assert_eq!(error.code(), codes::DISK_MEASUREMENT);
        }
        assert_eq!(fs_err::read_dir(directory.path()).unwrap().count(), 0);
        let error = measure(&directory.path().join("none"), Duration::ZERO).expect_err("it is not there");
        assert_eq!(error.kind().exit_status(), 11);
    }
}
