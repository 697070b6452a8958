//! How somebody has proven who they are, and how much that is worth.

use chrono::{DateTime, TimeDelta, Utc};
use strum::{EnumIter, EnumString, IntoEnumIterator, IntoStaticStr};

names!(Proof, Level, Factor);

/// For this long after a sign-in, a caller may take an account over or end it without a further proof (MF-10).
pub const FRESH_SECONDS: u32 = 300;

/// For so long a proof with two factors counts as one (NIST SP 800-63B-4, section 2.2.3).
const TWO_FACTORS_LAST: TimeDelta = TimeDelta::hours(24);

/// A factor that an account can use to prove its owner's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[cfg_attr(feature = "graphql", derive(async_graphql::Enum))]
pub enum Factor {
    /// The password.
    Password,
    /// Another provider that can authenticate its users again: see startReauthentication.
    Provider,
    /// A passkey: see startPasskeyProof.
    Passkey,
    /// A code from the authenticator app.
    Totp,
    /// A recovery code. Each code works once.
    RecoveryCode,
}

// The claim `amr` and the database spell it alike.
/// One thing that somebody has shown. Its name is that of the claim `amr` (RFC 8176, and the registry that it began).
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr)]
pub enum Proof {
    /// They know the password.
    #[strum(serialize = "pwd")]
    Password,
    /// Another provider says who they are.
    #[strum(serialize = "fed")]
    Provider,
    /// They have what tells one-time codes: the seed, or the list of recovery codes.
    #[strum(serialize = "otp")]
    OneTimeCode,
    /// They have the private key of a passkey.
    #[strum(serialize = "pop")]
    Passkey,
    /// The passkey's authenticator has verified that it is its user, by a PIN or a finger.
    #[strum(serialize = "user")]
    UserVerified,
}

/// What `amr` says beside, where there are two factors.
const TWO_FACTORS: &str = "mfa";

// The claim `acr` and the database spell it alike.
/// How strong proofs are together: the assurance levels of NIST SP 800-63B-4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumString, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Level {
    /// One factor.
    Aal1,
    /// Two different factors.
    Aal2,
}

/// What somebody has shown: a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Proofs(u8);

impl Proofs {
    /// A password.
    pub const PASSWORD: Self = Self::NONE.with(Proof::Password);
    /// The word of another provider.
    pub const PROVIDER: Self = Self::NONE.with(Proof::Provider);
    /// A one-time code.
    pub const ONE_TIME_CODE: Self = Self::NONE.with(Proof::OneTimeCode);
    /// A passkey without more.
    pub const PASSKEY: Self = Self::NONE.with(Proof::Passkey);
    /// A passkey whose authenticator has verified its user: two factors by itself.
    pub const VERIFIED_PASSKEY: Self = Self::PASSKEY.with(Proof::UserVerified);
    const NONE: Self = Self(0);
    /// What can be the first of two factors.
    const FIRST: Self = Self::PASSWORD.with(Proof::Provider);

    const fn with(self, proof: Proof) -> Self {
        Self(self.0 | 1 << proof as u8)
    }

    const fn has(self, proof: Proof) -> bool {
        self.0 & 1 << proof as u8 != 0
    }

    /// How strong they are together. A password and what somebody has are two factors; two things that somebody has are one,
    /// and so are a password and the word of a provider.
    #[must_use]
    pub const fn level(self) -> Level {
        let knows = self.has_first_factor();
        let has = self.has(Proof::OneTimeCode) || self.has(Proof::Passkey);
        let is_verified = self.has(Proof::Passkey) && self.has(Proof::UserVerified);
        if is_verified || knows && has { Level::Aal2 } else { Level::Aal1 }
    }

    /// Whether there is a first of two factors among them: what a one-time code adds to.
    #[must_use]
    pub const fn has_first_factor(self) -> bool {
        self.0 & Self::FIRST.0 != 0
    }

    /// What they are after another proof. What somebody has adds to the password, or the provider, that they began with;
    /// anything else stands for itself.
    #[must_use]
    pub const fn renewed_by(self, proof: Self) -> Self {
        let is_first = proof.0 & Self::FIRST.0 != 0;
        if is_first { proof } else { Self(self.0 & Self::FIRST.0 | proof.0) }
    }

    /// As the claim `amr` has them.
    pub fn amr(self) -> impl Iterator<Item = &'static str> {
        let two = (self.level() == Level::Aal2).then_some(TWO_FACTORS);
        Proof::iter().filter(move |proof| self.has(*proof)).map(Proof::into_str).chain(two)
    }

    /// Reads what [`Self::amr`] says. What it does not know is worth nothing.
    pub fn of_amr<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let proofs = names.into_iter().filter_map(|name| name.parse().ok());
        proofs.fold(Self::NONE, Self::with)
    }

    /// As one byte.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Reads [`Self::bits`].
    #[must_use]
    pub const fn of_bits(bits: u8) -> Self {
        Self(bits)
    }
}

/// That somebody has proven who they are: when, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven {
    /// When the last of the proofs was given.
    pub at: DateTime<Utc>,
    /// The proofs.
    pub by: Proofs,
}

impl Proven {
    /// How strong it is by now.
    #[must_use]
    pub fn level(&self, now: DateTime<Utc>) -> Level {
        if now - self.at < TWO_FACTORS_LAST { self.by.level() } else { Level::Aal1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Proofs = Proofs::PASSWORD.renewed_by(Proofs::ONE_TIME_CODE);

    #[test]
    fn two_factors_are_something_known_and_something_had_or_a_verified_passkey() {
        let federated = Proofs::PROVIDER.renewed_by(Proofs::PASSKEY);
        for two in [BOTH, federated, Proofs::VERIFIED_PASSKEY] {
            assert_eq!(two.level(), Level::Aal2, "{two:?}");
        }
        let two_had = Proofs::ONE_TIME_CODE.renewed_by(Proofs::PASSKEY);
        let verified = Proofs::NONE.with(Proof::UserVerified);
        for one in [Proofs::NONE, Proofs::PASSWORD, Proofs::PROVIDER, Proofs::FIRST, two_had] {
            assert_eq!(one.level(), Level::Aal1, "{one:?}");
        }
        assert_eq!(verified.level(), Level::Aal1);
    }

    #[test]
    fn a_proof_adds_to_what_a_session_began_with_and_to_nothing_else() {
        assert_eq!(BOTH.renewed_by(Proofs::PASSWORD), Proofs::PASSWORD);
        assert_eq!(BOTH.renewed_by(Proofs::PASSKEY), Proofs::PASSWORD.with(Proof::Passkey));
        let had = Proofs::VERIFIED_PASSKEY.renewed_by(Proofs::ONE_TIME_CODE);
        assert_eq!(had, Proofs::ONE_TIME_CODE);
    }

    #[test]
    fn what_is_claimed_reads_back() {
        let claimed: Vec<_> = BOTH.amr().collect();
        assert_eq!(claimed, ["pwd", "otp", "mfa"]);
        assert_eq!(Proofs::of_amr(claimed), BOTH);
        assert_eq!(Proofs::of_amr(["mfa", "sms", ""]), Proofs::NONE);
        let alone: Vec<_> = Proofs::VERIFIED_PASSKEY.amr().collect();
        assert_eq!(alone, ["pop", "user", "mfa"]);
        assert_eq!(Proofs::PASSWORD.amr().collect::<Vec<_>>(), ["pwd"]);
    }

    #[test]
    fn two_factors_count_for_a_day() {
        let at = DateTime::UNIX_EPOCH;
        let proven = Proven { at, by: BOTH };
        assert_eq!(proven.level(at + TimeDelta::hours(24) - TimeDelta::seconds(1)), Level::Aal2);
        assert_eq!(proven.level(at + TimeDelta::hours(24)), Level::Aal1);
    }
}
