//! Payloads around 4 GiB: built, split for FAT32, verified, and a flipped last byte is found.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::Stdio;

use airlock::oci::digest::Digest;

use super::Result;
use super::airlock_program::{Airlock, Place, remove, spec};
use super::measure::{Table, tell, timed};

/// The largest file FAT32 holds.
const VOLUME: u64 = u32::MAX as u64;
/// Exit status for damage.
const CORRUPT: i32 = 4;

/// Tries the three sizes one after the other.
pub fn run(airlock: &Airlock, table: &mut Table) -> Result<()> {
    for size in [(1u64 << 32) - 1, 1 << 32, (1 << 32) + 1] {
        tell(&format!("payload of {size} bytes"));
        let directory = airlock.output.join("sizes");
        let place = Place::fresh(&directory, "")?;
        // The end is unlike anything else, so that it can be found in the volumes.
        let mark = Digest::of(&size.to_le_bytes());
        let payload = directory.join("payload");
        make_payload(&payload, size, mark.bytes())?;
        fs_err::write(&place.spec, spec("http://127.0.0.1:9", &[], &[(payload, "/srv/payload")]))?;

        let limit = VOLUME.to_string();
        let cost = timed(&mut airlock.build(&place, &["--volume-size", &limit]))?;
        timed(&mut airlock.verify(&place.bundle, None))?;
        let volumes = place.volumes()?;
        for volume in &volumes {
            let length = fs_err::metadata(volume)?.len();
            table.at_most(&format!("{size} bytes: a volume"), length as f64, VOLUME as f64);
        }
        let flipped =
            volumes.iter().map(|volume| flip_last_byte(volume, mark.bytes())).collect::<Result<Vec<_>>>()?;
        if !flipped.contains(&true) {
            return Err("the end of the payload is in none of the volumes".into());
        }
        let status =
            airlock.verify(&place.bundle, None).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        let found = if status.code() == Some(CORRUPT) { 1.0 } else { 0.0 };
        table.fact(&format!("{size} bytes: build"), format!("{:.1} s", cost.time.as_secs_f64()));
        table.at_least(&format!("{size} bytes: flipped last byte found"), found, 1.0);
        remove(&directory)?;
    }
    Ok(())
}

fn make_payload(path: &Path, size: u64, mark: &[u8; 32]) -> Result<()> {
    let mut file = fs_err::File::create(path)?;
    file.set_len(size)?;
    file.seek(SeekFrom::Start(size - mark.len() as u64))?;
    Ok(file.write_all(mark)?)
}

// Searched for, so that nothing of ours decides where the payload lies.
fn flip_last_byte(volume: &Path, mark: &[u8; 32]) -> Result<bool> {
    // The last eight bytes are enough, and a cut in front of them does no harm.
    let Some(end) = find_end(volume, &mark[mark.len() - 8..])? else { return Ok(false) };
    let mut file = fs_err::OpenOptions::new().read(true).write(true).open(volume)?;
    let mut byte = [0];
    file.seek(SeekFrom::Start(end - 1))?;
    file.read_exact(&mut byte)?;
    file.seek(SeekFrom::Start(end - 1))?;
    file.write_all(&[byte[0] ^ 1])?;
    Ok(true)
}

// The offset behind the first place where `pattern` stands.
fn find_end(path: &Path, pattern: &[u8]) -> Result<Option<u64>> {
    let mut file = fs_err::File::open(path)?;
    // What may be the beginning of the pattern is carried over to the next piece.
    let (mut window, mut start) = (Vec::new(), 0u64);
    loop {
        let read = (&mut file).take(1 << 20).read_to_end(&mut window)?;
        if let Some(position) = window.windows(pattern.len()).position(|part| part == pattern) {
            return Ok(Some(start + (position + pattern.len()) as u64));
        }
        if read == 0 {
            return Ok(None);
        }
        let done = window.len().saturating_sub(pattern.len() - 1);
        window.drain(..done);
        start += done as u64;
    }
}
