//! Reading a text of named lines that ends with its signature, as checkpoints and heads are.

use std::str::Lines;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};

use crate::{Digest, Error, PublicKey, Result};

/// A signed text that is being read, line by line.
pub(crate) struct SignedText<'a> {
    what: &'static str,
    body: &'a str,
    signature: Vec<u8>,
    lines: Lines<'a>,
}

impl<'a> SignedText<'a> {
    /// Begins; `what` is for errors.
    pub(crate) fn open(what: &'static str, first_line: &str, text: &'a str) -> Result<Self> {
        let malformed = |reason| Error::Malformed { what, reason };
        let (body, signature) = text.rsplit_once("signature ").ok_or(malformed("it has no signature"))?;
        let signature = STANDARD.decode(signature.trim_end()).map_err(|_| malformed("its signature is no base64"))?;
        let mut lines = body.lines();
        if lines.next() != Some(first_line) {
            return Err(malformed("it does not begin as one"));
        }
        Ok(Self { what, body, signature, lines })
    }

    /// The next line, which must have this name.
    pub(crate) fn field(&mut self, name: &str) -> Result<&'a str> {
        let line = self.lines.next().and_then(|line| line.strip_prefix(name)).and_then(|line| line.strip_prefix(' '));
        line.ok_or(self.malformed("a line is missing or out of place"))
    }

    pub(crate) fn number(&mut self, name: &str) -> Result<u64> {
        self.field(name)?.parse().map_err(|_| self.malformed("a number is none"))
    }

    pub(crate) fn time(&mut self, name: &str) -> Result<DateTime<Utc>> {
        self.field(name)?.parse().map_err(|_| self.malformed("its time is none"))
    }

    pub(crate) fn digest(&mut self, name: &str) -> Result<Digest> {
        Digest::parse(self.field(name)?)
    }

    pub(crate) fn key(&mut self) -> Result<PublicKey> {
        PublicKey::parse(self.field("key")?)
    }

    /// The body and the signature, if it holds under the key. Only one text stands for what was read, and `written` is it: what
    /// is signed is what was read, to the byte.
    pub(crate) fn end(self, key: PublicKey, written: &str) -> Result<(&'a str, Vec<u8>)> {
        if written != self.body {
            return Err(self.malformed("it is not written as such texts are"));
        }
        if !key.verifies(self.body.as_bytes(), &self.signature) {
            return Err(self.malformed("its signature does not hold"));
        }
        Ok((self.body, self.signature))
    }

    fn malformed(&self, reason: &'static str) -> Error {
        Error::Malformed { what: self.what, reason }
    }
}
