//! Second factors in the schema: how one is set up, shown and given up.

mod error;

use async_graphql::{Context, ID, InputObject, Object, OneofObject, SimpleObject};
use portcullis_macros::rules;
use secrecy::ExposeSecret;

use crate::features::accounts::Accounts;
use crate::features::authenticators::Held;
use crate::features::authenticators::recovery_codes::RecoveryCode;
use crate::features::authenticators::totp::ENROLLMENT_TTL_SECONDS;
use crate::features::factors::{
    CHALLENGES, Enrolled, Enroller, Factors, RECOVERY_CODES, Shown, ShownPasskey, TOTP_CODES,
    TotpSetup,
};
use crate::features::login::{IN_SESSION, Login, MAILED_CODES, OF_USER};
use crate::graphql::context::ContextExt;
use crate::graphql::date_time::DateTime;
use crate::graphql::error::{ApiError, Result};
use crate::graphql::json_value::JsonValue;
use crate::graphql::step_up::StepUp;
use crate::infra::passwords::policy::Password;
use crate::infra::totp;
use crate::kernel::access::Factor;
use crate::kernel::id::UserId;
use crate::kernel::invalid::Reason;
use crate::schema::Services;
use crate::schema::sign_in::{AuthPayload, of_holder, parse_password, recipient};
use crate::schema::user::User;

/// What a caller has to prove with who they are, enough for their account.
pub(crate) fn step_up(services: &Services) -> StepUp {
    let (factors, login, db) =
        (services.factors.clone(), services.provider_login.clone(), services.tools.db.clone());
    StepUp::new(move |viewer| {
        let (factors, login, db, viewer) =
            (factors.clone(), login.clone(), db.clone(), viewer.clone());
        Box::pin(async move {
            let mut found = factors.satisfying(&viewer).await?;
            if !factors.needs_two_factors(&viewer.user) {
                if Accounts::has_password(db.reader(), viewer.user.id).await? {
                    found.push(Factor::Password);
                }
                if login.can_reauthenticate(viewer.user.id).await? {
                    found.push(Factor::Provider);
                }
            }
            Ok(found)
        })
    })
}

/// A proof of identity. Set exactly one field.
#[derive(OneofObject)]
pub(crate) enum Proof {
    /// The password.
    Password(String),
    /// The six-digit code of the authenticator app. The server accepts each code once.
    Totp(String),
    /// A recovery code. Each code works once.
    RecoveryCode(String),
    /// The browser's answer to startPasskeyProof.
    Passkey(PasskeyAssertion),
}

/// A browser's proof of a passkey.
#[derive(InputObject)]
pub(crate) struct PasskeyAssertion {
    /// StartPasskeyProofPayload.ceremony.
    ceremony: String,
    /// The credential that the browser returned, as its `toJSON()` gives it.
    credential: JsonValue,
}

/// A proof as it is acted upon.
enum Parsed {
    Password(Password),
    Possession(Shown),
}

impl Proof {
    fn parse(self) -> Result<Parsed> {
        Ok(match self {
            Self::Password(password) => {
                Parsed::Password(parse_password("input.proof.password", &password)?)
            }
            Self::Totp(code) => {
                Parsed::Possession(Shown::Totp(parse_code("input.proof.totp", &code)?))
            }
            Self::RecoveryCode(code) => {
                let parsed = RecoveryCode::parse(&code).ok_or_else(|| {
                    let message = "A recovery code has 24 letters and digits.";
                    ApiError::argument("input.proof.recoveryCode", Reason::InvalidFormat, message)
                })?;
                Parsed::Possession(Shown::RecoveryCode(parsed))
            }
            Self::Passkey(PasskeyAssertion { ceremony, credential }) => {
                let credential = credential.0;
                Parsed::Possession(Shown::Passkey(ShownPasskey { ceremony, credential }))
            }
        })
    }
}

fn parse_code(path: &'static str, code: &str) -> Result<totp::Code> {
    totp::Code::parse(code).ok_or_else(|| {
        ApiError::argument(
            path,
            Reason::InvalidFormat,
            "The code of the authenticator app has six digits.",
        )
    })
}

/// The second factors of a user.
#[derive(SimpleObject)]
pub(crate) struct SecondFactors {
    /// An id that stays the same for one user, so that client caches can merge answers. Query.node does not accept it.
    id: ID,
    /// Whether the account requires a second factor to sign in.
    is_on: bool,
    /// The authenticator app; null if the account has none.
    totp: Option<Totp>,
    /// The number of unused recovery codes.
    recovery_codes_left: u32,
}

impl SecondFactors {
    pub(super) fn of(user: UserId, is_on: bool, held: Held) -> Self {
        let totp = held.totp.map(|totp| Totp {
            confirmed_at: totp.confirmed_at.into(),
            last_used_at: totp.last_used_at.map(Into::into),
            is_locked: totp.is_shut,
        });
        let recovery_codes_left = u32::try_from(held.recovery_codes_left).unwrap_or(u32::MAX);
        Self { id: format!("second_factors_{user}").into(), is_on, totp, recovery_codes_left }
    }
}

/// An authenticator app that generates codes (TOTP).
#[derive(SimpleObject)]
pub(crate) struct Totp {
    /// When the user confirmed the first code.
    confirmed_at: DateTime,
    /// When the server last accepted a code; null if never.
    last_used_at: Option<DateTime>,
    /// Whether the app is locked after too many wrong codes in a row. The server accepts its codes again after a
    /// recovery code is used, or after another app is set up.
    is_locked: bool,
}

/// The arguments of completeSignIn.
#[derive(InputObject)]
struct CompleteSignInInput {
    /// SecondFactorRequired.challenge of the sign-in.
    challenge: String,
    /// The proof of one of the factors in SecondFactorRequired.factors.
    proof: Proof,
}

/// Recovery codes, where there are others from now on.
pub(super) type Codes = Option<Vec<String>>;

/// Hands over what setting a second factor up has led to: the account, its recovery codes, and the session of a sign-in that asked
/// for it.
pub(super) fn hand_over(
    ctx: &Context<'_>,
    enrolled: Enrolled,
) -> (User, Codes, Option<AuthPayload>) {
    let Enrolled { user, recovery_codes, tokens } = enrolled;
    let signed_in = tokens.map(|tokens| AuthPayload::hand_over(ctx, (user.clone(), tokens)));
    (User::from(&user), recovery_codes.map(|codes| shown(&codes)), signed_in)
}

fn shown(codes: &[RecoveryCode]) -> Vec<String> {
    codes.iter().map(|code| code.expose().to_string()).collect()
}

#[derive(Default)]
pub(crate) struct FactorMutation;

#[rules(mutation)]
#[Object]
impl FactorMutation {
    /// Completes a sign-in that requires a second factor. Fails with INVALID_CREDENTIALS if the proof is wrong, and
    /// with INVALID_TOKEN if the challenge is invalid or expired. Wrong codes count against the account across all
    /// sign-ins.
    #[public]
    #[limit(CHALLENGES, TOTP_CODES, RECOVERY_CODES)]
    async fn complete_sign_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The challenge and the proof.")] input: CompleteSignInInput,
    ) -> Result<AuthPayload> {
        let Parsed::Possession(shown) = input.proof.parse()? else {
            let message = "A password is not a second factor.";
            return Err(ApiError::argument("input.proof.password", Reason::NotAllowed, message));
        };
        let factors = ctx.service::<Factors>();
        let completed = factors.complete_sign_in(ctx.client(), &input.challenge, &shown, limits);
        Ok(AuthPayload::hand_over(ctx, completed.await?))
    }

    /// Proves the caller's identity again: a new session replaces the current one and counts as a recent sign-in. In
    /// cookie mode the session stays, and a new cookie replaces the previous one, which stays valid for a minute. An
    /// account with a second factor must prove that factor: `extensions.factors` of STEP_UP_REQUIRED lists the accepted
    /// ones. Fails with INVALID_CREDENTIALS if the proof is wrong; ten wrong proofs end the session.
    #[auth]
    #[limit(OF_USER, IN_SESSION, TOTP_CODES, RECOVERY_CODES)]
    #[defence]
    async fn reauthenticate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The proof of the caller's identity.")] proof: Proof,
    ) -> Result<AuthPayload> {
        let proof = proof.parse()?;
        recipient(ctx)?;
        let (acting, (of_user, in_session, totp, recovery)) = (ctx.acting()?, limits);
        let cookie = ctx.caller().session_cookie.as_ref().map(ExposeSecret::expose_secret);
        let proved = match proof {
            Parsed::Password(password) => {
                let holder = (of_user, in_session);
                let login = ctx.service::<Login>();
                login.reauthenticate(acting, cookie, &password, holder).await.map_err(of_holder)
            }
            Parsed::Possession(shown) => {
                let factors = ctx.service::<Factors>();
                let proved = factors.reauthenticate(acting, cookie, &shown, (totp, recovery));
                proved.await.map_err(ApiError::from)
            }
        };
        Ok(AuthPayload::hand_over(ctx, StepUp::explain(ctx, proved).await?))
    }

    /// Creates a secret for an authenticator app. A previous app stays valid until confirmTotpEnrollment.
    #[auth]
    #[fresh]
    #[enrolling]
    #[limit(CHALLENGES)]
    #[payload(
        secret = "The secret in base32, to type into the app. The server shows it only now.",
        otpauth_url = "The secret as a URL, to show as a QR code.",
        expires_in = "Seconds until the secret must be confirmed."
    )]
    async fn start_totp_enrollment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "EnrollmentRequired.enrollment, for callers who are not signed in.")]
        enrollment: Option<String>,
    ) -> Result<(String, String, u32)> {
        let enroller = enroller(ctx, enrollment.as_deref(), None)?;
        let TotpSetup { secret, otpauth_url } =
            StepUp::explain(ctx, ctx.service::<Factors>().start_totp(enroller, limits).await)
                .await?;
        Ok((secret.to_string(), otpauth_url.to_string(), ENROLLMENT_TTL_SECONDS))
    }

    /// Confirms by a code that the authenticator app has the secret, and turns the second factor on. Ends all other
    /// sessions and replaces any previous app. Fails with INVALID_CREDENTIALS if the code is wrong, with the reason
    /// MAILED_CODE if the mailed code is wrong, and with CONFLICT and the reason NOT_ENROLLING if no enrollment is in
    /// progress.
    #[auth]
    #[enrolling]
    #[limit(CHALLENGES, MAILED_CODES)]
    #[payload(
        user = "The owner of the account.",
        recovery_codes = "The new recovery codes, each of which replaces a lost factor once. The server shows \
            them only now. Null if the previous codes stay valid.",
        signed_in = "The new session, if a sign-in required the enrollment; null for signed-in callers."
    )]
    async fn confirm_totp_enrollment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The current code of the authenticator app.")] code: String,
        #[graphql(desc = "EnrollmentRequired.enrollment, for callers who are not signed in.")]
        enrollment: Option<String>,
        #[graphql(desc = "The code from the mail, if EnrollmentRequired.codeMailed is true.")]
        mailed_code: Option<String>,
    ) -> Result<(User, Codes, Option<AuthPayload>)> {
        let code = parse_code("input.code", &code)?;
        let enroller = enroller(ctx, enrollment.as_deref(), mailed_code.as_deref())?;
        let confirmed = ctx.service::<Factors>().confirm_totp(enroller, &code, limits).await;
        let enrolled = StepUp::explain(ctx, confirmed).await?;
        Ok(hand_over(ctx, enrolled))
    }

    /// Turns the second factor on for a caller who has a passkey, which becomes the second factor. Ends all other
    /// sessions. Fails with CONFLICT: with the reason NO_FACTOR if the caller has no passkey, and with SECOND_FACTOR_ON
    /// if the second factor is on already.
    #[auth]
    #[fresh]
    #[payload(
        user = "The caller.",
        recovery_codes = "The new recovery codes, each of which replaces a lost passkey once. The server shows \
            them only now."
    )]
    async fn enable_second_factor(&self, ctx: &Context<'_>) -> Result<(User, Vec<String>)> {
        let (user, codes) = ctx.service::<Factors>().turn_on(ctx.acting()?).await?;
        Ok((User::from(&user), shown(&codes)))
    }

    /// Turns the caller's second factor off: deletes the authenticator app and the recovery codes. Passkeys stay usable
    /// for signing in. Fails with CONFLICT: with the reason SECOND_FACTOR_OFF if the second factor is off already, and
    /// with SECOND_FACTOR_REQUIRED if the account must keep one.
    #[auth]
    #[fresh]
    #[payload(user = "The caller.")]
    async fn disable_second_factor(&self, ctx: &Context<'_>) -> Result<User> {
        Ok(User::from(&ctx.service::<Factors>().turn_off(ctx.acting()?).await?))
    }

    /// Deletes the caller's authenticator app. Without a passkey, this turns the second factor off. Fails with
    /// CONFLICT: with the reason NO_TOTP if the account has no app, and with SECOND_FACTOR_REQUIRED if the account must
    /// keep a second factor.
    #[auth]
    #[fresh]
    #[payload(user = "The caller.")]
    async fn disable_totp(&self, ctx: &Context<'_>) -> Result<User> {
        Ok(User::from(&ctx.service::<Factors>().disable_totp(ctx.acting()?).await?))
    }

    /// Creates ten new recovery codes for the caller's account and invalidates the previous ones. Fails with CONFLICT
    /// and the reason SECOND_FACTOR_OFF if the second factor is off.
    #[auth]
    #[fresh]
    #[defence]
    #[payload(
        user = "The caller.",
        recovery_codes = "The new recovery codes, each valid once. The server shows them only now."
    )]
    async fn regenerate_recovery_codes(&self, ctx: &Context<'_>) -> Result<(User, Vec<String>)> {
        let replaced = ctx.service::<Factors>().replace_recovery_codes(ctx.acting()?).await?;
        let (user, codes) = replaced;
        Ok((User::from(&user), shown(&codes)))
    }
}

/// Who sets a second factor up.
pub(super) fn enroller<'a>(
    ctx: &'a Context<'_>,
    enrollment: Option<&'a str>,
    mailed_code: Option<&'a str>,
) -> Result<Enroller<'a>> {
    let origin = ctx.client();
    Ok(match enrollment {
        Some(enrollment) => Enroller::Newcomer { origin, enrollment, mailed_code },
        None => Enroller::Holder(ctx.viewer()?, origin),
    })
}
