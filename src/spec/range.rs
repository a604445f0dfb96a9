//! Ranges of host names as Ansible writes them: `node[01:16]`, `rack-[a:d]`, `10.0.0.[1:9:2]`; ends included.

use crate::quote::quote;

/// Most hosts of an inventory: what Kubernetes supports in one cluster ("Considerations for large clusters").
pub(super) const MAX_HOSTS: usize = 5000;

/// The names that a pattern stands for, in their order; itself if it has no range.
///
/// # Errors
/// What is wrong with a range, or that there are more than [`MAX_HOSTS`] names.
pub(super) fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let mut done = vec![String::new()];
    let mut rest = pattern;
    while let Some((before, range, after)) = next_range(rest)? {
        if done.len().saturating_mul(range.len()) > MAX_HOSTS {
            return Err(format!("`{}` stands for more than {MAX_HOSTS} hosts", quote(pattern)));
        }
        let joined =
            |start: &String| range.iter().map(|part| format!("{start}{before}{part}")).collect::<Vec<_>>();
        done = done.iter().flat_map(joined).collect();
        rest = after;
    }
    done.iter_mut().for_each(|name| name.push_str(rest));
    Ok(done)
}

/// What is before a range, what it stands for, and what is behind it.
type Parts<'a> = (&'a str, Vec<String>, &'a str);

/// What is before the first range, what it stands for, and what is behind it.
fn next_range(text: &str) -> Result<Option<Parts<'_>>, String> {
    for (open, _) in text.match_indices('[') {
        let Some((inside, after)) = text[open + 1..].split_once(']') else { return Ok(None) };
        if let Some(range) = Range::parse(inside) {
            return Ok(Some((&text[..open], range.words()?, after)));
        }
    }
    Ok(None)
}

/// `FIRST:LAST:STEP` between brackets.
struct Range<'a> {
    text: &'a str,
    first: &'a str,
    last: &'a str,
    step: &'a str,
}

impl<'a> Range<'a> {
    /// `None` for anything else that stands between brackets, such as an IPv6 address.
    fn parse(text: &'a str) -> Option<Range<'a>> {
        let mut parts = text.split(':');
        let (first, last) = (parts.next()?, parts.next()?);
        let step = parts.next();
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_letter = |text: &str| text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        let ends_fit =
            (first.is_empty() || is_number(first)) && is_number(last) || is_letter(first) && is_letter(last);
        let fits = ends_fit && step.is_none_or(is_number) && parts.next().is_none();
        fits.then_some(Range { text, first, last, step: step.unwrap_or("1") })
    }

    fn words(&self) -> Result<Vec<String>, String> {
        let wrong = |why: &str| format!("the range `[{}]` {why}", quote(self.text));
        let step = self.step.parse::<usize>().ok().filter(|step| *step > 0);
        let step = step.ok_or_else(|| wrong("has no usable step"))?;
        let (first, last) = (number(self.first), number(self.last));
        let (Some(first), Some(last)) = (first, last) else { return Err(wrong("is too large")) };
        let is_padded = self.first.len() > 1 && self.first.starts_with('0');
        if is_padded && self.first.len() != self.last.len() {
            return Err(wrong("has ends of different lengths"));
        }
        if first > last {
            return Err(wrong("ends before it begins"));
        }
        if (last - first) / step >= MAX_HOSTS {
            return Err(wrong(&format!("stands for more than {MAX_HOSTS} hosts")));
        }
        let width = if is_padded { self.first.len() } else { 0 };
        Ok((first..=last).step_by(step).map(|value| self.word(value, width)).collect())
    }

    fn word(&self, value: usize, width: usize) -> String {
        match self.last.bytes().all(|byte| byte.is_ascii_digit()) {
            true => format!("{value:0width$}"),
            // Letters were turned into numbers below, so this is one of them.
            false => LETTERS.get(value..=value).unwrap_or_default().to_owned(),
        }
    }
}

/// The letters in the order of Python's `string.ascii_letters`, which Ansible counts in.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// A number, or the position of a letter; nothing is 0.
fn number(text: &str) -> Option<usize> {
    match text {
        "" => Some(0),
        text if text.len() <= 9 => text.parse().ok().or_else(|| LETTERS.find(text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_those_of_ansible() {
        for (pattern, names) in [
            ("node1", "node1"),
            ("node[1:3]", "node1 node2 node3"),
            ("node[08:11]", "node08 node09 node10 node11"),
            ("node[:2]", "node0 node1 node2"),
            ("rack-[a:c]", "rack-a rack-b rack-c"),
            ("[y:B]", "y z A B"),
            ("10.0.0.[1:9:4]", "10.0.0.1 10.0.0.5 10.0.0.9"),
            ("r[1:2]n[1:2].lab", "r1n1.lab r1n2.lab r2n1.lab r2n2.lab"),
            ("[fd00::1]", "[fd00::1]"),
            ("node[1-3]", "node[1-3]"),
            ("node[1:3", "node[1:3"),
        ] {
            assert_eq!(expand(pattern).unwrap().join(" "), names, "{pattern}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_range_is_said() {
        for (pattern, why) in [
            ("n[5:1]", "ends before it begins"),
            ("n[01:100]", "different lengths"),
            ("n[1:9:0]", "no usable step"),
            ("n[1:100000]", "more than 5000"),
            ("n[1:100]-[1:100]", "more than 5000"),
            ("n[1:99999999999999999999]", "too large"),
        ] {
            let error = expand(pattern).unwrap_err();
            assert!(error.contains(why), "{pattern}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_gives_more_than_is_allowed(pattern in "(n|\\[|\\]|:|[0-9]{1,6}|[a-cA-C]|\\[[0-9]{1,4}:[0-9]{1,4}(:[0-9])?\\]){0,8}") {
            let names = expand(&pattern).unwrap_or_default();
            prop_assert!(names.len() <= MAX_HOSTS);
        }
    }
}
