//! Write coalescing: small pieces are copied together and written at once.

use std::io::IoSlice;

/// The largest total size in bytes that is copied: up to here one write of a copy is faster than a vectored write.
pub(crate) const SMALL: usize = 1024;

/// Copies all pieces into `buffer`; `None` if they do not fit.
pub(crate) fn join_pieces<'r>(pieces: &[IoSlice<'_>], buffer: &'r mut [u8; SMALL]) -> Option<&'r [u8]> {
    let mut end = 0;
    for piece in pieces {
        buffer.get_mut(end..end + piece.len())?.copy_from_slice(piece);
        end += piece.len();
    }
    buffer.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pieces_become_one_and_larger_ones_do_not() {
        let mut room = [0; SMALL];
        let pieces = |lengths: [usize; 2]| lengths.map(|length| vec![b'x'; length]);
        let [head, body] = pieces([24, 1000]);
        let both = [head.as_slice(), body.as_slice()].concat();
        assert_eq!(join_pieces(&[IoSlice::new(&head), IoSlice::new(&body)], &mut room), Some(both.as_slice()));
        let [head, body] = pieces([25, 1000]);
        assert_eq!(join_pieces(&[IoSlice::new(&head), IoSlice::new(&body)], &mut room), None);
        assert_eq!(join_pieces(&[], &mut room), Some([].as_slice()));
    }
}
