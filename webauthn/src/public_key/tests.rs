//! Keys of each kind, with what is refused about them.

use aws_lc_rs::signature::{ED25519, ParsedPublicKey};

use crate::VerificationError as Refused;
use crate::authenticator::{Cbor, SoftwareAuthenticator, edit_map, encode};
use crate::{Algorithm, Malformed, PublicKey};

/// Reads a key with one entry replaced, added, or removed by null.
fn with(key: &[u8], label: i64, value: impl Into<Cbor>) -> Result<Algorithm, Refused> {
    let (mut key, value) = (key.to_vec(), value.into());
    edit_map(&mut key, |entries| {
        let at = entries.iter().position(|(key, _)| *key == label.into());
        match (at, value) {
            (Some(at), Cbor::Null) => drop(entries.remove(at)),
            (Some(at), value) => entries[at].1 = value,
            (None, value) => entries.push((label.into(), value)),
        }
    });
    read(&key)
}

fn read(key: &[u8]) -> Result<Algorithm, Refused> {
    PublicKey::from_cose(key).map(|key| key.algorithm())
}

fn key(algorithm: Algorithm) -> Vec<u8> {
    SoftwareAuthenticator::new(algorithm).public_key()
}

fn bytes(of: &[u8]) -> Cbor {
    Cbor::Bytes(of.to_vec())
}

fn hex(text: &str) -> Vec<u8> {
    let digits = (0..text.len()).step_by(2);
    digits.map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The bytes of an entry.
fn entry(key: &[u8], label: i64) -> Vec<u8> {
    let entries = crate::cbor::map(key).unwrap();
    entries.iter().find(|(key, _)| *key == label.into()).unwrap().1.as_bytes().unwrap().clone()
}

#[test]
fn a_key_reads_back_as_it_was_stored() {
    for algorithm in Algorithm::OFFERED {
        let cose = key(algorithm);
        let read = PublicKey::from_cose(&cose).unwrap();
        assert_eq!(read.to_cose(), cose);
        assert_eq!(read.algorithm(), algorithm);
    }
}

#[test]
fn only_the_algorithms_that_were_offered_are_allowed() {
    for key in Algorithm::OFFERED.map(key) {
        // ES384, ES512, PS256, ES256K, ESP256, Ed25519, RS1, ML-DSA-44, none, and numbers that look alike when they are cut off.
        let far = 1_i64 << 32;
        for other in [-35, -36, -37, -47, -9, -19, -65535, -48, 0, -7 + far, -7 - far] {
            assert_eq!(with(&key, 3, other), Err(Refused::Algorithm), "{other}");
        }
        assert_eq!(with(&key, 3, Cbor::Null), Err(Refused::Key));
        assert_eq!(with(&key, 3, "ES256"), Err(Refused::Key));
    }
}

#[test]
fn a_key_is_of_the_kind_and_curve_of_its_algorithm() {
    for algorithm in Algorithm::OFFERED {
        let key = key(algorithm);
        for other in Algorithm::OFFERED.into_iter().filter(|other| *other != algorithm) {
            let refused = with(&key, 3, other.cose_identifier());
            assert_eq!(refused, Err(Refused::Key), "{algorithm:?} as {other:?}");
        }
        for kind in [0, 1, 2, 3, 4] {
            let is_its_own = with(&key, 1, kind) == Ok(algorithm);
            let own = match algorithm {
                Algorithm::EdDsa => 1,
                Algorithm::Es256 => 2,
                Algorithm::Rs256 => 3,
            };
            assert_eq!(is_its_own, kind == own, "{algorithm:?} of kind {kind}");
        }
        assert_eq!(with(&key, 1, "OKP"), Err(Refused::Key));
    }
    // P-384, P-521, X25519, Ed25519, Ed448, secp256k1 where P-256 is due, and so on.
    for curve in [0, 2, 3, 4, 5, 6, 7, 8] {
        assert_eq!(with(&key(Algorithm::Es256), -1, curve), Err(Refused::Key), "{curve}");
    }
    for curve in [0, 1, 2, 3, 4, 5, 7, 8] {
        assert_eq!(with(&key(Algorithm::EdDsa), -1, curve), Err(Refused::Key), "{curve}");
    }
}

#[test]
fn a_key_has_exactly_its_members() {
    for algorithm in Algorithm::OFFERED {
        let key = key(algorithm);
        for label in [2, 4, 5, -4, -70_000] {
            assert_eq!(with(&key, label, bytes(&[1])), Err(Refused::Key), "{label}");
        }
        let labels: &[i64] = match algorithm {
            Algorithm::Es256 => &[1, -1, -2, -3],
            Algorithm::EdDsa | Algorithm::Rs256 => &[1, -1, -2],
        };
        for label in labels {
            assert_eq!(with(&key, *label, Cbor::Null), Err(Refused::Key), "{label}");
        }
    }
}

#[test]
fn a_key_is_one_canonical_map() {
    let key = key(Algorithm::EdDsa);
    let canonical = Err(Refused::Malformed(Malformed("the public key is not canonical CBOR")));
    assert_eq!(read(&[&key[..], &[0]].concat()), canonical);
    assert_eq!(read(&key[..key.len() - 1]), canonical);
    assert_eq!(read(&[]), canonical);
    assert_eq!(read(&encode(&Cbor::Array(Vec::new()))), canonical);
    // The first key, 1, in two bytes.
    assert_eq!(read(&[&key[..1], &[0x18, 0x01], &key[2..]].concat()), canonical);
    let too_long = Err(Refused::Malformed(Malformed("the public key is too long")));
    assert_eq!(read(&[0; 1025]), too_long);
    assert_eq!(read(&encode(&Cbor::Map(Vec::new()))), Err(Refused::Key));
}

#[test]
fn a_point_is_on_its_curve_and_not_at_infinity() {
    let key = key(Algorithm::Es256);
    let (x, y) = (entry(&key, -2), entry(&key, -3));
    let point = |x: &[u8], y: &[u8]| {
        let mut key = key.clone();
        edit_map(&mut key, |entries| {
            entries[3].1 = bytes(x);
            entries[4].1 = bytes(y);
        });
        read(&key)
    };
    assert_eq!(point(&x, &y), Ok(Algorithm::Es256));
    let mut off = y.clone();
    off[31] ^= 1;
    assert_eq!(point(&x, &off), Err(Refused::Key));
    assert_eq!(point(&y, &x), Err(Refused::Key));
    assert_eq!(point(&[0; 32], &[0; 32]), Err(Refused::Key));
    assert_eq!(point(&[0xff; 32], &[0xff; 32]), Err(Refused::Key), "beyond the field");
    assert_eq!(point(&[], &[]), Err(Refused::Key));
    assert_eq!(point(&[&[0], &x[..]].concat(), &y), Err(Refused::Key));
    assert_eq!(point(&x[1..], &y), Err(Refused::Key));
    // A compressed point has the sign of y instead.
    assert_eq!(with(&key, -3, true), Err(Refused::Key));
    // The prime of the field would be 0 again.
    let prime = hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    // The point with x = 0 is on the curve.
    let y_of_zero = hex("66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4");
    assert_eq!(point(&[0; 32], &y_of_zero), Ok(Algorithm::Es256));
    assert_eq!(point(&prime, &y_of_zero), Err(Refused::Key));
}

#[test]
fn an_ed25519_key_is_reduced_and_not_of_small_order() {
    let key = key(Algorithm::EdDsa);
    let point = |encoded: &[u8]| with(&key, -2, bytes(encoded));
    let little = |first: u8, middle: u8, last: u8| {
        let mut bytes = [middle; 32];
        (bytes[0], bytes[31]) = (first, last);
        bytes
    };
    // 0, 1, the prime less one; the prime and one more, which are 0 and 1 again; and each with the other sign.
    for refused in [
        little(0, 0, 0),
        little(1, 0, 0),
        little(0xec, 0xff, 0x7f),
        little(0xed, 0xff, 0x7f),
        little(0xee, 0xff, 0x7f),
        little(0xff, 0xff, 0x7f),
        little(0xff, 0xff, 0xff),
        super::ORDER_EIGHT[0],
        super::ORDER_EIGHT[1],
    ] {
        let mut other_sign = refused;
        other_sign[31] ^= 0x80;
        assert_eq!(point(&refused), Err(Refused::Key), "{refused:x?}");
        assert_eq!(point(&other_sign), Err(Refused::Key), "{other_sign:x?}");
    }
    assert_eq!(point(&entry(&key, -2)), Ok(Algorithm::EdDsa));
    assert_eq!(point(&entry(&key, -2)[1..]), Err(Refused::Key));
    assert_eq!(point(&[7; 33]), Err(Refused::Key));
    assert_eq!(point(&[]), Err(Refused::Key));
}

/// Without the check, a signature that nobody made would hold for one message in eight.
#[test]
fn keys_of_small_order_would_verify_what_nobody_signed() {
    let (mut neutral, mut minus_one) = ([0; 32], super::PRIME);
    neutral[0] = 1;
    minus_one[0] -= 1;
    // The neutral element, and a factor of 0.
    let signature = [neutral, [0; 32]].concat();
    for point in [[0; 32], neutral, minus_one, super::ORDER_EIGHT[0], super::ORDER_EIGHT[1]] {
        let key = ParsedPublicKey::new(&ED25519, point).unwrap();
        let verified = (0..=255).filter(|number| key.verify_sig(&[*number], &signature).is_ok());
        assert!(verified.count() > 0, "{point:x?}");
    }
}

#[test]
fn an_rsa_key_has_a_modulus_and_an_exponent_within_bounds() {
    let key = key(Algorithm::Rs256);
    let modulus = |modulus: &[u8]| with(&key, -1, bytes(modulus));
    let of = |bits: usize| {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] >>= modulus.len() * 8 - bits;
        modulus
    };
    for (bits, is_allowed) in [
        (512, false),
        (1024, false),
        (2047, false),
        (2048, true),
        (3072, true),
        (4096, true),
        (4097, false),
        (8192, false),
    ] {
        assert_eq!(modulus(&of(bits)).is_ok(), is_allowed, "{bits}");
    }
    assert_eq!(modulus(&[&[0], &of(2048)[..]].concat()), Err(Refused::Key), "a leading zero");
    assert_eq!(modulus(&[]), Err(Refused::Key));
    let mut even = of(2048);
    even[255] = 0xfe;
    assert_eq!(modulus(&even), Err(Refused::Key));

    for (exponent, is_allowed) in [
        (&[1, 0, 1][..], true),
        (&[0xff, 0xff, 0xff, 0xff], true),
        (&[0, 1, 0, 1], false),
        (&[1, 0, 2], false),
        (&[3], false),
        (&[1], false),
        (&[0], false),
        (&[], false),
        (&[0xff, 0xff], false),
        (&[1, 0, 0, 0, 1], false),
    ] {
        assert_eq!(with(&key, -2, bytes(exponent)).is_ok(), is_allowed, "{exponent:?}");
    }
}
