//! Random bytes from the operating system's generator, the crate's only source of randomness.

use ring::rand::{SecureRandom, SystemRandom};

use crate::{Error, Result};

pub(crate) fn array<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}

pub(crate) fn fill(bytes: &mut [u8]) -> Result<()> {
    SystemRandom::new().fill(bytes).map_err(|_| Error::Randomness)
}
