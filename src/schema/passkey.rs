//! Passkeys in the schema. Options and credentials are the JSON forms of WebAuthn Level 3 (section 5.1), so that browsers need
//! no library for them.

use async_graphql::{Context, ID, Object, SimpleObject};
use portcullis_macros::rules;

use crate::features::authenticators::passkeys::{self, PasskeyName};
use crate::features::factors::{
    Begun, CEREMONIES, CEREMONY_TTL_SECONDS, FAILURES, FactorError, Factors, ShownPasskey,
};
use crate::features::login::MAILED_CODES;
use crate::graphql::context::ContextExt;
use crate::graphql::date_time::DateTime;
use crate::graphql::error::Result;
use crate::graphql::id::Id;
use crate::graphql::json_value::JsonValue;
use crate::graphql::step_up::StepUp;
use crate::kernel::device::Device;
use crate::kernel::id::PasskeyId;
use crate::kernel::secret::base64url;
use crate::schema::factor::{Codes, enroller, hand_over};
use crate::schema::sign_in::{AuthPayload, LoginResult};
use crate::schema::user::User;

/// What a passkey is called whose owner gives it no name, on a device that is not recognised.
const UNNAMED: &str = "Passkey";

/// A passkey of a user.
#[derive(SimpleObject, Clone)]
pub(crate) struct Passkey {
    /// An opaque id that is unique across all types.
    id: Id,
    /// The name that the owner gave the passkey.
    name: String,
    /// The id of the passkey in browsers and the Signal API, in base64url.
    credential_id: String,
    /// The model of the authenticator, as the authenticator claims without proof; all zeros if it names no model.
    aaguid: String,
    /// Whether the passkey alone can sign its owner in, provided that its authenticator verifies its user. True if the
    /// authenticator did so at the registration, or if the browser created the passkey without asking (conditional).
    user_verified: bool,
    /// Whether the passkey can be on several devices of its owner.
    backup_eligible: bool,
    /// Whether the passkey was backed up when it was last used.
    backed_up: bool,
    /// When the passkey was registered.
    created_at: DateTime,
    /// When the passkey was last used; null if never.
    last_used_at: Option<DateTime>,
}

impl From<passkeys::Passkey> for Passkey {
    fn from(passkey: passkeys::Passkey) -> Self {
        let user_verified = passkey.opens_alone();
        Self {
            id: Id::from(passkey.id),
            name: passkey.name,
            credential_id: base64url(passkey.credential_id),
            aaguid: passkey.aaguid.to_string(),
            user_verified,
            backup_eligible: passkey.backup_eligible,
            backed_up: passkey.backed_up,
            created_at: passkey.created_at.into(),
            last_used_at: passkey.last_used_at.map(Into::into),
        }
    }
}

#[derive(Default)]
pub(crate) struct PasskeyMutation;

#[rules(mutation)]
#[Object]
impl PasskeyMutation {
    /// Starts a sign-in with a passkey, without a username. The browser offers its passkeys in a dialog or, with the
    /// mediation `conditional`, in the autofill of the username.
    #[public]
    #[needs(Passkeys)]
    #[limit(CEREMONIES)]
    #[payload(
        ceremony = "The secret to pass to finishPasskeySignIn.",
        options = "The options for `PublicKeyCredential.parseRequestOptionsFromJSON()`.",
        expires_in = "Seconds for which the ceremony is valid."
    )]
    async fn start_passkey_sign_in(&self, ctx: &Context<'_>) -> Result<(String, JsonValue, u32)> {
        let begun = ctx.service::<Factors>().start_sign_in(ctx.client(), limits).await?;
        Ok(handed(begun))
    }

    /// Signs a user in with a passkey. The passkey's authenticator must verify its user, which counts as two factors.
    /// Fails with INVALID_TOKEN if the ceremony is invalid or expired, and with INVALID_CREDENTIALS if the passkey
    /// proves nothing, with the reason UNKNOWN_PASSKEY if no account has it: clients can then call
    /// `signalUnknownCredential()`.
    #[public]
    #[needs(Passkeys)]
    #[limit(FAILURES)]
    async fn finish_passkey_sign_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "StartPasskeySignInPayload.ceremony.")] ceremony: String,
        #[graphql(desc = "The credential that the browser returned, as its `toJSON()` gives it.")]
        credential: JsonValue,
    ) -> Result<LoginResult> {
        let shown = ShownPasskey { ceremony, credential: credential.0 };
        let signed_in = ctx.service::<Factors>().finish_sign_in(ctx.client(), &shown, limits);
        Ok(LoginResult::hand_over(ctx, signed_in.await?))
    }

    /// Starts a proof with a passkey: one of the caller's, for reauthenticate, or with a challenge one of the user who
    /// is signing in, for completeSignIn. Fails with NOT_FOUND if the user has no passkey.
    #[public]
    #[needs(Passkeys)]
    #[limit(CEREMONIES)]
    #[payload(
        ceremony = "The secret to pass to Proof.passkey.",
        options = "The options for `PublicKeyCredential.parseRequestOptionsFromJSON()`.",
        expires_in = "Seconds for which the ceremony is valid."
    )]
    async fn start_passkey_proof(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "SecondFactorRequired.challenge; signed-in callers leave it out.")]
        challenge: Option<String>,
    ) -> Result<(String, JsonValue, u32)> {
        let viewer = match &challenge {
            Some(_) => None,
            None => Some(ctx.viewer()?),
        };
        let (factors, origin) = (ctx.service::<Factors>(), ctx.client());
        let begun = factors.start_proof(origin, challenge.as_deref(), viewer, limits).await?;
        Ok(handed(begun))
    }

    /// Starts the registration of a passkey. Fails with CONFLICT and the reason TOO_MANY if the account has the maximum
    /// number of passkeys.
    #[auth]
    #[needs(Passkeys)]
    #[fresh]
    #[enrolling]
    #[limit(CEREMONIES)]
    #[payload(
        ceremony = "The secret to pass to finishPasskeyRegistration.",
        options = "The options for `PublicKeyCredential.parseCreationOptionsFromJSON()`.",
        expires_in = "Seconds for which the ceremony is valid."
    )]
    async fn start_passkey_registration(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Whether the browser creates the passkey without asking, with the mediation `conditional`, \
                after a sign-in with a password."
        )]
        conditional: Option<bool>,
        #[graphql(desc = "EnrollmentRequired.enrollment, for callers who are not signed in.")]
        enrollment: Option<String>,
    ) -> Result<(String, JsonValue, u32)> {
        let enroller = enroller(ctx, enrollment.as_deref(), None)?;
        let factors = ctx.service::<Factors>();
        let conditional = conditional.unwrap_or_default();
        let begun = factors.start_registration(enroller, conditional, limits).await;
        Ok(handed(StepUp::explain(ctx, begun).await?))
    }

    /// Registers a passkey that the browser created. The caller can sign in with it if its authenticator verifies its
    /// user; if the account requires a second factor, the passkey is one. With an enrollment, this turns the second
    /// factor on and completes the sign-in. Fails with INVALID_TOKEN if the ceremony is invalid or expired, and with
    /// CONFLICT: with the reason PASSKEY_TAKEN if the passkey is registered already, and with TOO_MANY if the account
    /// has the maximum number of passkeys.
    #[auth]
    #[needs(Passkeys)]
    #[enrolling]
    #[limit(FAILURES, MAILED_CODES)]
    #[payload(
        passkey = "The registered passkey.",
        user = "The owner of the account.",
        recovery_codes = "With an enrollment, the new recovery codes, each of which replaces a lost factor \
            once. The server shows them only now.",
        signed_in = "With an enrollment, the new session of the sign-in."
    )]
    async fn finish_passkey_registration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "StartPasskeyRegistrationPayload.ceremony.")] ceremony: String,
        #[graphql(desc = "The credential that the browser returned, as its `toJSON()` gives it.")]
        credential: JsonValue,
        #[graphql(
            desc = "The passkey's name: 1 to 100 characters. Defaults to the caller's browser and operating system."
        )]
        name: Option<String>,
        #[graphql(desc = "EnrollmentRequired.enrollment, for callers who are not signed in.")]
        enrollment: Option<String>,
        #[graphql(desc = "The code from the mail, if EnrollmentRequired.codeMailed is true.")]
        mailed_code: Option<String>,
    ) -> Result<(Passkey, User, Codes, Option<AuthPayload>)> {
        let device = ctx.client().user_agent.as_deref().and_then(|text| Device::of(text).name());
        let name = name.or(device).unwrap_or_else(|| UNNAMED.to_owned());
        let name = PasskeyName::parse("input.name", &name)?;
        let enroller = enroller(ctx, enrollment.as_deref(), mailed_code.as_deref())?;
        let shown = ShownPasskey { ceremony, credential: credential.0 };
        let factors = ctx.service::<Factors>();
        let (passkey, enrolled) = StepUp::explain(
            ctx,
            factors.finish_registration(enroller, &shown, &name, limits).await,
        )
        .await?;
        let (user, recovery_codes, signed_in) = hand_over(ctx, enrolled);
        Ok((passkey.into(), user, recovery_codes, signed_in))
    }

    /// Renames one of the caller's passkeys.
    #[auth]
    #[owner]
    #[payload(passkey = "The renamed passkey.")]
    async fn rename_passkey(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The passkey's id.")] id: ID,
        #[graphql(desc = "The passkey's new name: 1 to 100 characters.")] name: String,
    ) -> Result<Passkey> {
        let name = PasskeyName::parse("input.name", &name)?;
        let id = PasskeyId::parse(&id).ok_or(FactorError::NoPasskey)?;
        let (factors, own) = (ctx.service::<Factors>(), owner.of(id));
        Ok(factors.rename_passkey(ctx.acting()?, own, &name).await?.into())
    }

    /// Deletes one of the caller's passkeys. Deleting the last second factor turns the second factor off. Fails with
    /// CONFLICT: with the reason LAST_WAY_IN if the caller has no other way to sign in, and with SECOND_FACTOR_REQUIRED
    /// if the account must keep a second factor.
    #[auth]
    #[owner]
    #[fresh]
    #[defence]
    #[payload(
        deleted_passkey_id = "The id of the deleted passkey.",
        user = "The caller, with the remaining passkeys."
    )]
    async fn delete_passkey(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The passkey's id.")] id: ID,
    ) -> Result<(Id, User)> {
        let id = PasskeyId::parse(&id).ok_or(FactorError::NoPasskey)?;
        let user = ctx.service::<Factors>().delete_passkey(ctx.acting()?, owner.of(id)).await?;
        Ok((Id::from(id), User::from(&user)))
    }
}

fn handed(begun: Begun) -> (String, JsonValue, u32) {
    (begun.ceremony, JsonValue(begun.options), CEREMONY_TTL_SECONDS)
}
