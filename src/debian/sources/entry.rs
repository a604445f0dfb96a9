//! One entry of a list of sources in either form: fields with their values.

/// An entry whose fields have the names that stanzas use, in lower case.
#[derive(Debug)]
pub(super) struct Entry {
    /// 1-based line where it begins.
    pub line: usize,
    /// In the order of the file.
    pub fields: Vec<Field>,
}

/// A field of an entry.
#[derive(Debug)]
pub(super) struct Field {
    /// Its name, in lower case.
    pub name: String,
    /// Its value; lines are joined by `\n`.
    pub value: String,
    /// 1-based line where it begins.
    pub line: usize,
}

impl Entry {
    /// The value of a field; if there are several the last, as in apt.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.field(name).map(|field| field.value.as_str())
    }

    /// The words of a field; none if it is absent.
    pub fn words(&self, name: &str) -> Vec<String> {
        self.value(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    }

    /// The line of a field, or that of the entry.
    pub fn line_of(&self, name: &str) -> usize {
        self.field(name).map_or(self.line, |field| field.line)
    }

    /// Whether a field says no, in one of the words apt knows for it.
    pub fn is_off(&self, name: &str) -> bool {
        let no = ["no", "false", "without", "off", "disable", "0"];
        self.value(name).is_some_and(|value| no.iter().any(|word| value.trim().eq_ignore_ascii_case(word)))
    }

    fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().rev().find(|field| field.name == name)
    }
}
