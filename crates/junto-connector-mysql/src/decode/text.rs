//! Text columns: views whose short values stand in the view itself, long ones in blocks.
//!
//! Own code beside Arrow's builder, because most of a scan's columns hold short texts and each is one store here. Whether
//! texts are UTF-8 is asked once for a run of them, as long as they are ASCII.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringViewArray};
use arrow_buffer::{Buffer, NullBufferBuilder, ScalarBuffer};

use crate::wire::Cursor;

/// Bytes that stand in the view itself (Arrow columnar format, "Variable-size Binary View Layout").
const INLINE: usize = 12;
/// The same, as a length is written.
const SHORT: u8 = INLINE as u8;
/// The bits that no ASCII byte has.
const NOT_ASCII: u128 = 0x8080_8080_8080_8080_8080_8080_8080_8080;
/// Room of a block. Blocks that double would hold megabytes for a batch of short texts.
const BLOCK: usize = 64 << 10;
/// Long texts are copied in steps of so many bytes, past their end where there are bytes.
const STEP: usize = 32;
/// Longer ones are copied as they are.
const FEW_STEPS: usize = 4 * STEP;
/// By the length of a short text: the bits of its view that hold it.
const TEXT_BITS: [u128; INLINE + 1] = text_bits();

/// A text column in the making.
#[derive(Debug)]
pub(super) struct TextBuilder {
    views: Vec<u128>,
    nulls: NullBufferBuilder,
    /// Texts end at `used`.
    block: Vec<u8>,
    used: usize,
    /// Up to here the block's texts are known to be UTF-8.
    checked: usize,
    full_blocks: Vec<Buffer>,
}

/// Why a run of texts stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextFailure {
    NotUtf8,
    /// The bytes end within the text.
    Broken,
}

impl TextBuilder {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self {
            views: Vec::with_capacity(capacity),
            nulls: NullBufferBuilder::new(capacity),
            block: Vec::new(),
            used: 0,
            checked: 0,
            full_blocks: Vec::new(),
        }
    }

    pub(super) fn append_null(&mut self) {
        self.views.push(0);
        self.nulls.append_null();
    }

    /// Appends a text. Says whether it was one: bytes that are not UTF-8 are not appended.
    pub(super) fn append(&mut self, text: &[u8]) -> bool {
        if !text.is_ascii() && std::str::from_utf8(text).is_err() {
            return false;
        }
        if text.len() > INLINE {
            let _ = self.append_long(text, text);
            self.checked = self.used;
        } else {
            self.views.push(short_view(text));
        }
        self.nulls.append_non_null();
        true
    }

    /// Appends the texts that stand, each after its length, at these places of `bytes`. Moves each place behind its text.
    ///
    /// # Errors
    /// With the number of the text that is none. The column is of no use then.
    pub(super) fn append_run(&mut self, bytes: &[u8], places: &mut [u32]) -> Result<(), (usize, TextFailure)> {
        let first = self.views.len();
        self.views.reserve(places.len());
        let (mut seen, mut is_ascii) = (0, true);
        for (at, place) in places.iter_mut().enumerate() {
            let ahead = bytes.get(*place as usize..).unwrap_or_default();
            if let Some([length @ 0..=SHORT, text @ ..]) = ahead.first_chunk::<{ INLINE + 1 }>() {
                let view = (padded(text) & TEXT_BITS[usize::from(*length)]) | u128::from(*length);
                seen |= view;
                self.views.push(view);
                *place += 1 + u32::from(*length);
                continue;
            }
            let mut cursor = Cursor::new(ahead);
            let text = cursor.try_bytes().ok_or((at, TextFailure::Broken))?;
            let end = ahead.len() - cursor.remaining();
            if text.len() > INLINE {
                is_ascii &= self.append_long(text, &ahead[end - text.len()..]);
            } else {
                let view = short_view(text);
                seen |= view;
                self.views.push(view);
            }
            *place += end as u32;
        }
        self.nulls.append_n_non_nulls(places.len());
        is_ascii &= self.check_block();
        if is_ascii && seen & NOT_ASCII == 0 { Ok(()) } else { self.check_texts(first) }
    }

    /// Length, first four bytes, number of the block, place in the block. Packets, and so texts, are smaller than 4 GB.
    /// `ahead` begins with the text and goes on after it. Says whether the block that had to make room, if one had to,
    /// was ASCII where it was not checked yet.
    #[inline]
    fn append_long(&mut self, text: &[u8], ahead: &[u8]) -> bool {
        let is_ascii = self.used + text.len() <= self.block.len() || self.next_block(text.len());
        let place = self.used;
        let steps = text.len().next_multiple_of(STEP);
        match (self.block.get_mut(place..place + steps), ahead.get(..steps)) {
            (Some(to), Some(from)) if text.len() <= FEW_STEPS => {
                to.as_chunks_mut::<STEP>().0.copy_from_slice(from.as_chunks().0);
            }
            _ => self.block[place..place + text.len()].copy_from_slice(text),
        }
        self.used += text.len();
        let start = text.first_chunk().map_or(0, |start| u32::from_le_bytes(*start));
        let block = self.full_blocks.len() as u128;
        self.views.push(text.len() as u128 | u128::from(start) << 32 | block << 64 | (place as u128) << 96);
        is_ascii
    }

    #[cold]
    fn next_block(&mut self, length: usize) -> bool {
        let is_ascii = self.check_block();
        self.end_block();
        self.block = vec![0; length.max(BLOCK)];
        is_ascii
    }

    fn end_block(&mut self) {
        self.block.truncate(self.used);
        self.used = 0;
        self.checked = 0;
        if !self.block.is_empty() {
            self.full_blocks.push(Buffer::from_vec(std::mem::take(&mut self.block)));
        }
    }

    /// Whether the texts that came into the block since the last check are ASCII.
    fn check_block(&mut self) -> bool {
        let is_ascii = self.block[self.checked..self.used].is_ascii();
        self.checked = self.used;
        is_ascii
    }

    /// Checks the texts from view `first` on one by one.
    #[cold]
    fn check_texts(&self, first: usize) -> Result<(), (usize, TextFailure)> {
        for (at, view) in self.views[first..].iter().enumerate() {
            let length = *view as u32 as usize;
            let is_text = if length <= INLINE {
                std::str::from_utf8(&view.to_le_bytes()[4..4 + length]).is_ok()
            } else {
                let (block, place) = ((view >> 64) as u32 as usize, (view >> 96) as usize);
                let block = self.full_blocks.get(block).map_or(self.block.as_slice(), Buffer::as_slice);
                block.get(place..place + length).is_some_and(|text| std::str::from_utf8(text).is_ok())
            };
            if !is_text {
                return Err((at, TextFailure::NotUtf8));
            }
        }
        Ok(())
    }

    /// The column so far; the builder begins anew, with room for as many texts again.
    pub(super) fn finish(&mut self) -> ArrayRef {
        self.end_block();
        let capacity = self.views.len();
        let views = std::mem::replace(&mut self.views, Vec::with_capacity(capacity));
        let blocks = std::mem::take(&mut self.full_blocks);
        let nulls = self.nulls.finish();
        #[expect(unsafe_code, reason = "the safe constructor checks every text a second time, a tenth of a scan")]
        // SAFETY: `append` and `append_run` check that each text is UTF-8, and make its view of the bytes they put into
        // these blocks. After a failure of `append_run` the reader drops the builder.
        let array = unsafe { StringViewArray::new_unchecked(ScalarBuffer::from(views), blocks, nulls) };
        Arc::new(array)
    }
}

/// The view of a short text: its length, then the text, then zeros.
fn short_view(text: &[u8]) -> u128 {
    let mut bytes = [0; INLINE];
    bytes[..text.len()].copy_from_slice(text);
    padded(&bytes) | text.len() as u128
}

/// Text in its place in a view.
#[inline]
fn padded(text: &[u8; INLINE]) -> u128 {
    let mut view = [0; 16];
    view[4..].copy_from_slice(text);
    u128::from_le_bytes(view)
}

const fn text_bits() -> [u128; INLINE + 1] {
    let mut masks = [0; INLINE + 1];
    let mut length = 0;
    while length <= INLINE {
        masks[length] = ((1 << (8 * length)) - 1) << 32;
        length += 1;
    }
    masks
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Array;
    use proptest::prelude::*;

    /// Texts as they stand in rows, with something before and after each.
    fn rows(texts: &[Vec<u8>]) -> (Vec<u8>, Vec<u32>) {
        let (mut bytes, mut places) = (Vec::new(), Vec::new());
        for text in texts {
            bytes.extend_from_slice(b"before");
            places.push(bytes.len() as u32);
            match text.len() {
                short @ 0..=250 => bytes.push(short as u8),
                long => bytes.extend_from_slice(&[&[0xFC], &(long as u16).to_le_bytes()[..]].concat()),
            }
            bytes.extend_from_slice(text);
        }
        (bytes, places)
    }

    #[test]
    fn a_run_says_which_text_is_none() {
        let long = [vec![b'x'; 40], vec![0xC3]].concat();
        for wrong in [vec![0xFF], long] {
            let (bytes, mut places) = rows(&[b"a".to_vec(), "é".repeat(30).into_bytes(), wrong, b"b".to_vec()]);
            let failed = TextBuilder::with_capacity(4).append_run(&bytes, &mut places);
            assert_eq!(failed, Err((2, TextFailure::NotUtf8)));
        }
        // Halves of a character in neighbouring texts make none of them one.
        let halves = [[vec![b'x'; 40], vec![0xC3]].concat(), [vec![0xA9], vec![b'x'; 40]].concat()];
        let (bytes, mut places) = rows(&halves);
        let failed = TextBuilder::with_capacity(2).append_run(&bytes, &mut places);
        assert_eq!(failed, Err((0, TextFailure::NotUtf8)));
        let (bytes, mut places) = rows(&[vec![b'x'; 40]]);
        let failed = TextBuilder::with_capacity(1).append_run(&bytes[..20], &mut places);
        assert_eq!(failed, Err((0, TextFailure::Broken)));
    }

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

        #[test]
        fn runs_of_texts_come_back(
            runs in proptest::collection::vec(proptest::collection::vec("[a-z]{0,30}|.{0,40}|.{9000}", 0..30), 0..4),
        ) {
            let mut builder = TextBuilder::with_capacity(0);
            for run in &runs {
                let (bytes, mut places) = rows(&run.iter().map(|text| text.clone().into_bytes()).collect::<Vec<_>>());
                builder.append_run(&bytes, &mut places).expect("texts");
                let ends = places.iter().zip(run).rev().scan(bytes.len() as u32, |end, (place, text)| {
                    let is_right = *place == *end;
                    *end = *place - text.len() as u32 - if text.len() > 250 { 3 } else { 1 } - 6;
                    Some(is_right)
                });
                prop_assert!(ends.into_iter().all(|is_right| is_right));
            }
            let array = builder.finish();
            let array = array.as_any().downcast_ref::<StringViewArray>().expect("text");
            prop_assert_eq!(array, &StringViewArray::from_iter_values(runs.concat()));
        }
    }
}
