//! A value that is protected against accidental disclosure.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// A secret in memory. It is wiped when dropped and read only with [`Secret::expose`].
///
/// `Debug` prints `Secret(..)`. There is no `Display` and no serialisation, so that no log line, error
/// or JSON dump contains a secret:
///
/// ```compile_fail
/// println!("{}", rylie_crypto::Secret::from("token"));
/// ```
///
/// ```compile_fail
/// let _ = serde_json::to_string(&rylie_crypto::Secret::from("token"));
/// ```
///
/// Comparing two values of equal length takes constant time. A difference in length is visible.
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes ownership of the value. The caller must wipe earlier copies.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns the value. The caller is responsible for its further use.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    pub(crate) const fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl From<String> for Secret<String> {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl From<&str> for Secret<String> {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

/// A secret may be read from a document, and is never written to one.
impl<'de> serde::Deserialize<'de> for Secret<String> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self)
    }
}

impl<T: Zeroize + Clone> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Zeroize + AsRef<[u8]>> PartialEq for Secret<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_ref().ct_eq(other.0.as_ref()).into()
    }
}

impl<T: Zeroize + AsRef<[u8]>> Eq for Secret<T> {}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_value() {
        assert_eq!(format!("{:?}", Secret::from("canary")), "Secret(..)");
        assert_eq!(format!("{:#?}", Some(Secret::new([7; 4]))), "Some(\n    Secret(..),\n)");
    }

    #[test]
    fn secrets_are_equal_when_their_bytes_are() {
        assert_eq!(Secret::from("one"), Secret::from("one"));
        assert_ne!(Secret::from("one"), Secret::from("two"));
        assert_ne!(Secret::from("one"), Secret::from("ones"));
    }

    #[test]
    fn dropping_a_secret_wipes_it() {
        struct Watched(Rc<Cell<bool>>);
        impl Zeroize for Watched {
            fn zeroize(&mut self) {
                self.0.set(true);
            }
        }
        let wiped = Rc::new(Cell::new(false));

        drop(Secret::new(Watched(Rc::clone(&wiped))));

        assert!(wiped.get());
    }
}
