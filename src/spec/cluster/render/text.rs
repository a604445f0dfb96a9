//! Lines of YAML, with quotes only where they are needed.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use crate::spec::check::text::misread;

/// Collects lines.
pub(super) struct Writer {
    text: String,
    indentation: usize,
    directory: PathBuf,
}

impl Writer {
    /// `directory` is where the file will lie.
    pub fn new(directory: &Path) -> Writer {
        Writer { text: String::new(), indentation: 0, directory: directory.to_owned() }
    }

    pub fn finish(self) -> String {
        self.text
    }

    pub fn line(&mut self, line: &str) {
        self.text += &" ".repeat(self.indentation);
        self.text += line;
        self.text.push('\n');
    }

    /// Lines two columns further to the right.
    pub fn indented(&mut self, lines: impl FnOnce(&mut Writer)) {
        self.indentation += 2;
        lines(self);
        self.indentation -= 2;
    }

    /// A map under `key`, if there is anything in it.
    pub fn section(&mut self, key: &str, lines: impl FnOnce(&mut Writer)) {
        let before = self.text.len();
        self.line(&format!("{key}:"));
        let with_key = self.text.len();
        self.indented(lines);
        if self.text.len() == with_key {
            self.text.truncate(before);
        }
    }

    /// `- NAME`, or `- name: NAME` with more below it.
    pub fn entry(&mut self, name: &str, lines: impl FnOnce(&mut Writer)) {
        let before = self.text.len();
        self.indented(|writer| writer.item("name", name, lines));
        if self.text[before..].lines().count() == 1 {
            self.text.truncate(before);
            self.indented(|writer| writer.line(&format!("- {}", scalar(name))));
        }
    }

    /// `- KEY: VALUE` with more below it.
    pub fn item(&mut self, key: &str, value: &str, lines: impl FnOnce(&mut Writer)) {
        self.line(&format!("- {key}: {}", scalar(value)));
        self.indented(lines);
    }

    pub fn text(&mut self, key: &str, value: &str) {
        self.line(&format!("{key}: {}", scalar(value)));
    }

    pub fn text_if(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// A path, relative to the file where that is shorter.
    pub fn path_if(&mut self, key: &str, path: Option<&Path>) {
        let Some(path) = path else { return };
        let path = path.strip_prefix(&self.directory).unwrap_or(path).to_owned();
        self.text(key, &path.to_string_lossy());
    }

    /// A number or truth value.
    pub fn plain_if(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.line(&format!("{key}: {value}"));
        }
    }

    pub fn number_unless(&mut self, key: &str, value: u16, usual: u16) {
        self.plain_if(key, (value != usual).then_some(value));
    }

    pub fn texts<T: AsRef<str>>(&mut self, key: &str, values: &[T]) {
        if !values.is_empty() {
            let values: Vec<String> = values.iter().map(|value| scalar(value.as_ref())).collect();
            self.line(&format!("{key}: [{}]", values.join(", ")));
        }
    }

    pub fn map(&mut self, key: &str, entries: &BTreeMap<String, String>) {
        self.section(key, |writer| entries.iter().for_each(|(key, value)| writer.text(&scalar(key), value)));
    }
}

/// A text as YAML reads it back, also within `[…]`. It holds no control characters.
fn scalar(text: &str) -> String {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/@+=".contains(&byte);
    let begins = text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '/');
    let is_home = text.starts_with("~/");
    let is_plain = (begins || is_home) && text.trim_start_matches("~/").bytes().all(fits);
    match is_plain && misread(text).is_none() {
        true => text.to_owned(),
        false => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}
