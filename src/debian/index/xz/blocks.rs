//! Where the blocks of an xz file are ("The .xz File Format", version 1.2.1).

use std::ops::Range;

/// Header and footer of a stream.
const HEADER: usize = 12;
const FOOTER: usize = 12;

/// What the format calls the filter LZMA2.
const LZMA2: u64 = 0x21;

/// Dictionaries of 16 MiB, in the notation of the format. Blocks with larger ones would need too much memory side by
/// side.
const LARGEST_DICTIONARY: u8 = 24;

/// One block, compressed by LZMA2 alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::debian::index) struct Block {
    /// The compressed bytes in the file.
    pub packed: Range<usize>,
    /// The size of the dictionary, in the notation of the format.
    pub dictionary: u8,
    /// How many bytes it decompresses to.
    pub text_length: usize,
}

/// The blocks of a file of one stream; `None` if it is anything else, or damaged.
pub(in crate::debian::index) fn of(file: &[u8]) -> Option<Vec<Block>> {
    let footer = file.len().checked_sub(FOOTER)?;
    let words = u32::from_le_bytes(file[footer + 4..footer + 8].try_into().ok()?);
    let index = footer.checked_sub((words as usize).checked_add(1)?.checked_mul(4)?)?;
    let check_length = match file[footer + 9] {
        0 => 0,
        1 => 4,
        4 => 8,
        10 => 32,
        _ => return None,
    };
    let mut records = Numbers(file.get(index + 1..footer)?);
    let mut blocks = Vec::new();
    let mut start = HEADER;
    for _ in 0..records.next()? {
        let (unpadded, text_length) = (records.next_size()?, records.next_size()?);
        let end = start.checked_add(unpadded)?;
        let (header_length, dictionary) = header(file.get(start..end)?)?;
        let packed = start + header_length..end.checked_sub(check_length)?;
        file.get(packed.clone())?;
        blocks.push(Block { packed, dictionary, text_length });
        start = end.checked_next_multiple_of(4)?;
    }
    // Several streams one behind the other have more before their last index.
    (start == index).then_some(blocks)
}

/// The length of a block's header and the size of its dictionary.
fn header(block: &[u8]) -> Option<(usize, u8)> {
    let length = (usize::from(*block.first()?) + 1) * 4;
    let flags = *block.get(1)?;
    let mut numbers = Numbers(block.get(2..length)?);
    // Bits 6 and 7: both sizes are repeated here. Bits 0 and 1: how many more filters there are.
    for _ in 0..(flags >> 6).count_ones() {
        numbers.next()?;
    }
    let is_lzma2 = flags & 0b11 == 0 && numbers.next()? == LZMA2 && numbers.next()? == 1;
    let dictionary = *numbers.0.first()?;
    (is_lzma2 && dictionary <= LARGEST_DICTIONARY).then_some((length, dictionary))
}

/// Reads numbers of seven bits a byte, the lowest first.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn next(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn next_size(&mut self) -> Option<usize> {
        usize::try_from(self.next()?).ok()
    }
}
