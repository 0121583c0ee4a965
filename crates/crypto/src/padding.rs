//! Padding, which hides the length of a secret.

use std::num::NonZeroU16;

/// The end mark of the secret in its frame; zeros follow.
const END: u8 = 0x80;

/// How much of a secret's length its envelope hides.
///
/// The padding is inside the ciphertext and authenticated, so opening does not need to know the choice.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Padding {
    /// The envelope shows the exact length. Suits columns whose secrets have equal length.
    #[default]
    None,
    /// Pads to the next multiple. Suits tokens, whose lengths cluster.
    Blocks(NonZeroU16),
    /// Padmé: adds at most 12 %, and the length shows only its few leading bits. Suits long texts; below some hundred
    /// bytes it hides little.
    Padme,
}

impl Padding {
    /// Returns the length of the frame for a secret of `length` bytes: at least one byte more.
    pub(crate) fn frame_length(self, length: usize) -> Option<usize> {
        let least = length.checked_add(1)?;
        match self {
            Self::None => Some(least),
            Self::Blocks(size) => least.checked_next_multiple_of(usize::from(size.get())),
            Self::Padme => padme(least),
        }
    }
}

/// Appends the end mark and zeros until the frame has `frame_length` bytes.
pub(crate) fn pad(secret_in_buffer: &mut Vec<u8>, end_of_frame: usize) {
    secret_in_buffer.push(END);
    secret_in_buffer.resize(end_of_frame.max(secret_in_buffer.len()), 0);
}

/// Returns the length of the secret in an opened frame.
pub(crate) fn unpadded_length(frame: &[u8]) -> Option<usize> {
    let end = frame.iter().rposition(|&byte| byte != 0)?;
    (frame[end] == END).then_some(end)
}

/// Padmé. Nikitin and others, "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", 2019,
/// algorithm 1.
fn padme(length: usize) -> Option<usize> {
    let exponent = length.checked_ilog2()?;
    let kept = exponent.checked_ilog2().map_or(0, |log| log + 1);
    let mask = (1_usize << (exponent - kept)) - 1;
    Some(length.checked_add(mask)? & !mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(size: u16) -> Padding {
        Padding::Blocks(NonZeroU16::new(size).unwrap())
    }

    #[test]
    fn no_padding_costs_one_byte() {
        assert_eq!(Padding::None.frame_length(200), Some(201));
    }

    #[test]
    fn secrets_of_one_block_have_one_length() {
        assert_eq!(blocks(64).frame_length(0), Some(64));
        assert_eq!(blocks(64).frame_length(63), Some(64));
        assert_eq!(blocks(64).frame_length(64), Some(128));
    }

    #[test]
    fn padme_gives_the_lengths_of_its_paper() {
        let lengths = [0, 1, 2, 8, 9, 199, 200, 1_000, 1_000_000];
        let framed = lengths.map(|length| Padding::Padme.frame_length(length).unwrap());
        assert_eq!(framed, [1, 2, 3, 10, 10, 208, 208, 1_024, 1_015_808]);
    }

    #[test]
    fn padme_adds_at_most_twelve_percent() {
        for length in 1..100_000 {
            let framed = padme(length).unwrap();
            assert!(framed >= length && (framed - length) * 100 <= length * 12, "{length} to {framed}");
        }
    }

    #[test]
    fn unpadding_restores_the_length() {
        for secret in [&b""[..], b"x", b"\x80", b"\x00\x00", b"x\x80\x00"] {
            let mut frame = secret.to_vec();
            pad(&mut frame, 64);
            assert_eq!((frame.len(), unpadded_length(&frame)), (64, Some(secret.len())));
        }
    }

    #[test]
    fn a_frame_without_its_end_mark_is_refused() {
        assert_eq!(unpadded_length(b""), None);
        assert_eq!(unpadded_length(&[0; 8]), None);
        assert_eq!(unpadded_length(b"text\x00"), None);
    }

    #[test]
    fn a_length_that_overflows_is_refused() {
        for padding in [Padding::None, blocks(64), Padding::Padme] {
            assert_eq!(padding.frame_length(usize::MAX), None);
        }
        assert_eq!(Padding::Padme.frame_length(usize::MAX - 1), None);
    }
}
