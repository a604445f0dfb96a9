//! Prints nested facts as a tree with a column of details on the right.

use super::text::escape;

/// One line of a tree and what hangs below it.
#[derive(Clone, Debug, Default)]
pub struct Node {
    label: String,
    detail: String,
    children: Vec<Node>,
}

impl Node {
    /// A line without detail and children. Both texts of a node may be foreign; they are escaped.
    pub fn new(label: impl AsRef<str>) -> Self {
        Node { label: escape(label.as_ref()).into_owned(), ..Node::default() }
    }

    /// Sets what stands to the right of the label.
    pub fn with_detail(mut self, detail: impl AsRef<str>) -> Self {
        self.detail = escape(detail.as_ref()).into_owned();
        self
    }

    /// Hangs `child` below this line.
    pub fn push(&mut self, child: Node) {
        self.children.push(child);
    }

    /// The tree as lines, each with its line break. Details are aligned.
    pub fn render(&self) -> String {
        let mut lines = vec![(self.label.clone(), self.detail.as_str())];
        self.collect("", &mut lines);
        let has_detail = |(_, detail): &&(String, &str)| !detail.is_empty();
        let width = lines.iter().filter(has_detail).map(|(left, _)| left.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (left, detail) in lines {
            text.push_str(format!("{left:width$}  {detail}").trim_end());
            text.push('\n');
        }
        text
    }

    fn collect<'a>(&'a self, prefix: &str, lines: &mut Vec<(String, &'a str)>) {
        for (index, child) in self.children.iter().enumerate() {
            let is_last = index + 1 == self.children.len();
            let (branch, continuation) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            lines.push((format!("{prefix}{branch}{}", child.label), &child.detail));
            child.collect(&format!("{prefix}{continuation}"), lines);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_connect_and_details_align() {
        let mut image = Node::new("busybox:1.36").with_detail("2.1 MiB");
        image.push(Node::new("linux/amd64").with_detail("2.0 MiB"));
        let mut root = Node::new("edge 1.0");
        root.push(image);
        root.push(Node::new("/etc/\u{1b}motd").with_detail("12 B"));
        insta::assert_snapshot!(root.render(), @r"
        edge 1.0
        ├─ busybox:1.36     2.1 MiB
        │  └─ linux/amd64   2.0 MiB
        └─ /etc/\u{1b}motd  12 B
        ");
    }
}
