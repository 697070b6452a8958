//! Changes of bytes: CBOR, signatures, and any at all.

use super::{Change, Numbers, byte, pick};
use crate::authenticator::{Cbor, edit_map, encode};

/// Any change of any bytes.
pub(super) fn of_bytes(bytes: &mut Vec<u8>, numbers: &mut Numbers<'_>) -> &'static str {
    let at = numbers(bytes.len());
    match numbers(5) {
        0 => {
            bytes[at] ^= 1 << numbers(8);
            "any bit"
        }
        1 => {
            bytes[at] = byte(numbers);
            "any byte"
        }
        2 => {
            bytes.truncate(at);
            "cut off anywhere"
        }
        3 => {
            bytes.remove(at);
            "a byte missing"
        }
        _ => {
            bytes.insert(at, byte(numbers));
            "a byte more"
        }
    }
}

/// A change of an attestation object.
pub(super) fn of_object(object: &mut Vec<u8>, numbers: &mut Numbers<'_>) -> &'static str {
    let is_map = ciborium::from_reader::<Cbor, _>(&object[..]).is_ok_and(|value| value.is_map());
    if !is_map {
        return of_bytes(object, numbers);
    }
    let (name, change) = pick(numbers, OBJECT);
    change(object, numbers);
    name
}

/// A change of a signature.
pub(super) fn of_signature(signature: &mut Vec<u8>, numbers: &mut Numbers<'_>) -> &'static str {
    let (name, change) = pick(numbers, SIGNATURE);
    change(signature, numbers);
    name
}

/// Outputs of extensions that authenticators have.
pub(super) fn extensions(numbers: &mut Numbers<'_>) -> Vec<u8> {
    let known: [fn() -> (Cbor, Cbor); 5] = [
        || ("credProtect".into(), 2.into()),
        || ("hmac-secret".into(), true.into()),
        || ("uvm".into(), Cbor::Array(vec![Cbor::Array(vec![2.into(), 4.into(), 2.into()])])),
        || ("credBlob".into(), Cbor::Bytes(vec![1; 32])),
        || ("minPinLength".into(), 300.into()),
    ];
    let count = numbers(3);
    let first = numbers(known.len());
    encode(&Cbor::Map((0..count).map(|at| known[(first + at) % known.len()]()).collect()))
}

/// What is no canonical map, or not alone.
pub(super) fn wrong_extensions(numbers: &mut Numbers<'_>) -> Vec<u8> {
    let wrong: [&[u8]; 15] = [
        &[0x80],
        &[0x00],
        &[0xf6],
        &[0xa0, 0xa0],
        &[0xbf, 0xff],
        &[0xb8, 0x01, 0x61, 0x61, 0x00],
        &[0xa1, 0x78, 0x01, 0x61, 0x00],
        &[0xa1, 0x61, 0x61, 0x18, 0x01],
        &[0xa2, 0x61, 0x61, 0x01, 0x61, 0x61, 0x02],
        &[0xa1, 0x41, 0x61, 0x00],
        &[0xa1, 0x61, 0x61],
        &[0xa1, 0x61, 0x61, 0xc0, 0x61, 0x61],
        &[0xa1, 0x61, 0x61, 0xf9, 0x3c, 0x00],
        &[0xa1, 0x61, 0x61, 0xf7],
        &[0xa1, 0x61, 0x61, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x00],
    ];
    pick(numbers, &wrong).to_vec()
}

const MEMBERS: [&str; 3] = ["fmt", "attStmt", "authData"];

fn edit(object: &mut Vec<u8>, name: &str, value: &Cbor) {
    edit_map(object, |entries| {
        for (key, of) in entries {
            if key.as_text() == Some(name) {
                of.clone_from(value);
            }
        }
    });
}

const OBJECT: &[Change<Vec<u8>>] = &[
    ("an object of open length", |of, _| {
        of[0] = 0xbf;
        of.push(0xff);
    }),
    ("a long count of members", |of, _| {
        let count = of[0] & 0x1f;
        of.splice(..1, [0xb8, count]);
    }),
    ("members in another order", |of, numbers| {
        edit_map(of, |entries| entries.rotate_left(1 + numbers(2)));
    }),
    ("a member more", |of, numbers| {
        let value = pick(numbers, &[1.into(), Cbor::Null, "x".into()].each_ref()).clone();
        edit_map(of, |entries| entries.push(("epAtt".into(), value)));
    }),
    ("a numbered member more", |of, _| edit_map(of, |entries| entries.push((9.into(), 1.into())))),
    ("a member of the object missing", |of, numbers| {
        let name = pick(numbers, &MEMBERS);
        edit_map(of, |entries| entries.retain(|(key, _)| key.as_text() != Some(name)));
    }),
    ("a member of the object twice", |of, numbers| {
        edit_map(of, |entries| {
            let again = entries[numbers(entries.len())].clone();
            entries.push(again);
        });
    }),
    ("a member of the object of another kind", |of, numbers| {
        let value =
            pick(numbers, &[Cbor::Null, 1.into(), "x".into(), Cbor::Array(Vec::new())].each_ref())
                .clone();
        edit(of, pick(numbers, &MEMBERS), &value);
    }),
    ("bytes behind the object", |of, numbers| of.push(byte(numbers))),
    ("an object within a tag", |of, _| of.splice(..0, [0xd9, 0xd9, 0xf7]).for_each(drop)),
    ("an object within a list", |of, _| of.insert(0, 0x81)),
    ("authenticator data that are cut off", |of, numbers| {
        let length = numbers(140);
        edit_map(of, |entries| {
            for (_, value) in entries {
                if let Cbor::Bytes(bytes) = value {
                    bytes.truncate(length);
                }
            }
        });
    }),
    ("any bit of the authenticator data", |of, numbers| {
        let (at, bit) = (numbers(164), numbers(8));
        edit_map(of, |entries| {
            for (_, value) in entries {
                if let Cbor::Bytes(bytes) = value
                    && let Some(byte) = bytes.get_mut(at)
                {
                    *byte ^= 1 << bit;
                }
            }
        });
    }),
];

const SIGNATURE: &[Change<Vec<u8>>] = &[
    ("no signature", |of, _| of.clear()),
    ("any bit of the signature", |of, numbers| {
        let (at, bit) = (numbers(of.len().max(1)), numbers(8));
        if let Some(byte) = of.get_mut(at) {
            *byte ^= 1 << bit;
        }
    }),
    ("a signature that is cut off", |of, numbers| of.truncate(numbers(of.len().max(1)))),
    ("bytes behind the signature", |of, numbers| of.push(byte(numbers))),
    ("a zero before the signature", |of, _| of.insert(0, 0)),
    ("a signature of zeros", |of, _| of.fill(0)),
    ("r and s without DER", |of, _| {
        if let Some(numbers) = numbers_of(of) {
            *of = numbers.concat();
        }
    }),
    ("the other s", |of, _| {
        if let Some(numbers) = numbers_of(of) {
            *of = other_half(numbers);
        }
    }),
    ("a long length in DER", |of, _| {
        if of.first() == Some(&0x30) {
            of.insert(1, 0x81);
        }
    }),
    ("a zero more in DER", |of, _| {
        // Another change may have left little of it.
        let [0x30, whole, 2, first, ..] = of.as_mut_slice() else { return };
        (*whole, *first) = (whole.wrapping_add(1), first.wrapping_add(1));
        of.insert(4, 0);
    }),
    ("r and s are zero", |of, _| *of = vec![0x30, 6, 2, 1, 0, 2, 1, 0]),
    ("a signature that is too long", |of, _| of.resize(600, 1)),
];

/// The two numbers of an ECDSA signature.
fn numbers_of(der: &[u8]) -> Option<[[u8; 32]; 2]> {
    let integer = |from: &[u8]| {
        let length = usize::from(*from.get(1)?);
        let digits = from.get(2..2 + length)?;
        let mut fixed = [0; 32];
        for (to, digit) in fixed.iter_mut().rev().zip(digits.iter().rev()) {
            *to = *digit;
        }
        Some((fixed, 2 + length))
    };
    let (r, length) = integer(der.get(2..).filter(|_| der[0] == 0x30)?)?;
    let (s, _) = integer(der.get(2 + length..)?)?;
    Some([r, s])
}

/// The other signature that holds for the same message: with the order of P-256 less s.
fn other_half([r, s]: [[u8; 32]; 2]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (mut other, mut borrow) = ([0; 32], false);
    for at in (0..32).rev() {
        let (less, first) = ORDER[at].overflowing_sub(s[at]);
        let (less, second) = less.overflowing_sub(u8::from(borrow));
        (other[at], borrow) = (less, first || second);
    }
    let integer = |number: [u8; 32]| {
        let digits: Vec<u8> = number.into_iter().skip_while(|digit| *digit == 0).collect();
        let zero = if digits.first().is_some_and(|digit| *digit < 0x80) { &[][..] } else { &[0] };
        let length = u8::try_from(zero.len() + digits.len()).unwrap();
        [&[2, length], zero, &digits].concat()
    };
    let both = [integer(r), integer(other)].concat();
    [&[0x30, u8::try_from(both.len()).unwrap()], &both[..]].concat()
}
