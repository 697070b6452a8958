//! Changes of a COSE_Key.

use super::{Change, Numbers, byte, pick};
use crate::Algorithm;
use crate::authenticator::{Cbor, SoftwareAuthenticator, edit_map};

/// Makes one, and tells its name.
pub(super) fn change(key: &mut Vec<u8>, numbers: &mut Numbers<'_>) -> &'static str {
    let is_map = ciborium::from_reader::<Cbor, _>(&key[..]).is_ok_and(|value| value.is_map());
    let (name, change) = if is_map { pick(numbers, KEY) } else { BYTES };
    change(key, numbers);
    name
}

fn set(key: &mut Vec<u8>, label: i64, value: impl Into<Cbor>) {
    let value = value.into();
    edit_map(key, |entries| match entries.iter_mut().find(|(key, _)| *key == label.into()) {
        Some((_, of)) => *of = value,
        None => entries.push((label.into(), value)),
    });
}

/// Changes all that is bytes: coordinates, or modulus and exponent.
fn each_bytes(key: &mut Vec<u8>, mut change: impl FnMut(&mut Vec<u8>)) {
    edit_map(key, |entries| {
        for (_, value) in entries {
            if let Cbor::Bytes(bytes) = value {
                change(bytes);
            }
        }
    });
}

const BYTES: Change<Vec<u8>> = ("bytes behind the key", |of, numbers| of.push(byte(numbers)));

const KEY: &[Change<Vec<u8>>] = &[
    BYTES,
    ("a key of another authenticator", |of, numbers| {
        *of = SoftwareAuthenticator::new(pick(numbers, &[Algorithm::Es256, Algorithm::EdDsa]))
            .public_key();
    }),
    ("another algorithm", |of, numbers| {
        set(of, 3, pick(numbers, &[-7, -8, -257, -35, -36, -37, -47, -9, -19, -65535, -48, 0, 7]));
    }),
    ("an algorithm that is no number", |of, numbers| {
        let values = [Cbor::Null, "ES256".into(), Cbor::Bytes(vec![0x26]), true.into()];
        set(of, 3, pick(numbers, &values.each_ref()).clone());
    }),
    ("another kind of key", |of, numbers| set(of, 1, pick(numbers, &[0, 1, 2, 3, 4, 7]))),
    ("another curve", |of, numbers| set(of, -1, pick(numbers, &[0, 1, 2, 3, 6, 7, 8]))),
    ("a curve by its name", |of, numbers| set(of, -1, pick(numbers, &["P-256", "Ed25519"]))),
    ("a member of the key missing", |of, numbers| {
        edit_map(of, |entries| drop(entries.remove(numbers(entries.len()))));
    }),
    ("a member more in the key", |of, numbers| {
        set(of, pick(numbers, &[2, 4, 5, -4, -70_000]), Cbor::Bytes(vec![1]));
    }),
    ("members of the key in another order", |of, numbers| {
        edit_map(of, |entries| entries.rotate_left(1 + numbers(3)));
    }),
    ("a member of the key twice", |of, numbers| {
        edit_map(of, |entries| {
            let again = entries[numbers(entries.len())].clone();
            entries.push(again);
        });
    }),
    ("labels as text", |of, _| {
        edit_map(of, |entries| {
            let labels = entries.iter_mut().filter_map(|(key, _)| Some((key.as_integer()?, key)));
            labels.for_each(|(number, key)| *key = i128::from(number).to_string().into());
        });
    }),
    ("a long label", |of, _| of.splice(1..2, [0x18, 0x01]).for_each(drop)),
    ("a key of open length", |of, _| {
        of[0] = 0xbf;
        of.push(0xff);
    }),
    ("any bit of its numbers", |of, numbers| {
        let bit = numbers(8);
        each_bytes(of, |bytes| {
            let at = numbers(bytes.len().max(1));
            bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << bit);
        });
    }),
    ("numbers of zeros", |of, _| each_bytes(of, |bytes| bytes.fill(0))),
    ("numbers of ones", |of, _| each_bytes(of, |bytes| bytes.fill(0xff))),
    ("numbers with a zero before", |of, _| each_bytes(of, |bytes| bytes.insert(0, 0))),
    ("numbers that are too short", |of, _| {
        each_bytes(of, |bytes| bytes.truncate(bytes.len().saturating_sub(1)));
    }),
    ("no numbers", |of, _| each_bytes(of, Vec::clear)),
    ("the sign of y instead of y", |of, _| set(of, -3, true)),
    ("an even number", |of, _| {
        each_bytes(of, |bytes| bytes.last_mut().into_iter().for_each(|byte| *byte &= 0xfe));
    }),
    ("a point of small order", |of, numbers| {
        let mut point = [0; 32];
        point[0] = pick(numbers, &[0, 1]);
        set(of, -2, Cbor::Bytes(point.to_vec()));
    }),
    ("an exponent of 3", |of, _| set(of, -2, Cbor::Bytes(vec![3]))),
    ("a modulus of another length", |of, numbers| {
        let bytes = pick(numbers, &[64, 128, 255, 257, 384, 512, 513, 1024]);
        set(of, -1, Cbor::Bytes(vec![0xff; bytes]));
    }),
];
