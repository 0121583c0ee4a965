//! Stands for the format `age` where the feature `encrypted-backups` is not built in: there are no keys.

use std::io::{Read, Result as IoResult, Write};

use rylie_crypto::Secret;

use crate::error::{Error, Result};

#[derive(Clone)]
pub(in crate::backup) enum Recipient {}

#[derive(Clone)]
pub(in crate::backup) enum Identity {}

fn not_built_in() -> Error {
    Error::invalid("an encrypted backup", "the feature `encrypted-backups` is not built in")
}

impl Recipient {
    pub(in crate::backup) fn parse(_: &str) -> Result<Self> {
        Err(not_built_in())
    }

    pub(in crate::backup) fn to_text(&self) -> String {
        match *self {}
    }
}

impl Identity {
    pub(in crate::backup) fn generate() -> Result<Self> {
        Err(not_built_in())
    }

    pub(in crate::backup) fn parse(_: &Secret<String>) -> Result<Self> {
        Err(not_built_in())
    }

    pub(in crate::backup) fn to_secret(&self) -> Secret<String> {
        match *self {}
    }

    pub(in crate::backup) fn recipient(&self) -> Result<Recipient> {
        match *self {}
    }
}

pub(in crate::backup) fn encrypted<W: Write>(
    recipient: &Recipient,
    _: W,
    _: impl FnOnce(&mut dyn Write) -> IoResult<()>,
) -> IoResult<W> {
    match *recipient {}
}

pub(in crate::backup) fn decrypted(
    identity: &Identity,
    _: &str,
    _: Box<dyn Read + Send>,
) -> Result<Box<dyn Read + Send>> {
    match *identity {}
}
