//! Recovery codes: what stands in, once each, for a second factor that is lost.
//!
//! They are kept as plain digests, which suffice for 120 random bits; each is used once, which one conditional `UPDATE`
//! settles; and new ones void those before (MF-07).

mod store;

use std::fmt;

use base32::Alphabet;
use sea_orm::{ConnectionTrait, DbErr};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::features::change::{Fault, Tx};
use crate::kernel::id::UserId;
use crate::kernel::secret::{CryptoError, random, sha256};

/// How many are issued at once.
pub(crate) const CODES: usize = 10;
/// 120 bits: 24 characters.
const LENGTH: usize = 15;
const CHARACTERS: usize = LENGTH * 8 / 5;
/// Characters between two hyphens.
const GROUP: usize = 4;

/// A code, as its owner has it: `XXXX-XXXX-XXXX-XXXX-XXXX-XXXX`, in the base32 of Crockford. Never logged, never stored.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RecoveryCode(Zeroizing<[u8; LENGTH]>);

impl RecoveryCode {
    fn generate() -> Result<Self, CryptoError> {
        Ok(Self(Zeroizing::new(random()?)))
    }

    /// Reads a code as somebody typed it; `None` for whatever cannot be one. Spaces, hyphens and case do not matter, nor
    /// whether somebody read O for 0, or I or L for 1, or typed characters of full width (NFKC).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // It never grows, so nothing of it is left behind elsewhere.
        let mut typed = Zeroizing::new(String::with_capacity(CHARACTERS));
        let is_left_out = |character: &char| character.is_whitespace() || *character == '-';
        for character in text.nfkc().filter(|character| !is_left_out(character)) {
            if !character.is_ascii_alphanumeric() || typed.len() == CHARACTERS {
                return None;
            }
            typed.push(character);
        }
        let bytes = Zeroizing::new(base32::decode(Alphabet::Crockford, &typed)?);
        Some(Self(Zeroizing::new(bytes.as_slice().try_into().ok()?)))
    }

    /// The code itself, for its owner.
    pub(crate) fn expose(&self) -> Zeroizing<String> {
        let characters = Zeroizing::new(base32::encode(Alphabet::Crockford, &*self.0));
        let mut text = Zeroizing::new(String::with_capacity(CHARACTERS + CHARACTERS / GROUP));
        for (index, character) in characters.chars().enumerate() {
            if index > 0 && index % GROUP == 0 {
                text.push('-');
            }
            text.push(character);
        }
        text
    }

    fn digest(&self) -> [u8; 32] {
        sha256(&*self.0)
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

/// Issues codes, which are told this once; those before are void.
pub(crate) async fn issue(tx: &Tx<'_>, user: UserId) -> Result<Vec<RecoveryCode>, Fault> {
    let codes = (0..CODES).map(|_| RecoveryCode::generate()).collect::<Result<Vec<_>, _>>()?;
    store::delete_all(tx, user).await?;
    store::insert(tx, user, tx.now(), codes.iter().map(RecoveryCode::digest)).await?;
    Ok(codes)
}

/// Uses a code; says whether it was one that could still be used. Of many at once, one does.
pub(crate) async fn redeem(tx: &Tx<'_>, user: UserId, code: &RecoveryCode) -> Result<bool, DbErr> {
    store::mark_used(tx, user, code.digest(), tx.now()).await
}

/// How many a user has left.
pub(crate) async fn count_left(db: &impl ConnectionTrait, user: UserId) -> Result<u64, DbErr> {
    store::count_unused(db, user).await
}

/// Voids all codes of a user.
pub(crate) async fn void(tx: &Tx<'_>, user: UserId) -> Result<(), DbErr> {
    store::delete_all(tx, user).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_back_however_it_is_typed() {
        let code = RecoveryCode::parse("0123-4567-89AB-CDEF-GHJK-MN10").unwrap();
        let text = code.expose();
        assert_eq!(*text, "0123-4567-89AB-CDEF-GHJK-MN10");
        for same in [
            "0123456789ABCDEFGHJKMN10",
            "0123-4567-89ab-cdef-ghjk-mn10",
            " 0123 4567 89AB CDEF GHJK MN10\n",
            "o123-4567-89AB-CDEF-GHJK-MNiO",
            "OL23-4567-89AB-CDEF-GHJK-MNlo",
            "０１２３－4567-89AB-CDEF-GHJK-MN10",
        ] {
            assert_eq!(RecoveryCode::parse(same), Some(code.clone()), "{same:?}");
        }
        for wrong in [
            "",
            "-",
            "0123-4567-89AB-CDEF-GHJK-MN1",
            "0123-4567-89AB-CDEF-GHJK-MN100",
            "0123-4567-89AB-CDEF-GHJK-MNU0",
            "0123-4567-89AB-CDEF-GHJK-MN1=",
            "0123-4567-89AB-CDEF-GHJK-MN1_",
            "0123-4567-89AB-CDEF-GHJK-MN1é",
        ] {
            assert_eq!(RecoveryCode::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn every_code_is_another_and_reads_back() {
        let codes: Vec<_> = (0..CODES).map(|_| RecoveryCode::generate().unwrap()).collect();
        for (index, code) in codes.iter().enumerate() {
            assert_eq!(RecoveryCode::parse(&code.expose()).as_ref(), Some(code));
            assert!(!codes[..index].contains(code));
        }
    }

    #[test]
    fn a_code_is_not_shown_by_debug() {
        let code = RecoveryCode::generate().unwrap();
        assert_eq!(format!("{code:?}"), "RecoveryCode(..)");
    }
}
