//! Parses signed texts of named lines: checkpoints and heads.

use std::str::Lines;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};

use crate::{Digest, Error, PublicKey, Result};

/// A signed text, read line by line.
pub(crate) struct SignedText<'a> {
    what: &'static str,
    body: &'a str,
    signature: Vec<u8>,
    lines: Lines<'a>,
}

impl<'a> SignedText<'a> {
    /// Starts to read. `what` names the kind of text in errors.
    pub(crate) fn open(what: &'static str, first_line: &str, text: &'a str) -> Result<Self> {
        let malformed = |reason| Error::Malformed { what, reason };
        let (body, signature) = text.rsplit_once("signature ").ok_or(malformed("it has no signature"))?;
        let signature = STANDARD.decode(signature.trim_end()).map_err(|_| malformed("its signature is not base64"))?;
        let mut lines = body.lines();
        if lines.next() != Some(first_line) {
            return Err(malformed("its first line is wrong"));
        }
        Ok(Self { what, body, signature, lines })
    }

    /// Returns the value of the next line, which must have this name.
    pub(crate) fn field(&mut self, name: &str) -> Result<&'a str> {
        let line = self.lines.next().and_then(|line| line.strip_prefix(name)).and_then(|line| line.strip_prefix(' '));
        line.ok_or(self.malformed("a line is missing or out of place"))
    }

    pub(crate) fn number(&mut self, name: &str) -> Result<u64> {
        self.field(name)?.parse().map_err(|_| self.malformed("a number is malformed"))
    }

    pub(crate) fn time(&mut self, name: &str) -> Result<DateTime<Utc>> {
        self.field(name)?.parse().map_err(|_| self.malformed("its time is malformed"))
    }

    pub(crate) fn digest(&mut self, name: &str) -> Result<Digest> {
        Digest::parse(self.field(name)?)
    }

    pub(crate) fn key(&mut self) -> Result<PublicKey> {
        PublicKey::parse(self.field("key")?)
    }

    /// Returns the body and the signature, if it verifies under the key. `written` is the canonical text of the parsed
    /// values. It must equal the body, so that the signature covers exactly what was read.
    pub(crate) fn end(self, key: PublicKey, written: &str) -> Result<(&'a str, Vec<u8>)> {
        if written != self.body {
            return Err(self.malformed("it is not in canonical form"));
        }
        if !key.verifies(self.body.as_bytes(), &self.signature) {
            return Err(self.malformed("its signature is invalid"));
        }
        Ok((self.body, self.signature))
    }

    fn malformed(&self, reason: &'static str) -> Error {
        Error::Malformed { what: self.what, reason }
    }
}
