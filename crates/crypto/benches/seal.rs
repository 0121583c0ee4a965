//! Seals and opens a token of 200 bytes. The reference is ring's AES-256-GCM on the same bytes plus one HKDF.
//!
//! Limit: `ours` takes at most twice the time of `ring and one HKDF`.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails may panic")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use rylie_crypto::{Binding, ColumnCipher, ColumnPolicy, Keyring, Padding, Sealed, Secret};

const TOKEN: usize = 200;
const PLACE: Binding<'static> = Binding::new("GA4Connection", "accessToken", "cmwt6ln8p00xjeg7dn14141ug", "agency-1");

fn ours(criterion: &mut Criterion) {
    let keyring = Keyring::generate().unwrap();
    let token = Secret::new("x".repeat(TOKEN));
    criterion.bench_function("ours", |bencher| {
        bencher.iter(|| {
            let sealed = keyring.seal(black_box(&token), &PLACE, Padding::None).unwrap();
            keyring.open(&sealed, &PLACE).unwrap()
        });
    });
    criterion.bench_function("ours, with a conversion to text", |bencher| {
        bencher.iter(|| {
            let sealed = keyring.seal(black_box(&token), &PLACE, Padding::None).unwrap();
            keyring.open(&Sealed::parse(sealed.into_text()).unwrap(), &PLACE).unwrap()
        });
    });
    criterion.bench_function("ours, through a column", |bencher| {
        let column = ColumnCipher::new(&keyring, None, ColumnPolicy::default()).unwrap();
        bencher.iter(|| {
            let stored = column.seal(black_box(&token), &PLACE).unwrap();
            column.open(stored.as_str(), &PLACE).unwrap()
        });
    });
}

/// The reference: one derived key, a random nonce, one message sealed and opened, the same associated data.
fn ring_and_one_hkdf(criterion: &mut Criterion) {
    let master = [7; 32];
    let token = vec![b'x'; TOKEN];
    criterion.bench_function("ring and one HKDF", |bencher| {
        bencher.iter(|| {
            let mut nonce = [0; 12];
            SystemRandom::new().fill(&mut nonce).unwrap();
            ring_seal_and_open(&master, nonce, black_box(&token))
        });
    });
    criterion.bench_function("ring and one HKDF, constant nonce", |bencher| {
        bencher.iter(|| ring_seal_and_open(&master, [0; 12], black_box(&token)));
    });
}

fn ring_seal_and_open(master: &[u8; 32], nonce: [u8; 12], token: &[u8]) -> Vec<u8> {
    let prk = Salt::new(HKDF_SHA256, &[9; 32]).extract(master);
    let derived: UnboundKey = prk.expand(&[b"bench"], &AES_256_GCM).unwrap().into();
    let key = LessSafeKey::new(derived);
    let nonce = || Nonce::assume_unique_for_key(nonce);
    let mut buffer = token.to_vec();
    let aad = [3; 120];
    key.seal_in_place_append_tag(nonce(), Aad::from(aad), &mut buffer).unwrap();
    key.open_in_place(nonce(), Aad::from(aad), &mut buffer).unwrap();
    buffer
}

criterion_group!(benches, ours, ring_and_one_hkdf);
criterion_main!(benches);
