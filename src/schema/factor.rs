//! Second factors in the schema: how one is set up, shown and given up.

mod error;

use async_graphql::{Context, InputObject, Object, OneofObject, SimpleObject};
use portcullis_macros::rules;
use secrecy::ExposeSecret;

use crate::features::accounts::Accounts;
use crate::features::authenticators::Held;
use crate::features::authenticators::recovery_codes::RecoveryCode;
use crate::features::authenticators::totp::ENROLLMENT_TTL_SECONDS;
use crate::features::factors::{
    CHALLENGES, Enrolled, Enroller, Factors, MAILED_CODES, RECOVERY_CODES, Shown, ShownPasskey,
    TOTP_CODES, TotpSetup,
};
use crate::features::login::{IN_SESSION, Login, OF_USER};
use crate::graphql::context::ContextExt;
use crate::graphql::date_time::DateTime;
use crate::graphql::error::{ApiError, Result};
use crate::graphql::json_value::JsonValue;
use crate::graphql::step_up::StepUp;
use crate::infra::passwords::policy::Password;
use crate::infra::totp;
use crate::kernel::access::Factor;
use crate::kernel::invalid::Reason;
use crate::schema::Services;
use crate::schema::sign_in::{AuthPayload, parse_password, recipient};
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

/// What proves who somebody is: exactly one of these.
#[derive(OneofObject)]
pub(crate) enum Proof {
    /// The password.
    Password(String),
    /// The code that an authenticator app shows: six digits, of which each is accepted once.
    Totp(String),
    /// One of the recovery codes, which is used up by it.
    RecoveryCode(String),
    /// An answer to startPasskeyProof.
    Passkey(PasskeyAssertion),
}

/// What a browser returned for a passkey.
#[derive(InputObject)]
pub(crate) struct PasskeyAssertion {
    /// What startPasskeyProof answered.
    ceremony: String,
    /// `toJSON()` of what the browser returned.
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
                    let message = "A recovery code has 24 letters and digits";
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
        ApiError::argument(path, Reason::InvalidFormat, "The code of an app has six digits")
    })
}

/// The second factors of a user.
#[derive(SimpleObject)]
pub(crate) struct SecondFactors {
    /// Whether signing in asks for one.
    is_on: bool,
    /// The authenticator app; null if there is none.
    totp: Option<Totp>,
    /// How many recovery codes are left.
    recovery_codes_left: u32,
}

impl SecondFactors {
    pub(super) fn of(is_on: bool, held: Held) -> Self {
        let totp = held.totp.map(|totp| Totp {
            confirmed_at: totp.confirmed_at.into(),
            last_used_at: totp.last_used_at.map(Into::into),
            is_locked: totp.is_shut,
        });
        let recovery_codes_left = u32::try_from(held.recovery_codes_left).unwrap_or(u32::MAX);
        Self { is_on, totp, recovery_codes_left }
    }
}

/// An authenticator app that tells codes.
#[derive(SimpleObject)]
pub(crate) struct Totp {
    /// When its first code was confirmed.
    confirmed_at: DateTime,
    /// When a code was last accepted.
    last_used_at: Option<DateTime>,
    /// Whether too many wrong codes were given in a row: then none is accepted until a recovery code is used, or another app is set
    /// up.
    is_locked: bool,
}

/// The input of completeSignIn.
#[derive(InputObject)]
struct CompleteSignInInput {
    /// What SecondFactorRequired has.
    challenge: String,
    /// One of the factors that SecondFactorRequired names.
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
    /// Completes a sign-in that asked for a second factor. Wrong codes count for the account, however often somebody signs in
    /// anew.
    #[public]
    #[limit(CHALLENGES, TOTP_CODES, RECOVERY_CODES)]
    async fn complete_sign_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The answer to a challenge.")] input: CompleteSignInInput,
    ) -> Result<AuthPayload> {
        let Parsed::Possession(shown) = input.proof.parse()? else {
            let message = "A password is no second factor";
            return Err(ApiError::argument("input.proof.password", Reason::NotAllowed, message));
        };
        let factors = ctx.service::<Factors>();
        let completed = factors.complete_sign_in(ctx.client(), &input.challenge, &shown, limits);
        Ok(AuthPayload::hand_over(ctx, completed.await?))
    }

    /// Proves again who the caller is: another session takes the place of the one they call from, and
    /// counts as a recent sign-in. In cookie mode the session stays, and another cookie takes the place of the one that the
    /// browser has, which lingers for a minute. Ten wrong proofs end the session. An account with a second factor takes one:
    /// `extensions.factors` of STEP_UP_REQUIRED says which.
    #[auth]
    #[limit(OF_USER, IN_SESSION, TOTP_CODES, RECOVERY_CODES)]
    #[defence]
    async fn reauthenticate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What the caller proves it with.")] proof: Proof,
    ) -> Result<AuthPayload> {
        let proof = proof.parse()?;
        recipient(ctx)?;
        let (acting, (of_user, in_session, totp, recovery)) = (ctx.acting()?, limits);
        let cookie = ctx.caller().session_cookie.as_ref().map(ExposeSecret::expose_secret);
        let proved = match proof {
            Parsed::Password(password) => {
                let holder = (of_user, in_session);
                let login = ctx.service::<Login>();
                login
                    .reauthenticate(acting, cookie, &password, holder)
                    .await
                    .map_err(ApiError::from)
            }
            Parsed::Possession(shown) => {
                let factors = ctx.service::<Factors>();
                let proved = factors.reauthenticate(acting, cookie, &shown, (totp, recovery));
                proved.await.map_err(ApiError::from)
            }
        };
        Ok(AuthPayload::hand_over(ctx, StepUp::explain(ctx, proved).await?))
    }

    /// Draws a secret for an authenticator app. The app that the account may have already goes on until confirmTotpEnrollment.
    #[auth]
    #[fresh]
    #[enrolling]
    #[limit(CHALLENGES)]
    #[payload(
        secret = "To be typed into the app, in base32. Shown now and never again.",
        otpauth_url = "The same for a QR code.",
        expires_in = "Seconds for which the secret can be confirmed."
    )]
    async fn start_totp_enrollment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What EnrollmentRequired has, for callers who are not signed in.")]
        enrollment: Option<String>,
    ) -> Result<(String, String, u32)> {
        let enroller = enroller(ctx, enrollment.as_deref(), None)?;
        let TotpSetup { secret, otpauth_url } =
            ctx.service::<Factors>().start_totp(enroller, limits).await?;
        Ok((secret.to_string(), otpauth_url.to_string(), ENROLLMENT_TTL_SECONDS))
    }

    /// Confirms with a code that an authenticator app has the secret. Signing in asks for a second factor from then on, and all
    /// other sessions end; an app that the account had before is replaced.
    #[auth]
    #[enrolling]
    #[limit(CHALLENGES, MAILED_CODES)]
    #[payload(
        user = "The owner of the account.",
        recovery_codes = "What opens the account from now on in the place of a lost factor, each code once: shown now and never \
            again. Null if the ones from before stay valid.",
        signed_in = "The session of a sign-in that asked for the factor; null of a caller who is signed in."
    )]
    async fn confirm_totp_enrollment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The code that the app shows.")] code: String,
        #[graphql(desc = "What EnrollmentRequired has, for callers who are not signed in.")]
        enrollment: Option<String>,
        #[graphql(desc = "The code that was mailed, if EnrollmentRequired says so.")]
        mailed_code: Option<String>,
    ) -> Result<(User, Codes, Option<AuthPayload>)> {
        let code = parse_code("input.code", &code)?;
        let enroller = enroller(ctx, enrollment.as_deref(), mailed_code.as_deref())?;
        let enrolled = ctx.service::<Factors>().confirm_totp(enroller, &code, limits).await?;
        Ok(hand_over(ctx, enrolled))
    }

    /// Has signing in ask for a second factor, for who has a passkey: the passkey is it. All other sessions end.
    #[auth]
    #[fresh]
    #[payload(
        user = "The caller.",
        recovery_codes = "What opens the account from now on in the place of a lost passkey, each code once: shown now and never \
            again."
    )]
    async fn enable_second_factor(&self, ctx: &Context<'_>) -> Result<(User, Vec<String>)> {
        let (user, codes) = ctx.service::<Factors>().turn_on(ctx.acting()?).await?;
        Ok((User::from(&user), shown(&codes)))
    }

    /// Has signing in ask for no second factor any more: takes the authenticator app and the recovery codes from the account. Its
    /// passkeys stay, as ways in.
    #[auth]
    #[fresh]
    #[payload(user = "The caller.")]
    async fn disable_second_factor(&self, ctx: &Context<'_>) -> Result<User> {
        Ok(User::from(&ctx.service::<Factors>().turn_off(ctx.acting()?).await?))
    }

    /// Takes the authenticator app from the account. Without a passkey signing in asks for no second factor any more.
    #[auth]
    #[fresh]
    #[payload(user = "The caller.")]
    async fn disable_totp(&self, ctx: &Context<'_>) -> Result<User> {
        Ok(User::from(&ctx.service::<Factors>().disable_totp(ctx.acting()?).await?))
    }

    /// Gives the account ten other recovery codes. Those before are void.
    #[auth]
    #[fresh]
    #[defence]
    #[payload(
        user = "The caller.",
        recovery_codes = "The codes, each good for once: shown now and never again."
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
