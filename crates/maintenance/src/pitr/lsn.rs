//! A position in the write-ahead log, in PostgreSQL's own notation.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A position in the write-ahead log: a number of bytes. The text form is PostgreSQL's: `0/16B3748`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl FromStr for Lsn {
    type Err = Error;

    /// Fails with [`Error::Invalid`] unless the text is two hexadecimal numbers of 32 bits with a slash between them.
    fn from_str(text: &str) -> Result<Self, Error> {
        let part = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            plain.then(|| u32::from_str_radix(text, 16).ok()).flatten().map(u64::from)
        };
        let parts = text.split_once('/').and_then(|(high, low)| Some((part(high)?, part(low)?)));
        let wrong = || Error::invalid("the log position", "it must have PostgreSQL's form, such as 0/16B3748");
        parts.map(|(high, low)| Self(high << 32 | low)).ok_or_else(wrong)
    }
}

impl TryFrom<String> for Lsn {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Lsn> for String {
    fn from(lsn: Lsn) -> Self {
        lsn.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::Lsn;

    #[test]
    fn the_text_form_is_that_of_the_server() {
        let lsn: Lsn = "A/30000F8".parse().unwrap();
        assert_eq!((lsn, lsn.to_string()), (Lsn(0xA_0300_00F8), "A/30000F8".to_owned()));
        for wrong in ["", "/", "1", "0/", "0/+1", "0/100000000", "0/1/2", "x/1"] {
            assert!(wrong.parse::<Lsn>().is_err(), "{wrong}");
        }
    }
}
