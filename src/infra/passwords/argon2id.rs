//! Argon2id, version 19: two implementations of it.
//!
//! `argon2-rust` is the default: it chooses its SIMD code when it runs and takes about half the
//! time. It is also young and full of `unsafe`, so the cargo feature `rustcrypto-argon2` puts
//! RustCrypto's `argon2` in its place. Nothing else knows which of them is at work.

use argon2::Params;

#[cfg(not(feature = "rustcrypto-argon2"))]
pub(super) use self::simd::Simd as Worker;

#[cfg(feature = "rustcrypto-argon2")]
pub(super) use self::rustcrypto::RustCrypto as Worker;

/// What goes into a hash.
pub(super) struct Input<'a> {
    pub(super) password: &'a [u8],
    pub(super) salt: &'a [u8],
    pub(super) params: &'a Params,
}

/// An implementation, with the memory that it keeps from one hash to the next.
///
/// Memory asked for anew is zeroed and mapped page by page; with memory that stays, a hash of 19 MiB
/// takes a fifth less time or better. It is wiped before `compute` returns.
pub(super) trait Argon2id: Default {
    /// Computes a tag of the length of `tag`.
    fn compute(&mut self, input: &Input<'_>, tag: &mut [u8]) -> Result<(), Failed>;
}

/// The implementation refused the input, or found no memory.
#[derive(Debug, thiserror::Error)]
#[error("Argon2 failed: {0}")]
pub(super) struct Failed(String);

#[cfg(any(test, not(feature = "rustcrypto-argon2")))]
mod simd {
    use argon2_rust::params::{Memory, TagLen};
    use argon2_rust::{Algorithm, Argon2, Error, Hasher, Params, Version};

    use super::{Argon2id, Failed, Input};

    /// `argon2-rust`, whose hasher wipes its memory whenever a hash ends, in success, error or
    /// panic (its feature `zeroize-memory`).
    pub(in super::super) struct Simd(Hasher);

    impl Default for Simd {
        fn default() -> Self {
            Self(with(Params::DEFAULT).hasher())
        }
    }

    impl Argon2id for Simd {
        fn compute(&mut self, input: &Input<'_>, tag: &mut [u8]) -> Result<(), Failed> {
            let params = Params::builder()
                .memory(Memory::kib(input.params.m_cost().into()))
                .passes(input.params.t_cost())
                .lanes(input.params.p_cost())
                // A worker is one thread; the lanes of a stored hash are filled one after another.
                .threads(1)
                .tag_len(TagLen::bytes(tag.len() as u64))
                .build()?;
            self.0.set_argon2(with(params));
            Ok(self.0.hash_into(input.password, input.salt, tag)?)
        }
    }

    fn with(params: Params) -> Argon2 {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
    }

    impl From<Error> for Failed {
        fn from(error: Error) -> Self {
            Self(error.to_string())
        }
    }
}

#[cfg(any(test, feature = "rustcrypto-argon2"))]
mod rustcrypto {
    use argon2::{Algorithm, Argon2, Block, Error, Version};
    use zeroize::{Zeroize as _, Zeroizing};

    use super::{Argon2id, Failed, Input};

    /// RustCrypto's `argon2`. It wipes no memory of its own, so this does.
    #[derive(Default)]
    pub(in super::super) struct RustCrypto(pub(super) Zeroizing<Vec<Block>>);

    impl Argon2id for RustCrypto {
        fn compute(&mut self, input: &Input<'_>, tag: &mut [u8]) -> Result<(), Failed> {
            let blocks = input.params.block_count();
            if self.0.len() < blocks {
                self.0.resize(blocks, Block::new());
            }
            let memory = &mut self.0[..blocks];
            let outcome = Argon2::new(Algorithm::Argon2id, Version::V0x13, input.params.clone())
                .hash_password_into_with_memory(input.password, input.salt, tag, &mut *memory);
            memory.iter_mut().zeroize();
            Ok(outcome?)
        }
    }

    impl From<Error> for Failed {
        fn from(error: Error) -> Self {
            Self(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use argon2::{AssociatedData, ParamsBuilder};
    use argon2_rust::params::Memory;
    use proptest::prelude::*;

    use super::rustcrypto::RustCrypto;
    use super::simd::Simd;
    use super::*;

    /// The test vector of RFC 9106, section 5.3.
    const RFC_9106_TAG: [u8; 32] = [
        0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53,
        0xc9, 0xd0, 0x1e, 0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01,
        0xe6, 0x59,
    ];

    fn tag<const N: usize>(implementation: &mut impl Argon2id, input: &Input<'_>) -> [u8; N] {
        let mut tag = [0; N];
        implementation.compute(input, &mut tag).unwrap();
        tag
    }

    #[test]
    fn argon2_rust_yields_the_tag_of_rfc_9106() {
        let params = argon2_rust::Params::builder().memory(Memory::kib(32)).passes(3).lanes(4);
        let argon2 = argon2_rust::Argon2::new(
            argon2_rust::Algorithm::Argon2id,
            argon2_rust::Version::V0x13,
            params.build().unwrap(),
        );
        let mut tag = [0; 32];
        argon2.hash_into_with_ad(&[1; 32], &[2; 16], &[3; 8], &[4; 12], &mut tag).unwrap();
        assert_eq!(tag, RFC_9106_TAG);
    }

    #[test]
    fn rustcrypto_yields_the_tag_of_rfc_9106() {
        let mut params = ParamsBuilder::new();
        params.m_cost(32).t_cost(3).p_cost(4).data(AssociatedData::new(&[4; 12]).unwrap());
        let argon2 = argon2::Argon2::new_with_secret(
            &[3; 8],
            argon2::Algorithm::Argon2id,
            argon2::Version::V0x13,
            params.build().unwrap(),
        );
        let mut tag = [0; 32];
        argon2.unwrap().hash_password_into(&[1; 32], &[2; 16], &mut tag).unwrap();
        assert_eq!(tag, RFC_9106_TAG);
    }

    #[test]
    fn rustcrypto_leaves_no_trace_in_the_memory_that_is_kept() {
        let mut rustcrypto = RustCrypto::default();
        let params = Params::new(64, 1, 1, None).unwrap();
        tag::<32>(&mut rustcrypto, &Input { password: b"", salt: &[0; 16], params: &params });
        assert_eq!(rustcrypto.0.len(), 64);
        assert!(rustcrypto.0.iter().flat_map(AsRef::<[u64]>::as_ref).all(|word| *word == 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The memory is the same for all hashes of a case, so what one left behind would spoil
        /// the next.
        #[test]
        fn both_implementations_agree_on_every_hash_in_used_memory(
            passwords in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..160), 1..4),
            salt in prop::collection::vec(any::<u8>(), 8..48),
            spare_kib in prop::collection::vec(0_u32..248, 4),
            iterations in 1_u32..4,
            lanes in 1_u32..3,
        ) {
            let (mut simd, mut rustcrypto) = (Simd::default(), RustCrypto::default());
            for (password, spare_kib) in passwords.iter().zip(spare_kib) {
                let params = Params::new(8 * lanes + spare_kib, iterations, lanes, None).unwrap();
                let input = Input { password, salt: &salt, params: &params };
                prop_assert_eq!(tag::<32>(&mut simd, &input), tag::<32>(&mut rustcrypto, &input));
                prop_assert_eq!(tag::<64>(&mut simd, &input), tag::<64>(&mut rustcrypto, &input));
            }
        }
    }
}
