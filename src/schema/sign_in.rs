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
use crate::kernel::id::UserId;
use crate::kernel::invalid::Reason;
use crate::schema::user::{User, VerificationRequired};

/// A signed-in user with the tokens of their session.
#[derive(SimpleObject)]
pub(crate) struct AuthPayload {
    /// The access token, to send as `Authorization: Bearer …` with every request. Null in cookie mode, where the cookie
    /// is the session.
    access_token: Option<String>,
    /// The refresh token, to exchange for the next pair by refreshToken. Keep it where third-party scripts cannot read
    /// it. Null in cookie mode, and for switchOrganization, where the previous refresh token stays valid.
    refresh_token: Option<String>,
    /// The type of the access token: always "Bearer".
    token_type: &'static str,
    /// Seconds until the access token expires; null without an access token.
    expires_in: Option<u32>,
    /// The token that lets a later login recognize this device: see LoginInput.deviceToken. Keep it after the session
    /// ends. Null in cookie mode, where the browser keeps it, and when no session begins.
    device_token: Option<String>,
    /// The signed-in user.
    pub(crate) user: User,
}

impl AuthPayload {
    /// What a caller is given, who in cookie mode gets the session in a cookie only.
    pub(crate) fn hand_over(ctx: &Context<'_>, (user, tokens): (access::User, Tokens)) -> Self {
        let Tokens { access, credential, device, viewer } = tokens;
        if let Some(viewer) = viewer {
            ctx.admit(viewer);
        }
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
        let message = "This access token is for other services. Call with the cookie that it was \
                       exchanged for.";
        return Err(ApiError::new(Code::Forbidden, message));
    }
    Ok(viewer)
}

/// The credentials to sign in with.
#[derive(InputObject)]
pub(crate) struct LoginInput {
    /// The username or the email address.
    identifier: String,
    /// The password.
    password: String,
    /// AuthPayload.deviceToken of an earlier sign-in to the account from this device. With a valid token, failed
    /// sign-ins by others do not block this device. The token does not replace the password: a missing or invalid one
    /// is ignored. Leave it out in cookie mode.
    device_token: Option<String>,
}

/// The result of a sign-in. VerificationRequired occurs only when registering, or when signing in with another
/// provider.
#[derive(Union)]
#[expect(clippy::large_enum_variant, reason = "made once a request, to be taken apart at once")]
pub(crate) enum LoginResult {
    AuthPayload(AuthPayload),
    SecondFactorRequired(SecondFactorRequired),
    EnrollmentRequired(EnrollmentRequired),
    VerificationRequired(VerificationRequired),
}

/// The sign-in is incomplete: complete it by passing a second factor to completeSignIn. The challenge becomes invalid
/// after five wrong answers, and when the password or the factors of the account change.
#[derive(SimpleObject)]
pub(crate) struct SecondFactorRequired {
    /// The secret to pass to completeSignIn and startPasskeyProof. Keep it private.
    challenge: String,
    /// The factors that the account can use.
    factors: Vec<Factor>,
    /// Seconds for which the challenge is valid. Never null: the field is nullable only to match AuthPayload.
    expires_in: Option<u32>,
}

/// The sign-in is incomplete: the account needs a second factor but has none. The fields with @enrolling set one up and
/// complete the sign-in.
#[derive(SimpleObject)]
pub(crate) struct EnrollmentRequired {
    /// The secret to pass to the fields with @enrolling. It has no other use. Keep it private.
    enrollment: String,
    /// Whether the server mailed a code to the account's address. The enrollment then needs this code besides the new
    /// factor.
    code_mailed: bool,
    /// Seconds for which the enrollment is valid. Never null: the field is nullable only to match AuthPayload.
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
    /// Signs a user in with their password. Fails with INVALID_CREDENTIALS if the name or the password is wrong. Failed
    /// attempts by username and by email address count against the same account. A known device is limited only by its
    /// own failures: see LoginInput.deviceToken.
    #[public]
    #[limit(BY_IP, BY_NAME, OF_NAMES, OF_USER, ON_DEVICE)]
    async fn login(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The credentials.")] input: LoginInput,
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

    /// Changes the caller's password and ends their other sessions. In cookie mode, a new cookie replaces the previous
    /// one, which stays valid for a minute. Fails with INVALID_CREDENTIALS if the current password is wrong; ten wrong
    /// passwords end the session. To give an account its first password, use setPassword.
    #[auth]
    #[fresh(if_second_factor)]
    #[limit(OF_USER, IN_SESSION)]
    #[defence]
    #[payload(user = "The caller.")]
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The current password.")] current_password: String,
        #[graphql(
            desc = "The password: 8 to 128 characters of any kind. The server refuses common passwords \
            and those that repeat public facts about the account or the service."
        )]
        new_password: String,
    ) -> Result<User> {
        recipient(ctx)?;
        let current = parse_password("input.currentPassword", &current_password)?;
        let login = ctx.service::<Login>();
        let cookie = ctx.caller().session_cookie.as_ref().map(ExposeSecret::expose_secret);
        let acting = ctx.acting()?;
        let changed =
            login.change_password(acting, cookie, &current, &new_password, limits).await?;
        Ok(with_cookie(ctx, changed))
    }

    /// Sets the first password of the caller's account and ends their other sessions. In cookie mode, a new cookie
    /// replaces the previous one, which stays valid for a minute. Fails with CONFLICT if the account already has a
    /// password.
    #[auth]
    #[fresh]
    #[limit(OF_USER, IN_SESSION)]
    #[defence]
    #[payload(user = "The caller.")]
    async fn set_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The password: 8 to 128 characters of any kind. The server refuses common passwords \
            and those that repeat public facts about the account or the service."
        )]
        new_password: String,
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
            let message = "Leave this out in cookie mode, where the cookie is used instead.";
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
                wrong("The username, email address or password is wrong.", account)
            }
            LoginError::SecondFactorNeeded => Self::step_up(FRESH_SECONDS, &[]),
            LoginError::Limited(limited) => limited.into(),
            LoginError::Hash(error) => error.into(),
            LoginError::Fault(fault) => fault.into(),
        }
    }
}

/// The same for a caller whose session says who they are: only their password can be wrong.
pub(super) fn of_holder(error: LoginError) -> ApiError {
    match error {
        LoginError::InvalidCredentials { account } => {
            wrong("Your current password is wrong.", account)
        }
        LoginError::SecondFactorNeeded
        | LoginError::Limited(_)
        | LoginError::Hash(_)
        | LoginError::Fault(_) => error.into(),
    }
}

fn wrong(message: &'static str, account: Option<UserId>) -> ApiError {
    let target = account.map(|id| id.0);
    let refusal = Refusal { refused: Refused::SignIn, target };
    ApiError::new(Code::InvalidCredentials, message).auditing(refusal)
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Invalid(problem) => Self::invalid(&[problem]),
            ChangeError::HasPassword => Self::new(
                Code::Conflict,
                "Your account already has a password. Use changePassword.",
            ),
            ChangeError::Login(error) => of_holder(error),
            ChangeError::Fault(fault) => fault.into(),
        }
    }
}
