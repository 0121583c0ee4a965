//! Distinguishes random keys from keys that a person made up.

/// Minimum of distinct bytes among 32. A random key has fewer less than once in 2⁵⁰ keys.
const DISTINCT: usize = 16;

/// Returns why these bytes are not random, or `None`.
///
/// A heuristic: it rejects keys that were typed, repeated or counted, and a random key less than once in 2⁴⁰ times.
/// It cannot detect a key derived from a guessable password.
pub(super) fn weakness(key: &[u8; 32]) -> Option<&'static str> {
    let distinct = (0..=u8::MAX).filter(|byte| key.contains(byte)).count();
    let step = key[1].wrapping_sub(key[0]);
    if (1..=16).any(|period| key[period..] == key[..32 - period]) {
        Some("it repeats a pattern")
    } else if key.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step) {
        Some("it counts up or down")
    } else if distinct < DISTINCT {
        Some("it has too few different bytes")
    } else if key.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
        Some("it is printable text")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    fn weak(text: &[u8]) -> bool {
        weakness(text.try_into().unwrap()).is_some()
    }

    #[test]
    fn keys_made_by_hand_are_weak() {
        assert!(weak(&[0; 32]));
        assert!(weak(&[0xff; 32]));
        assert!(weak(&[1, 0x80].repeat(16)));
        assert!(weak(&b"\x01\x82\x93\xa4\xb5\xc6\xd7\xe8\x09\x1a\x2b\x3c\x4d".repeat(3)[..32]));
        assert!(weak(&(0..32).collect::<Vec<u8>>()));
        assert!(weak(&(0..32).map(|byte: u8| 200 - 3 * byte).collect::<Vec<u8>>()));
        assert!(weak(b"correct horse battery staple 123"));
        assert!(weak(b"6f0e1c2d3b4a59687f8e9dacbb0a1928"));
        assert!(weak(&[&[0; 20][..], &(100..112).collect::<Vec<u8>>()].concat()));
    }

    #[test]
    fn ten_thousand_random_keys_are_not_weak() {
        for _ in 0..10_000 {
            assert_eq!(weakness(&random::array().unwrap()), None);
        }
    }
}
