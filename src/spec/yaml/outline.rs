//! Walks the structure of a document to say where in it a byte lies. Used for messages only.

use std::ops::Range;

use serde_saphyr::granit_parser::{Event, Parser};

/// One collection that encloses the current node.
enum Frame {
    Sequence { next_index: usize },
    Mapping { keys: Vec<Key>, value_follows: bool },
}

struct Key {
    name: String,
    span: Range<usize>,
}

/// One node and where in the document it is.
pub(super) struct Node {
    /// Keys and indices from the root, such as `images[2].platforms`; empty for the root itself.
    pub path: String,
    /// Whether it is the key of a map, and not a value.
    pub is_key: bool,
    /// The same key earlier in the same map, if this is a key and there is one.
    pub earlier: Option<Range<usize>>,
    /// What it is.
    pub kind: NodeKind,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeKind {
    Scalar,
    Sequence,
    Mapping,
}

/// The nodes that begin at byte `offset`, outermost first: a block map begins where its first key does, and
/// a list that is not indented where its first entry does. Stops without complaint at a syntax error.
pub(super) fn nodes_at(text: &str, offset: usize) -> Vec<Node> {
    let mut frames: Vec<Frame> = Vec::new();
    let mut nodes = Vec::new();
    for (event, span) in Parser::new_from_str(text).map_while(std::result::Result::ok) {
        let Some(span) = span.byte_range() else { break };
        let (kind, name) = match event {
            Event::Scalar(value, ..) => (NodeKind::Scalar, value.into_owned()),
            Event::Alias(..) => (NodeKind::Scalar, "*".to_owned()),
            Event::SequenceStart(..) => (NodeKind::Sequence, "[]".to_owned()),
            Event::MappingStart(..) => (NodeKind::Mapping, "{}".to_owned()),
            Event::SequenceEnd | Event::MappingEnd => {
                frames.pop();
                continue;
            }
            _ => continue,
        };
        if span.start > offset {
            break;
        }
        let is_key = enter(&mut frames, name, &span);
        if span.start == offset {
            let earlier = if is_key { earlier_key(&frames) } else { None };
            nodes.push(Node { path: path(&frames), is_key, earlier, kind });
        }
        match kind {
            NodeKind::Scalar => {}
            NodeKind::Sequence => frames.push(Frame::Sequence { next_index: 0 }),
            NodeKind::Mapping => frames.push(Frame::Mapping { keys: Vec::new(), value_follows: false }),
        }
    }
    nodes
}

/// The place of the value that belongs to the key in `span`, if there is a key.
pub(super) fn value_of_key(text: &str, span: &Range<usize>) -> Option<Range<usize>> {
    let is_key = nodes_at(text, span.start).last().is_some_and(|node| node.is_key);
    // Only a collection begins without text of its own; that it is where a key is does not make it one.
    if span.is_empty() || !is_key {
        return None;
    }
    let places = Parser::new_from_str(text).map_while(std::result::Result::ok);
    places.filter_map(|(_, place)| place.byte_range()).find(|place| place.start >= span.end)
}

/// Counts a node in the collection around it; says whether it is a key.
fn enter(frames: &mut [Frame], name: String, span: &Range<usize>) -> bool {
    match frames.last_mut() {
        Some(Frame::Sequence { next_index }) => {
            *next_index += 1;
            false
        }
        Some(Frame::Mapping { keys, value_follows }) => {
            if !*value_follows {
                keys.push(Key { name, span: span.clone() });
            }
            *value_follows = !*value_follows;
            *value_follows
        }
        None => false,
    }
}

fn earlier_key(frames: &[Frame]) -> Option<Range<usize>> {
    let Some(Frame::Mapping { keys, .. }) = frames.last() else { return None };
    let (last, earlier) = keys.split_last()?;
    earlier.iter().find(|key| key.name == last.name).map(|key| key.span.clone())
}

fn path(frames: &[Frame]) -> String {
    let mut path = String::new();
    for frame in frames {
        match frame {
            Frame::Sequence { next_index } => path += &format!("[{}]", next_index.saturating_sub(1)),
            Frame::Mapping { keys, .. } => {
                if !path.is_empty() {
                    path.push('.');
                }
                path += keys.last().map_or("", |key| key.name.as_str());
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a: 1\nb:\n  - c: x\n    d: [y, z]\n  - e\nb: 2\n";

    fn path_of(needle: &str) -> String {
        nodes_at(TEXT, TEXT.find(needle).unwrap()).pop().unwrap().path
    }

    #[test]
    fn values_are_found_by_their_path() {
        assert_eq!(path_of("1"), "a");
        assert_eq!(path_of("x"), "b[0].c");
        assert_eq!(path_of("z"), "b[0].d[1]");
        assert_eq!(path_of("e\n"), "b[1]");
        assert!(nodes_at(TEXT, 3000).is_empty());
    }

    #[test]
    fn a_second_key_knows_the_first() {
        let second = nodes_at(TEXT, TEXT.rfind("b: 2").unwrap()).pop().unwrap();
        assert_eq!((second.is_key, second.earlier), (true, Some(5..6)));
        assert_eq!(nodes_at(TEXT, 5).pop().unwrap().earlier, None);
    }

    #[test]
    fn a_key_leads_to_its_value() {
        let value_of = |key: &str| {
            let start = TEXT.find(key).unwrap();
            value_of_key(TEXT, &(start..start + key.len())).map(|value| &TEXT[value])
        };
        assert_eq!(value_of("a"), Some("1"));
        assert_eq!(value_of("c"), Some("x"));
        assert_eq!(value_of("x"), None);
        assert_eq!(value_of_key(TEXT, &(0..0)), None);
    }

    #[test]
    fn a_list_that_is_not_indented_begins_with_its_first_entry() {
        let nodes = nodes_at("a:\n- - b\n", 5);
        let found: Vec<_> = nodes.iter().map(|node| (node.path.as_str(), node.kind)).collect();
        assert_eq!(found, [("a", NodeKind::Sequence), ("a[0]", NodeKind::Sequence)]);
    }
}
