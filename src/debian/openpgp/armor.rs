//! Finds the ASCII armor in a text and sees to it that there is nothing else (RFC 9580, 6.2).

use pgp::packet::{Packet, PacketParser, Signature};

/// More signatures than this are not looked at: each costs an attacker nothing and us a verification.
const MOST_SIGNATURES: usize = 16;

/// The blocks `-----BEGIN {label}-----` to `-----END {label}-----` of `text`, if it has only such blocks and
/// empty lines.
pub(super) fn blocks<'a>(text: &'a [u8], label: &str) -> Option<Vec<&'a [u8]>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut blocks = Vec::new();
    let mut start = None;
    let mut position = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let content = line.trim_ascii_end();
        match start {
            None if content == begin.as_bytes() => start = Some(position),
            None if content.is_empty() => {}
            None => return None,
            Some(from) if content == end.as_bytes() => {
                blocks.push(&text[from..position + line.len()]);
                start = None;
            }
            Some(_) if content.starts_with(b"-----") => return None,
            Some(_) => {}
        }
        position += line.len();
    }
    (start.is_none() && !blocks.is_empty()).then_some(blocks)
}

/// The signatures of armored blocks; `None` if they hold anything else, are damaged or too many.
pub(super) fn signatures(blocks: &[&[u8]]) -> Option<Vec<Signature>> {
    let mut signatures = Vec::new();
    for block in blocks {
        let mut armor = pgp::armor::Dearmor::new(*block);
        armor.read_header().ok()?;
        let mut packets = Vec::new();
        std::io::Read::read_to_end(&mut armor, &mut packets).ok()?;
        signatures.extend(binary_signatures(&packets)?);
    }
    (signatures.len() <= MOST_SIGNATURES).then_some(signatures)
}

/// The signatures of a binary detached signature; `None` if there is anything else.
pub(super) fn binary_signatures(packets: &[u8]) -> Option<Vec<Signature>> {
    let mut signatures = Vec::new();
    for packet in PacketParser::new(packets) {
        match packet {
            Ok(Packet::Signature(signature)) if signatures.len() < MOST_SIGNATURES => {
                signatures.push(signature)
            }
            _ => return None,
        }
    }
    (!signatures.is_empty()).then_some(signatures)
}
