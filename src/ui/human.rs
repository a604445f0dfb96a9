//! Numbers as people read them. JSON output carries the exact ones instead.

use std::time::Duration;

/// A number of bytes with a binary unit and two to four digits: `1.4 GiB`, `112 MiB`, `512 B`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = 0;
    // 1023.5 would be printed as 1024.
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = usize::from(value < 99.95);
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// A duration in at most two units: `0.3 s`, `42 s`, `3 min 7 s`, `2 h 5 min`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=9 => format!("{:.1} s", duration.as_secs_f64()),
        10..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// An estimate of what is left, no more exact than an estimate is: `1 s`, `42 s`, `4 min`, `2 h 5 min`.
pub fn time_left(estimate: Duration) -> String {
    let seconds = estimate.as_secs();
    match seconds {
        0..=59 => format!("{} s", seconds.max(1)),
        60..=3599 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Bytes per second over a duration: `112 MiB/s`; nothing when too little time has passed to tell.
pub fn rate(bytes: u64, elapsed: Duration) -> Option<String> {
    let seconds = elapsed.as_secs_f64();
    (seconds >= 0.1).then(|| format!("{}/s", size((bytes as f64 / seconds) as u64)))
}

/// `1 blob`, `3 blobs`, `no blobs`. The plural is the word with an `s`.
pub fn count(number: u64, word: &str) -> String {
    match number {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        _ => format!("{number} {word}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_choose_their_unit() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (112 << 20, "112 MiB"),
            (1_073_217_535, "1023 MiB"),
            (1_503_238_554, "1.4 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn durations_choose_their_units() {
        for (milliseconds, text) in
            [(0, "0.0 s"), (340, "0.3 s"), (42_900, "42 s"), (187_000, "3 min 7 s"), (7_500_000, "2 h 5 min")]
        {
            assert_eq!(duration(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn estimates_are_rough() {
        for (seconds, text) in
            [(0, "1 s"), (59, "59 s"), (61, "2 min"), (3599, "60 min"), (7500, "2 h 5 min")]
        {
            assert_eq!(time_left(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn rates_need_time_and_counts_agree_with_their_word() {
        assert_eq!(rate(5 << 20, Duration::from_secs(2)).as_deref(), Some("2.5 MiB/s"));
        assert_eq!(rate(5 << 20, Duration::ZERO), None);
        assert_eq!((count(0, "blob"), count(1, "blob")), ("no blobs".to_owned(), "1 blob".to_owned()));
    }
}
