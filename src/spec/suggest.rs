//! "Did you mean": the nearest of a few known words.

/// The known word nearest to `typed`, if one is near enough to be meant.
pub(crate) fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Words beyond this length are no typing slips, and comparing them costs the product of the lengths.
    if typed.len() > 64 {
        return None;
    }
    let typed = typed.to_lowercase();
    let scored = known.into_iter().map(|word| (strsim::jaro_winkler(&typed, &word.to_lowercase()), word));
    scored.filter(|(score, _)| *score >= 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, word)| word)
}

/// `` `a`, `b` and `c` ``.
pub(crate) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["images", "files", "platforms"];
        assert_eq!(nearest("imges", known), Some("images"));
        assert_eq!(nearest("Platform", known), Some("platforms"));
        assert_eq!(nearest("volumes", known), None);
        assert_eq!(nearest(&"images".repeat(1000), known), None);
    }

    #[test]
    fn words_are_listed_as_one_says_them() {
        assert_eq!(listed(["a"]), "`a`");
        assert_eq!(listed(["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
