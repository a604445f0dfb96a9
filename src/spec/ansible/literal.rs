//! Values of variables: Ansible reads them as Python literals and, where that fails, as plain text
//! (Python language reference, 2.4 and 6.2).

/// Deepest nesting of lists and maps.
const MAX_DEPTH: usize = 8;

/// What a variable is set to. Numbers and truth values stay the words that they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// `None`.
    Nothing,
    Text(String),
    /// A list or tuple.
    List(Vec<Value>),
    /// A dictionary.
    Map(Vec<(Value, Value)>),
}

/// The value that `text` stands for.
pub(super) fn value(text: &str) -> Value {
    let mut parser = Parser { rest: text.trim() };
    let literal = parser.value(0);
    parser.skip_blanks();
    match literal {
        // Python knows comments too: `9000  # the port`.
        Some(value) if parser.rest.is_empty() || parser.rest.starts_with('#') => value,
        _ => Value::Text(text.to_owned()),
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: char) -> bool {
        self.skip_blanks();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        self.skip_blanks();
        match self.rest.chars().next().filter(|_| depth < MAX_DEPTH)? {
            quote @ ('\'' | '"') => self.text(quote).map(Value::Text),
            '[' => self.list('[', ']', depth),
            '(' => self.list('(', ')', depth),
            '{' => self.map(depth),
            _ => self.word(),
        }
    }

    /// A number, `True`, `False` or `None`; other words are no literals.
    fn word(&mut self) -> Option<Value> {
        let ends = |character: char| character.is_whitespace() || ",:]})#".contains(character);
        let (word, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        let is_number = word.parse::<f64>().is_ok() && word.ends_with(|last: char| last.is_ascii_digit());
        let value = match word {
            "None" => Value::Nothing,
            word if is_number || matches!(word, "True" | "False") => Value::Text(word.to_owned()),
            _ => return None,
        };
        self.rest = rest;
        Some(value)
    }

    fn text(&mut self, quote: char) -> Option<String> {
        let mut characters = self.rest.get(1..)?.chars();
        let mut text = String::new();
        loop {
            match characters.next()? {
                character if character == quote => break,
                '\\' => match characters.next()? {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    next @ ('\\' | '\'' | '"') => text.push(next),
                    next => text.extend(['\\', next]),
                },
                character => text.push(character),
            }
        }
        self.rest = characters.as_str();
        Some(text)
    }

    fn list(&mut self, open: char, close: char, depth: usize) -> Option<Value> {
        let mut values = Vec::new();
        self.take(open);
        while !self.take(close) {
            values.push(self.value(depth + 1)?);
            if !self.take(',') {
                return self.take(close).then_some(Value::List(values));
            }
        }
        Some(Value::List(values))
    }

    fn map(&mut self, depth: usize) -> Option<Value> {
        let mut entries = Vec::new();
        self.take('{');
        while !self.take('}') {
            let key = self.value(depth + 1)?;
            if !self.take(':') {
                return None;
            }
            entries.push((key, self.value(depth + 1)?));
            if !self.take(',') {
                return self.take('}').then_some(Value::Map(entries));
            }
        }
        Some(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn literals_are_those_of_python() {
        for (typed, meant) in [
            ("9000", text("9000")),
            ("9000  # the port", text("9000")),
            ("'a b'", text("a b")),
            (r#""it's""#, text("it's")),
            ("True", text("True")),
            ("None", Value::Nothing),
            ("['a', \"b\",]", Value::List(vec![text("a"), text("b")])),
            ("(1, 2)", Value::List(vec![text("1"), text("2")])),
            ("{'a': 'b'}", Value::Map(vec![(text("a"), text("b"))])),
            ("[]", Value::List(vec![])),
        ] {
            assert_eq!(value(typed), meant, "{typed}");
        }
    }

    #[test]
    fn everything_else_is_text() {
        for typed in [
            "eth1",
            "eth1 # no comment",
            "true",
            "['a'",
            "a b",
            "{{ x }}",
            "'a' b",
            "",
            "#",
            "10.0.0.1",
            "inf",
        ] {
            assert_eq!(value(typed), text(typed), "{typed}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(value(&deep), text(&deep));
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(typed in "[\\[\\]{}(),:'\"\\\\a1 #ß]{0,40}") {
            value(&typed);
        }
    }
}
