//! One-time codes, made from a seed and the time as authenticator apps make them (RFC 6238).
//!
//! Six digits of HMAC-SHA-1, a new code every 30 seconds: what all apps understand, since many ignore every other
//! choice. What is known of a seed beside these is for its owner and the features.

use std::fmt;

use chrono::{DateTime, Utc};
use totp_rs::{Algorithm, Builder, Secret, Totp};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::kernel::secret::{CryptoError, random};

/// How long a code is shown.
pub(crate) const STEP_SECONDS: u8 = 30;
const DIGITS: u8 = 6;
/// Steps by which an app's clock may be behind or ahead (RFC 6238, section 5.2).
const STEPS_APART: u16 = 1;
/// 160 bits, as RFC 4226 recommends in section 4.
const SEED_LENGTH: usize = 20;

/// What a server and an app make the same codes of. It is zeroized when it is dropped.
#[derive(Clone)]
pub(crate) struct Seed(Secret);

impl Seed {
    /// A new one, from the operating system's generator.
    pub(crate) fn generate() -> Result<Self, CryptoError> {
        let bytes = Zeroizing::new(random::<SEED_LENGTH>()?);
        Ok(Self(Secret::new_stack(*bytes)))
    }

    /// The one that is made of these bytes, if they are as many as a seed has.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes = Zeroizing::new(<[u8; SEED_LENGTH]>::try_from(bytes).ok()?);
        Some(Self(Secret::new_stack(*bytes)))
    }

    /// To be sealed.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// For its owner to type into an app: base32 without padding.
    pub(crate) fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_base32())
    }

    /// What a QR code holds: by it an app knows the seed, and calls it by the issuer and the account. A colon ends the
    /// name of an issuer, so underscores take its place.
    pub(crate) fn otpauth_url(
        &self,
        issuer: &str,
        account: &str,
    ) -> Result<Zeroizing<String>, CryptoError> {
        let totp = self
            .builder()
            .with_issuer(Some(issuer.replace(':', "_")))
            .with_account_name(account.replace(':', "_"))
            .build_noncompliant();
        let url = totp.to_url().map_err(|_unnamed| CryptoError("name a seed"))?;
        Ok(Zeroizing::new(url))
    }

    /// The step whose code it is, counted from 1970 on, if that is the current one or beside it. Whether the code was used
    /// before, nobody knows here.
    pub(crate) fn matching_step(&self, code: &Code, now: DateTime<Utc>) -> Option<i64> {
        let seconds = u64::try_from(now.timestamp()).ok()?;
        let step = self.totp().check(&code.0, seconds)?;
        i64::try_from(step).ok()
    }

    /// The code of a moment, as an app shows it.
    #[cfg(test)]
    pub(crate) fn code_at(&self, time: DateTime<Utc>) -> Code {
        let seconds = u64::try_from(time.timestamp()).unwrap();
        Code(Zeroizing::new(self.totp().generate(seconds).to_string()))
    }

    fn totp(&self) -> Totp {
        // What the other way to build one checks is constant here.
        self.builder().build_noncompliant()
    }

    fn builder(&self) -> Builder {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_skew(STEPS_APART)
            .with_step_duration(STEP_SECONDS.into())
            .with_secret(self.0.clone())
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// A code as somebody typed it: six digits.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Code(Zeroizing<String>);

impl Code {
    /// Reads what was typed; `None` for whatever cannot be a code. Apps show spaces between the digits, which are ignored.
    /// Keyboards of some languages type digits of full width, which are the same digits (NFKC).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // It never grows, so nothing of it is left behind elsewhere.
        let mut digits = Zeroizing::new(String::with_capacity(DIGITS.into()));
        for character in text.nfkc().filter(|character| !character.is_whitespace()) {
            if !character.is_ascii_digit() || digits.len() == usize::from(DIGITS) {
                return None;
            }
            digits.push(character);
        }
        (digits.len() == usize::from(DIGITS)).then_some(Self(digits))
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_secs(seconds).unwrap()
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B: the last six of its eight digits.
        let seed = Seed::from_bytes(b"12345678901234567890").unwrap();
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let code = Code::parse(code).unwrap();
            assert_eq!(seed.matching_step(&code, at(seconds)), Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_good_one_step_before_and_after_its_own_and_no_further() {
        let seed = Seed::generate().unwrap();
        let (start, step) = (at(1_790_000_010), TimeDelta::seconds(STEP_SECONDS.into()));
        let code = seed.code_at(start);
        let now = |steps: i32| start + step * steps;
        let number = start.timestamp() / i64::from(STEP_SECONDS);

        for steps in [-1, 0, 1] {
            assert_eq!(seed.matching_step(&code, now(steps)), Some(number), "{steps}");
        }
        for steps in [-2, 2] {
            assert_eq!(seed.matching_step(&code, now(steps)), None, "{steps}");
        }
        let microsecond = TimeDelta::microseconds(1);
        assert_eq!(seed.matching_step(&code, now(2) - microsecond), Some(number));
        assert_eq!(seed.matching_step(&code, now(-1) - microsecond), None);
    }

    #[test]
    fn a_code_is_six_digits_with_or_without_spaces() {
        let code = Code::parse("012345").unwrap();
        for same in
            ["012 345", " 012345\n", "01 23 45", "012\u{a0}345", "０１２３４５", "０１２　３４５"]
        {
            assert_eq!(Code::parse(same), Some(code.clone()), "{same:?}");
        }
        for wrong in ["", " ", "12345", "0123456", "01234a", "+12345", "-12345", "०१२३४५"]
        {
            assert_eq!(Code::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_address_of_a_seed_names_issuer_and_account_whatever_is_in_them() {
        let seed = Seed::from_bytes(b"12345678901234567890").unwrap();
        let base32 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        assert_eq!(*seed.base32(), base32);
        for (issuer, account, label, parameter) in [
            ("auth.example.com", "alice", "auth.example.com:alice", "auth.example.com"),
            ("localhost:4000", "a:b", "localhost_4000:a_b", "localhost_4000"),
            ("A&B=C?", "Æ #/%", "A%26B%3DC%3F:%C3%86%20%23%2F%25", "A%26B%3DC%3F"),
        ] {
            let url = seed.otpauth_url(issuer, account).unwrap();
            let expected = format!("otpauth://totp/{label}?secret={base32}&issuer={parameter}");
            assert_eq!(*url, expected);
        }
        assert!(seed.otpauth_url("auth.example.com", "").is_err());
    }

    #[test]
    fn neither_seed_nor_code_is_shown_by_debug() {
        let seed = Seed::generate().unwrap();
        assert_eq!(seed.as_bytes().len(), 20);
        assert_eq!(format!("{seed:?} {:?}", seed.code_at(at(0))), "Seed(..) Code(..)");
    }
}
