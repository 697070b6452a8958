//! How a session begins, by whichever way in: at once, after a second factor, or after there is one (MF-09).

pub(super) mod store;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::{EndReason, Sessions, Tokens};
use crate::features::audit::{Detail, Kind, kind};
use crate::features::authenticators;
use crate::features::change::{Fault, Record, Tx};
use crate::infra::limits::Limited;
use crate::infra::mail::{Letter, MailKind};
use crate::kernel::access::{Factor, Level, Proofs, Proven, User};
use crate::kernel::acting::Gone;
use crate::kernel::id::{ChallengeId, UserId};
use crate::kernel::secret::{self, CryptoError, OpaqueToken, sha256};

/// How long somebody has for the second factor (MF-06).
const COMPLETING: TimeDelta = TimeDelta::minutes(5);
/// How long somebody has to set one up: longer, since a mail may have to arrive.
const ENROLLING: TimeDelta = TimeDelta::minutes(15);
/// Wrong answers that void a challenge.
const FAILURES_MAX: i32 = 5;
/// Challenges that a user has at most; the oldest make room.
const CHALLENGES_MAX: u64 = 10;
/// Mailed codes of one user that are valid at a time, so that whoever knows a password cannot fill the mailbox.
const MAILED_MAX: usize = 5;

/// What a first proof leads to.
#[derive(Debug)]
pub(crate) enum Admitted {
    Session(Tokens),
    /// The account has a second factor, which is to be shown.
    SecondFactorRequired(Challenge),
    /// The account needs a second factor, and is to get one.
    EnrollmentRequired(Challenge),
}

/// What a sign-in that is not complete can be completed with, and nothing else.
#[derive(Debug)]
pub(crate) struct Challenge {
    pub(crate) token: OpaqueToken,
    pub(crate) ttl_seconds: u32,
    /// What the account has to answer it with.
    pub(crate) factors: Vec<Factor>,
    /// Whether a code was mailed that is asked for as well.
    pub(crate) is_code_mailed: bool,
}

/// What a challenge is for. One for one thing does nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// The second factor that the account has.
    SecondFactor,
    /// One that it is to get.
    Enrollment,
}

impl Awaited {
    /// Lets people and secret scanners tell what they have found. Never change it.
    const fn prefix(self) -> &'static str {
        match self {
            Self::SecondFactor => "pcc_",
            Self::Enrollment => "pcn_",
        }
    }

    const fn time(self) -> TimeDelta {
        match self {
            Self::SecondFactor => COMPLETING,
            Self::Enrollment => ENROLLING,
        }
    }
}

/// A challenge as its holder presents it. Never logged, never stored.
#[derive(Clone, Debug)]
pub(crate) struct Presented(OpaqueToken);

impl Presented {
    /// Reads what is to be for this; `None` for whatever cannot be.
    pub(crate) fn parse(awaited: Awaited, text: &str) -> Option<Self> {
        OpaqueToken::parse(awaited.prefix(), text).map(Self)
    }
}

/// A sign-in that is not complete.
#[derive(Clone, Debug)]
pub(crate) struct Unfinished {
    pub(crate) id: ChallengeId,
    pub(crate) user: UserId,
    /// What was shown so far.
    proven: Proven,
    /// What the audit log is told when it is complete.
    event: Kind,
    detail: Option<String>,
    /// Of the code that was mailed, if one was.
    mailed_digest: Option<Vec<u8>>,
}

impl Unfinished {
    /// Whether its answer shows that somebody reads the mail of the account: a code was mailed.
    pub(crate) fn proves_address(&self) -> bool {
        self.mailed_digest.is_some()
    }

    /// What has been shown with this as well.
    fn proven_with(&self, shown: Proofs, now: DateTime<Utc>) -> Proven {
        Proven { at: now, by: self.proven.by.renewed_by(shown) }
    }
}

/// A code that is mailed: eight digits, of which five are tried.
pub(crate) struct MailedCode(Zeroizing<String>);

impl MailedCode {
    const DIGITS: usize = 8;

    fn generate() -> Result<Self, CryptoError> {
        // The remainder favours none by more than one in forty billion.
        let number = u64::from_be_bytes(secret::random()?) % 100_000_000;
        Ok(Self(format!("{number:08}").into()))
    }

    /// Reads one as people type it; `None` for whatever cannot be one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.nfkc().filter(|letter| !letter.is_whitespace());
        let digits = Zeroizing::new(digits.collect::<String>());
        let is_one = digits.len() == Self::DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
        is_one.then_some(Self(digits))
    }

    /// What is stored. The challenge is part of it, so that no table of all codes reads it.
    fn digest(&self, challenge: &OpaqueToken) -> [u8; 32] {
        sha256(&[self.0.as_bytes(), challenge.expose().as_bytes()].concat())
    }
}

/// Lets another code be mailed, beside those that are valid until then.
fn admit_mail(valid_until: &[DateTime<Utc>], now: DateTime<Utc>) -> Result<(), Limited> {
    let first = valid_until.iter().min().filter(|_| valid_until.len() >= MAILED_MAX);
    first.map_or(Ok(()), |first| {
        let whole = (*first - now + TimeDelta::milliseconds(999)).num_seconds();
        let retry_after_seconds = u32::try_from(whole).unwrap_or_default();
        Err(Limited { limit: "enrollmentCode.user", retry_after_seconds, is_named: false })
    })
}

impl Sessions {
    /// Begins a session for a user whose row the transaction has locked, and who is active; or a challenge, where what
    /// they have shown is not enough. The audit log says what `begun` says once the session begins.
    pub(crate) async fn sign_in(
        &self,
        tx: &Tx<'_>,
        user: &User,
        proven: Proven,
        begun: impl Into<Record>,
    ) -> Result<Admitted, Fault> {
        let begun = begun.into();
        if proven.by.level() == Level::Aal2 {
            self.turn_on_where_needed(tx, user).await?;
            return Ok(Admitted::Session(self.begin(tx, user, begun, proven).await?));
        }
        let is_missed = self.second_factor.is_missed_by(user, proven.by);
        // Where one is needed, a passkey that its owner has already is one.
        let has_one = is_missed && authenticators::held(tx, user.id).await?.has_second_factor();
        if user.second_factor || has_one {
            let challenge = self.challenge(tx, user, proven, begun, Awaited::SecondFactor).await?;
            return Ok(Admitted::SecondFactorRequired(challenge));
        }
        if is_missed {
            let challenge = self.challenge(tx, user, proven, begun, Awaited::Enrollment).await?;
            return Ok(Admitted::EnrollmentRequired(challenge));
        }
        Ok(Admitted::Session(self.begin(tx, user, begun, proven).await?))
    }

    async fn challenge(
        &self,
        tx: &Tx<'_>,
        user: &User,
        proven: Proven,
        begun: Record,
        awaited: Awaited,
    ) -> Result<Challenge, Fault> {
        let token = OpaqueToken::generate(awaited.prefix())?;
        // Somebody who knows a password and has no second factor would otherwise be who sets it up.
        let is_code_mailed = awaited == Awaited::Enrollment && tx.can_mail();
        let code = is_code_mailed.then(MailedCode::generate).transpose()?;
        if let Some(code) = &code {
            admit_mail(&store::mailed(tx, user.id, tx.now()).await?, tx.now())?;
            let letter = Letter::to(user, MailKind::EnrollmentCode, tx.acting().origin);
            tx.write(letter.with(&code.0)).await?;
        }
        let (event, detail) = begun.what();
        let challenge = store::New {
            id: ChallengeId::new(tx.now()),
            user: user.id,
            digest: token.hash(),
            proven,
            event,
            detail,
            mailed_digest: code.map(|code| code.digest(&token)),
            expires_at: tx.now() + awaited.time(),
        };
        store::evict(tx, user.id, CHALLENGES_MAX - 1).await?;
        store::insert(tx, challenge).await?;
        let ttl_seconds = u32::try_from(awaited.time().num_seconds()).unwrap_or_default();
        let held = authenticators::held(tx, user.id).await?;
        let factors = held.second_factors();
        Ok(Challenge { token, ttl_seconds, factors, is_code_mailed })
    }

    /// The sign-in of a challenge that lives.
    pub(crate) async fn unfinished(
        &self,
        db: &impl ConnectionTrait,
        presented: &Presented,
        now: DateTime<Utc>,
    ) -> Result<Option<Unfinished>, DbErr> {
        store::find(db, presented.0.hash(), FAILURES_MAX, now).await
    }

    /// Whether a code is the one that was mailed with a challenge, if one was.
    pub(crate) fn is_mailed(
        unfinished: &Unfinished,
        presented: &Presented,
        code: Option<&MailedCode>,
    ) -> bool {
        let Some(digest) = &unfinished.mailed_digest else { return true };
        code.is_some_and(|code| code.digest(&presented.0)[..] == digest[..])
    }

    /// Counts a wrong answer to a challenge, which voids it at the last.
    pub(crate) async fn fail(&self, tx: &Tx<'_>, unfinished: &Unfinished) -> Result<(), DbErr> {
        store::count_failure(tx, unfinished.id).await
    }

    /// Whether it takes two factors to act in an account: it has a second one, or is to have.
    pub(crate) fn needs_two_factors(&self, user: &User) -> bool {
        user.second_factor || self.second_factor.binds(user.role)
    }

    /// Turns the second factor of a user on who has to have one, and holds one that they have never turned on: from then on it is theirs
    /// like any other, and outlasts the rule.
    async fn turn_on_where_needed(&self, tx: &Tx<'_>, user: &User) -> Result<(), Fault> {
        let is_due = self.second_factor.binds(user.role) && !user.second_factor;
        if is_due && authenticators::held(tx, user.id).await?.has_second_factor() {
            authenticators::turn_on(tx, user.id).await?;
            tx.record(kind::SECOND_FACTOR_TURNED_ON, user.id);
            tx.write(Letter::to(user, MailKind::SecondFactorOn, tx.acting().origin)).await?;
        }
        Ok(())
    }

    /// The same for who has set a second factor up. What began with less ends.
    pub(crate) async fn complete_enrollment(
        &self,
        tx: &Tx<'_>,
        user: &User,
        unfinished: &Unfinished,
        shown: Proofs,
    ) -> Result<Tokens, Fault> {
        let begun = self.answered(tx, unfinished).await?;
        self.end_all(tx, user.id, EndReason::SecondFactorChanged).await?;
        self.begin(tx, user, begun, unfinished.proven_with(shown, tx.now())).await
    }

    /// Begins the session of a user whose row the transaction has locked, who has answered a challenge. That is used up.
    pub(crate) async fn complete(
        &self,
        tx: &Tx<'_>,
        user: &User,
        unfinished: &Unfinished,
        shown: Proofs,
    ) -> Result<Tokens, Fault> {
        let begun = self.answered(tx, unfinished).await?;
        self.turn_on_where_needed(tx, user).await?;
        self.begin(tx, user, begun, unfinished.proven_with(shown, tx.now())).await
    }

    /// Uses a challenge up, and returns what the audit log is told of the session that begins.
    async fn answered(&self, tx: &Tx<'_>, unfinished: &Unfinished) -> Result<Record, Fault> {
        if !store::take(tx, unfinished.id).await? {
            return Err(Gone.into());
        }
        let begun = Record::of(unfinished.event);
        Ok(match &unfinished.detail {
            Some(detail) => begun.in_detail(Detail::of(detail)),
            None => begun,
        })
    }

    /// Voids the challenges of a user whose row is locked: what they have shown so far, or what is asked for, has changed.
    pub(crate) async fn void_challenges(&self, tx: &Tx<'_>, user: UserId) -> Result<(), DbErr> {
        store::delete_all(tx, user).await
    }
}
