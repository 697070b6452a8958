//! Signing in, in the schema.

use async_graphql::{Context, InputObject, Object, SimpleObject, Union};
use portcullis_macros::rules;
use secrecy::{ExposeSecret, SecretString};

use crate::features::accounts::identity::Identifier;
use crate::features::login::{
    BY_IP, BY_NAME, ChangeError, IN_SESSION, Login, LoginError, OF_NAMES, OF_USER, ON_DEVICE,
};
use crate::features::sessions::{Admitted, Challenge, Issued, Tokens};
use crate::graphql::context::ContextExt;
use crate::graphql::error::{ApiError, Code, Result};
use crate::graphql::guard::FRESH_SECONDS;
use crate::infra::passwords::policy::Password;
use crate::kernel::access::{self, Factor, Refusal, Refused, TokenMode, Viewer};
use crate::kernel::invalid::Reason;
use crate::schema::user::{User, VerificationRequired};

/// A signed-in user and what keeps them signed in.
#[derive(SimpleObject)]
pub(crate) struct AuthPayload {
    /// To be sent as `Authorization: Bearer …` with every request. Null where the browser has a cookie that is the session.
    access_token: Option<String>,
    /// To be exchanged for the next pair. Keep it where scripts of others cannot read it. Null in cookie mode, and of
    /// switchOrganization: the one you have goes on.
    refresh_token: Option<String>,
    /// Always "Bearer".
    token_type: &'static str,
    /// Seconds until the access token expires; null where there is none.
    expires_in: Option<u32>,
    /// Shows at a later login that somebody has signed in here before: see LoginInput.deviceToken. Keep it
    /// when the session ends. Null in cookie mode, where the browser keeps it, and when no session begins.
    device_token: Option<String>,
    /// Who is signed in.
    pub(crate) user: User,
}

impl AuthPayload {
    /// What a caller is given, who in cookie mode gets the session in a cookie only.
    pub(crate) fn hand_over(ctx: &Context<'_>, (user, tokens): (access::User, Tokens)) -> Self {
        let Tokens { access, credential, device } = tokens;
        let (refresh_token, device_token) = match ctx.client().token_mode {
            TokenMode::Body => (
                credential.map(|issued| issued.text.expose().to_owned()),
                device.map(|(device, _)| device.expose().to_owned()),
            ),
            TokenMode::Cookie => {
                if let Some(Issued { text, ttl_seconds }) = &credential {
                    ctx.keep_session(text.expose(), *ttl_seconds);
                }
                if let Some((device, ttl_seconds)) = &device {
                    ctx.keep_device_token(device.expose(), *ttl_seconds);
                }
                (None, None)
            }
        };
        Self {
            expires_in: access.as_ref().map(|access| access.ttl_seconds),
            access_token: access.map(|access| access.text),
            refresh_token,
            token_type: "Bearer",
            device_token,
            user: User::from(&user),
        }
    }
}

/// The caller, to whom something is to be issued. What a cookie was exchanged for is for other services.
pub(super) fn recipient<'c>(ctx: &'c Context<'_>) -> Result<&'c Viewer> {
    let viewer = ctx.viewer()?;
    if viewer.is_elsewhere() {
        let message = "This access token is for other services: call with the cookie that it was exchanged for";
        return Err(ApiError::new(Code::Forbidden, message));
    }
    Ok(viewer)
}

/// What it takes to sign in.
#[derive(InputObject)]
pub(crate) struct LoginInput {
    /// The username or the e-mail address.
    identifier: String,
    /// The password.
    password: String,
    /// The deviceToken of an earlier sign-in to the account from this device. With it, failed sign-ins of
    /// others do not hold this one up. It opens nothing: without it, or with one that is good for nothing,
    /// the password alone decides. Leave it out in cookie mode.
    device_token: Option<String>,
}

/// What signing in leads to. Only a sign-in with another provider may require that an address is verified first.
#[derive(Union)]
#[expect(clippy::large_enum_variant, reason = "made once a request, to be taken apart at once")]
pub(crate) enum LoginResult {
    AuthPayload(AuthPayload),
    SecondFactorRequired(SecondFactorRequired),
    EnrollmentRequired(EnrollmentRequired),
    VerificationRequired(VerificationRequired),
}

/// Nobody is signed in yet: completeSignIn asks for a second factor. The challenge is void after five wrong answers, and when the
/// password or the factors of the account change.
#[derive(SimpleObject)]
pub(crate) struct SecondFactorRequired {
    /// What completeSignIn takes, and startPasskeyProof. A secret of whoever signs in.
    challenge: String,
    /// What the account has to answer it with.
    factors: Vec<Factor>,
    /// Seconds for which the challenge is good; never null, but of the type that AuthPayload has.
    expires_in: Option<u32>,
}

/// Nobody is signed in yet: the account needs a second factor, and has none. The fields with @enrolling set one up, and sign in.
#[derive(SimpleObject)]
pub(crate) struct EnrollmentRequired {
    /// What the fields with @enrolling take. It does nothing else. A secret of whoever signs in.
    enrollment: String,
    /// Whether a code was mailed to the address of the account, which is asked for beside the new factor.
    code_mailed: bool,
    /// Seconds for which the enrollment is good; never null, but of the type that AuthPayload has.
    expires_in: Option<u32>,
}

impl From<Challenge> for SecondFactorRequired {
    fn from(challenge: Challenge) -> Self {
        Self {
            challenge: challenge.token.expose().to_owned(),
            factors: challenge.factors,
            expires_in: Some(challenge.ttl_seconds),
        }
    }
}

impl From<Challenge> for EnrollmentRequired {
    fn from(challenge: Challenge) -> Self {
        Self {
            enrollment: challenge.token.expose().to_owned(),
            code_mailed: challenge.is_code_mailed,
            expires_in: Some(challenge.ttl_seconds),
        }
    }
}

impl LoginResult {
    /// What whoever signs in is given.
    pub(crate) fn hand_over(ctx: &Context<'_>, (user, admitted): (access::User, Admitted)) -> Self {
        match admitted {
            Admitted::Session(tokens) => {
                Self::AuthPayload(AuthPayload::hand_over(ctx, (user, tokens)))
            }
            Admitted::SecondFactorRequired(challenge) => {
                Self::SecondFactorRequired(challenge.into())
            }
            Admitted::EnrollmentRequired(challenge) => Self::EnrollmentRequired(challenge.into()),
        }
    }
}

#[derive(Default)]
pub(crate) struct LoginMutation;

#[rules(mutation)]
#[Object]
impl LoginMutation {
    /// Exchanges a password for a session. Failures by username and by e-mail address count for one account.
    /// A device that has signed in before is limited by its own failures alone.
    #[public]
    #[limit(BY_IP, BY_NAME, OF_NAMES, OF_USER, ON_DEVICE)]
    async fn login(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who signs in.")] input: LoginInput,
    ) -> Result<LoginResult> {
        let identifier = Identifier::parse(&input.identifier);
        let password = parse_password("input.password", &input.password)?;
        let login = ctx.service::<Login>();
        let device = presented(
            ctx,
            ctx.caller().device_cookie.as_ref(),
            "input.deviceToken",
            input.device_token,
        )?;
        let device = device.as_ref().map(ExposeSecret::expose_secret);
        let signed_in = login.login(ctx.client(), &identifier, &password, device, limits).await?;
        Ok(LoginResult::hand_over(ctx, signed_in))
    }

    /// Changes the caller's password, and ends their other sessions. In cookie mode another cookie takes the place of the one
    /// that the browser has, which lingers for a minute. Ten wrong passwords end the session. An account without a password
    /// gets one by setPassword.
    #[auth]
    #[fresh(if_second_factor)]
    #[limit(OF_USER, IN_SESSION)]
    #[defence]
    #[payload(user = "The caller.")]
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The password so far.")] current_password: String,
        #[graphql(desc = "8 to 128 characters of any kind.")] new_password: String,
    ) -> Result<User> {
        let current = parse_password("input.currentPassword", &current_password)?;
        let login = ctx.service::<Login>();
        let cookie = ctx.caller().session_cookie.as_ref().map(ExposeSecret::expose_secret);
        let acting = ctx.acting()?;
        let changed =
            login.change_password(acting, cookie, &current, &new_password, limits).await?;
        Ok(with_cookie(ctx, changed))
    }

    /// Gives the caller's account a password, if it has none, and ends their other sessions. In cookie mode another cookie takes
    /// the place of the one that the browser has, which lingers for a minute. An account that has a password is CONFLICT.
    #[auth]
    #[fresh]
    #[limit(OF_USER, IN_SESSION)]
    #[defence]
    #[payload(user = "The caller.")]
    async fn set_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "8 to 128 characters of any kind.")] new_password: String,
    ) -> Result<User> {
        let login = ctx.service::<Login>();
        let cookie = ctx.caller().session_cookie.as_ref().map(ExposeSecret::expose_secret);
        let set = login.set_password(ctx.acting()?, cookie, &new_password, limits).await?;
        Ok(with_cookie(ctx, set))
    }
}

/// The caller, whose cookie another one has replaced, if they have one.
fn with_cookie(ctx: &Context<'_>, (user, raised): (access::User, Option<Tokens>)) -> User {
    match raised {
        Some(raised) => AuthPayload::hand_over(ctx, (user, raised)).user,
        None => user.into(),
    }
}

/// A password as a caller gives it.
pub(super) fn parse_password(path: &'static str, password: &str) -> Result<Password> {
    Password::parse(password).map_err(|invalid| ApiError::invalid(&[invalid.at(path)]))
}

/// A token of a call: the argument, or in cookie mode what its cookie holds.
pub(super) fn presented(
    ctx: &Context<'_>,
    cookie: Option<&SecretString>,
    path: &'static str,
    argument: Option<String>,
) -> Result<Option<SecretString>> {
    match (ctx.client().token_mode, argument) {
        (TokenMode::Cookie, Some(_)) => {
            let message = "Leave this out in cookie mode: the cookie says it";
            Err(ApiError::argument(path, Reason::InvalidFormat, message))
        }
        (TokenMode::Cookie, None) => Ok(cookie.cloned()),
        (TokenMode::Body, argument) => Ok(argument.map(SecretString::from)),
    }
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::InvalidCredentials { account } => {
                let target = account.map(|id| id.0);
                Self::new(Code::InvalidCredentials, "Wrong username, e-mail address or password")
                    .auditing(Refusal { refused: Refused::SignIn, target })
            }
            LoginError::SecondFactorNeeded => Self::step_up(FRESH_SECONDS, &[]),
            LoginError::Limited(limited) => limited.into(),
            LoginError::Hash(error) => error.into(),
            LoginError::Fault(fault) => fault.into(),
        }
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Invalid(problem) => Self::invalid(&[problem]),
            ChangeError::HasPassword => {
                Self::new(Code::Conflict, "Your account has a password already: use changePassword")
            }
            ChangeError::Login(error) => error.into(),
            ChangeError::Fault(fault) => fault.into(),
        }
    }
}
