//! Cuts a `COPY … (FORMAT binary)` into tuples, wherever the server or a proxy cut its messages.

use junto_connector::{Error, Result};

use super::rows::Rows;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Signature, flags, length of the extension.
const HEADER: usize = 19;
/// Field count of the trailer.
const TRAILER: [u8; 2] = [0xff, 0xff];

/// State between two messages.
#[derive(Debug)]
pub(crate) struct CopyStream {
    header_read: bool,
    trailer_read: bool,
    /// Bytes of a tuple whose rest has not come yet.
    kept: Vec<u8>,
}

impl CopyStream {
    pub(crate) fn new() -> Self {
        Self { header_read: false, trailer_read: false, kept: Vec::new() }
    }

    /// Decodes a message's tuples into `rows`, which the caller empties when they are full: normally a message holds
    /// one tuple. Tuples beyond a full batch wait for [`Self::resume`].
    pub(crate) fn message(&mut self, bytes: &[u8], rows: &mut Rows) -> Result<()> {
        if !self.kept.is_empty() {
            self.kept.extend_from_slice(bytes);
            return self.resume(rows);
        }
        let rest = self.tuples(bytes, rows)?;
        self.kept.extend_from_slice(rest);
        Ok(())
    }

    /// Decodes what waits.
    pub(crate) fn resume(&mut self, rows: &mut Rows) -> Result<()> {
        let kept = std::mem::take(&mut self.kept);
        let rest = self.tuples(&kept, rows)?;
        self.kept = rest.to_vec();
        Ok(())
    }

    /// Whether everything up to the trailer was read: an end before it is not an end.
    pub(crate) fn is_complete(&self) -> bool {
        self.trailer_read && self.kept.is_empty()
    }

    /// Whether bytes wait for [`Self::resume`] or for more.
    pub(crate) fn has_kept(&self) -> bool {
        !self.kept.is_empty()
    }

    fn tuples<'a>(&mut self, bytes: &'a [u8], rows: &mut Rows) -> Result<&'a [u8]> {
        let mut rest = bytes;
        if !self.header_read {
            match header(rest)? {
                Some(after) => rest = after,
                None => return Ok(rest),
            }
            self.header_read = true;
        }
        while !rest.is_empty() && !rows.is_full() {
            if self.trailer_read {
                return Err(Error::internal("the server sent more after the end of a COPY"));
            }
            if let Some(after) = rest.strip_prefix(&TRAILER) {
                self.trailer_read = true;
                rest = after;
                continue;
            }
            match rows.row(rest)? {
                Some(after) => rest = after,
                None => break,
            }
        }
        Ok(rest)
    }
}

/// What follows the header; none when it is not there in full.
fn header(bytes: &[u8]) -> Result<Option<&[u8]>> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
    let [.., a, b, c, d] = *header;
    if !header.starts_with(SIGNATURE) {
        return Err(Error::internal("the server sent a COPY without its signature"));
    }
    let extension = u32::from_be_bytes([a, b, c, d]) as usize;
    if extension > 1 << 20 {
        return Err(Error::internal("the server sent a COPY with an impossible header"));
    }
    Ok(rest.get(extension..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Field, Int32Type, Schema};
    use std::sync::Arc;

    fn rows(batch_rows: usize) -> Rows {
        let schema =
            Schema::new(vec![Field::new("a", DataType::Int32, true), Field::new("b", DataType::Utf8View, true)]);
        Rows::new(Arc::new(schema), &[], batch_rows).expect("readable types")
    }

    fn stream() -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0; 8]);
        for value in 0..5_i32 {
            bytes.extend([0, 2, 0, 0, 0, 4]);
            bytes.extend(value.to_be_bytes());
            bytes.extend(if value == 3 { vec![0xff; 4] } else { vec![0, 0, 0, 2, b'x', b'y'] });
        }
        bytes.extend(TRAILER);
        bytes
    }

    #[test]
    fn tuples_survive_any_cut() {
        let bytes = stream();
        for step in 1..=bytes.len() {
            let mut rows = rows(100);
            let mut copy = CopyStream::new();
            for chunk in bytes.chunks(step) {
                copy.message(chunk, &mut rows).expect("well formed");
            }
            assert!(copy.is_complete());
            let batch = rows.finish().expect("well formed");
            assert_eq!(batch.column(0).as_primitive::<Int32Type>().values(), &[0, 1, 2, 3, 4]);
            assert_eq!(batch.column(1).null_count(), 1);
        }
    }

    #[test]
    fn a_full_batch_keeps_the_rest() {
        let mut rows = rows(2);
        let mut copy = CopyStream::new();
        copy.message(&stream(), &mut rows).expect("well formed");
        let mut sizes = Vec::new();
        while !rows.is_empty() {
            sizes.push(rows.finish().expect("well formed").num_rows());
            copy.resume(&mut rows).expect("well formed");
        }
        assert_eq!((sizes, copy.is_complete()), (vec![2, 2, 1], true));
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic() {
        let bytes = stream();
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut broken = bytes.clone();
                broken[at] = value;
                let mut rows = rows(100);
                let _ = CopyStream::new().message(&broken, &mut rows);
            }
        }
    }
}
