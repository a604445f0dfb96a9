//! Prints rows in aligned columns, without borders, so that `awk` and people can read them.

use super::text::escape;

/// How the cells of a column are aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers and sizes.
    Right,
}

/// A table of text. Cells may be foreign strings; they are escaped.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table whose first row is the heads of its columns.
    pub fn new<const N: usize>(columns: [(&str, Align); N]) -> Self {
        let heads = columns.iter().map(|(head, _)| (*head).to_owned()).collect();
        Table { columns: columns.iter().map(|(_, align)| *align).collect(), rows: vec![heads] }
    }

    /// Adds a row. Cells beyond the number of columns are not printed, missing ones are empty.
    pub fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.iter().map(|cell| escape(cell).into_owned()).collect());
    }

    /// Whether there is no row besides the heads.
    pub fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    /// The table as lines, each with its line break; two spaces between columns.
    pub fn render(&self) -> String {
        let widths: Vec<usize> = (0..self.columns.len()).map(|column| self.width(column)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells =
                row.iter().zip(&self.columns).zip(&widths).map(|((cell, align), width)| match align {
                    Align::Left => format!("{cell:<width$}"),
                    Align::Right => format!("{cell:>width$}"),
                });
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_lines_end_without_spaces() {
        let mut table = Table::new([("NAME", Align::Left), ("SIZE", Align::Right), ("NOTE", Align::Left)]);
        assert!(table.is_empty());
        table.row(["busybox:1.36", "2.1 MiB", ""]);
        table.row(["größe", "512 B", "a\nb"]);
        insta::assert_snapshot!(table.render(), @r"
        NAME             SIZE  NOTE
        busybox:1.36  2.1 MiB
        größe           512 B  a\nb
        ");
    }
}
