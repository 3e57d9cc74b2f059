//! Text columns: views whose short values stand in the view itself, long ones in blocks.
//!
//! Own code beside Arrow's builder, because most of a scan's columns hold short texts and each is one store here.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringViewArray};
use arrow_buffer::{Buffer, NullBufferBuilder, ScalarBuffer};

/// Bytes that stand in the view itself (Arrow columnar format, "Variable-size Binary View Layout").
const INLINE: usize = 12;
/// The bits that no ASCII byte has.
const NOT_ASCII: u128 = 0x8080_8080_8080_8080_8080_8080_8080_8080;
/// Room of a block. Blocks that double would hold megabytes for a batch of short texts.
const BLOCK: usize = 64 << 10;

/// A text column in the making.
#[derive(Debug)]
pub(super) struct TextBuilder {
    views: Vec<u128>,
    nulls: NullBufferBuilder,
    block: Vec<u8>,
    full_blocks: Vec<Buffer>,
}

impl TextBuilder {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self {
            views: Vec::with_capacity(capacity),
            nulls: NullBufferBuilder::new(capacity),
            block: Vec::new(),
            full_blocks: Vec::new(),
        }
    }

    pub(super) fn append_null(&mut self) {
        self.views.push(0);
        self.nulls.append_null();
    }

    /// Appends a text. Says whether it was one: bytes that are not UTF-8 are not appended.
    #[inline]
    pub(super) fn append(&mut self, bytes: &[u8]) -> bool {
        self.append_within(bytes, bytes)
    }

    /// As [`Self::append`]; `ahead` begins with a short text and goes on after it, so that a copy of fixed length can be
    /// taken and cut.
    #[inline]
    pub(super) fn append_within(&mut self, bytes: &[u8], ahead: &[u8]) -> bool {
        if bytes.len() > INLINE {
            if !bytes.is_ascii() && std::str::from_utf8(bytes).is_err() {
                return false;
            }
            self.append_long(bytes);
        } else {
            let view = short_view(bytes, ahead);
            if view & NOT_ASCII != 0 && std::str::from_utf8(bytes).is_err() {
                return false;
            }
            self.views.push(view);
        }
        self.nulls.append_non_null();
        true
    }

    /// Length, first four bytes, number of the block, place in the block. Packets, and so texts, are smaller than 4 GB.
    fn append_long(&mut self, bytes: &[u8]) {
        if self.block.len() + bytes.len() > self.block.capacity() {
            self.end_block();
            self.block.reserve(bytes.len().max(BLOCK));
        }
        let place = self.block.len() as u32;
        self.block.extend_from_slice(bytes);
        let mut view = [0; 16];
        view[..4].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        view[4..8].copy_from_slice(&bytes[..4]);
        view[8..12].copy_from_slice(&(self.full_blocks.len() as u32).to_le_bytes());
        view[12..].copy_from_slice(&place.to_le_bytes());
        self.views.push(u128::from_le_bytes(view));
    }

    fn end_block(&mut self) {
        if !self.block.is_empty() {
            self.full_blocks.push(Buffer::from_vec(std::mem::take(&mut self.block)));
        }
    }

    /// The column so far; the builder begins anew, with room for as many texts again.
    pub(super) fn finish(&mut self) -> ArrayRef {
        self.end_block();
        let capacity = self.views.len();
        let views = std::mem::replace(&mut self.views, Vec::with_capacity(capacity));
        let blocks = std::mem::take(&mut self.full_blocks);
        let nulls = self.nulls.finish();
        #[expect(unsafe_code, reason = "the safe constructor checks every text a second time, a tenth of a scan")]
        // SAFETY: `append` checked that each text is UTF-8, and made its view of the bytes it put into these blocks.
        let array = unsafe { StringViewArray::new_unchecked(ScalarBuffer::from(views), blocks, nulls) };
        Arc::new(array)
    }
}

/// Length, then the text, then zeros.
#[inline]
fn short_view(bytes: &[u8], ahead: &[u8]) -> u128 {
    let length = bytes.len();
    let mut view = [0; 16];
    match ahead.first_chunk::<INLINE>() {
        Some(chunk) => view[..INLINE].copy_from_slice(chunk),
        None => view[..length].copy_from_slice(bytes),
    }
    let text = u128::from_le_bytes(view) & ((1 << (8 * length)) - 1);
    text << 32 | length as u128
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Array;
    use proptest::prelude::*;

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let mut builder = TextBuilder::with_capacity(1);
        assert!(!builder.append(&[0xFF]) && builder.append("é".as_bytes()));
        assert_eq!(builder.finish().len(), 1);
    }

    proptest! {
        #[test]
        fn texts_come_back(texts in proptest::collection::vec(proptest::option::of(".{0,40}|.{9000}"), 0..30)) {
            let mut builder = TextBuilder::with_capacity(0);
            for text in &texts {
                match text {
                    Some(text) => prop_assert!(builder.append(text.as_bytes())),
                    None => builder.append_null(),
                }
            }
            let array = builder.finish();
            let array = array.as_any().downcast_ref::<StringViewArray>().expect("text");
            prop_assert_eq!(array, &StringViewArray::from_iter(texts));
        }
    }
}
