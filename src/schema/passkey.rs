//! Passkeys in the schema. Options and credentials are the JSON forms of WebAuthn Level 3 (section 5.1), so that browsers need
//! no library for them.

use async_graphql::{Context, ID, Object, SimpleObject};
use portcullis_macros::rules;

use crate::features::authenticators::passkeys::{self, PasskeyName};
use crate::features::factors::{
    Begun, CEREMONIES, CEREMONY_TTL_SECONDS, FAILURES, FactorError, Factors, MAILED_CODES,
    ShownPasskey,
};
use crate::graphql::context::ContextExt;
use crate::graphql::date_time::DateTime;
use crate::graphql::error::Result;
use crate::graphql::id::Id;
use crate::graphql::json_value::JsonValue;
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
    /// Unique over all types; opaque.
    id: Id,
    /// What its owner calls it.
    name: String,
    /// By what browsers and the Signal API know it, in base64url.
    credential_id: String,
    /// The model of its authenticator, as that says without proof; zeros where it does not.
    aaguid: String,
    /// Whether it opens the account alone, when its authenticator verifies its user: it did so when it was registered, or a
    /// browser made it without asking (conditional).
    user_verified: bool,
    /// Whether it may be on several devices of its owner.
    backup_eligible: bool,
    /// Whether it was, when it was last used.
    backed_up: bool,
    /// When it was registered.
    created_at: DateTime,
    /// When it last proved something.
    last_used_at: Option<DateTime>,
}

impl From<passkeys::Passkey> for Passkey {
    fn from(passkey: passkeys::Passkey) -> Self {
        Self {
            id: Id::from(passkey.id),
            name: passkey.name,
            credential_id: base64url(passkey.credential_id),
            aaguid: passkey.aaguid.to_string(),
            user_verified: passkey.user_verified,
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
    /// Begins a sign-in with a passkey. No name is asked for: the browser offers the passkeys that it has, in a dialogue or, with
    /// mediation `conditional`, where a username is typed.
    #[public]
    #[needs(Passkeys)]
    #[limit(CEREMONIES)]
    #[payload(
        ceremony = "What finishPasskeySignIn takes.",
        options = "For `PublicKeyCredential.parseRequestOptionsFromJSON()`.",
        expires_in = "Seconds for which the ceremony is good."
    )]
    async fn start_passkey_sign_in(&self, ctx: &Context<'_>) -> Result<(String, JsonValue, u32)> {
        let begun = ctx.service::<Factors>().start_sign_in(ctx.client(), limits).await?;
        Ok(handed(begun))
    }

    /// Signs in whoever has a passkey. It takes one whose authenticator verifies its user, which counts as two factors. One that
    /// nobody has is INVALID_CREDENTIALS with the reason UNKNOWN_PASSKEY, for `signalUnknownCredential()`.
    #[public]
    #[needs(Passkeys)]
    #[limit(FAILURES)]
    async fn finish_passkey_sign_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What startPasskeySignIn answered.")] ceremony: String,
        #[graphql(desc = "`toJSON()` of what the browser returned.")] credential: JsonValue,
    ) -> Result<LoginResult> {
        let shown = ShownPasskey { ceremony, credential: credential.0 };
        let signed_in = ctx.service::<Factors>().finish_sign_in(ctx.client(), &shown, limits);
        Ok(LoginResult::hand_over(ctx, signed_in.await?))
    }

    /// Begins a proof with one of the passkeys of the caller, for reauthenticate; or, with a challenge, of whoever signs in, for
    /// completeSignIn.
    #[public]
    #[needs(Passkeys)]
    #[limit(CEREMONIES)]
    #[payload(
        ceremony = "What `proof.passkey` takes.",
        options = "For `PublicKeyCredential.parseRequestOptionsFromJSON()`.",
        expires_in = "Seconds for which the ceremony is good."
    )]
    async fn start_passkey_proof(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What SecondFactorRequired has; callers in a session leave it out.")]
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

    /// Begins the registration of a passkey.
    #[auth]
    #[needs(Passkeys)]
    #[fresh]
    #[enrolling]
    #[limit(CEREMONIES)]
    #[payload(
        ceremony = "What finishPasskeyRegistration takes.",
        options = "For `PublicKeyCredential.parseCreationOptionsFromJSON()`.",
        expires_in = "Seconds for which the ceremony is good."
    )]
    async fn start_passkey_registration(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Whether the browser is to make it without asking, with mediation `conditional`, after a sign-in with a \
                    password."
        )]
        conditional: Option<bool>,
        #[graphql(desc = "What EnrollmentRequired has, for callers who are not signed in.")]
        enrollment: Option<String>,
    ) -> Result<(String, JsonValue, u32)> {
        let enroller = enroller(ctx, enrollment.as_deref(), None)?;
        let factors = ctx.service::<Factors>();
        let conditional = conditional.unwrap_or_default();
        Ok(handed(factors.start_registration(enroller, conditional, limits).await?))
    }

    /// Registers the passkey that a browser has made. It opens the account from then on, if its authenticator verifies its user;
    /// where the account asks for a second factor, it is one. With an enrollment it turns the second factor on, and signs in.
    #[auth]
    #[needs(Passkeys)]
    #[enrolling]
    #[limit(FAILURES, MAILED_CODES)]
    #[payload(
        passkey = "The passkey.",
        user = "The owner of the account.",
        recovery_codes = "With an enrollment, what opens the account from now on in the place of a lost factor, each code once: \
            shown now and never again.",
        signed_in = "With an enrollment, the session of the sign-in that asked for the factor."
    )]
    async fn finish_passkey_registration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What startPasskeyRegistration answered.")] ceremony: String,
        #[graphql(desc = "`toJSON()` of what the browser returned.")] credential: JsonValue,
        #[graphql(
            desc = "1 to 100 characters; by default the browser and the system of the caller."
        )]
        name: Option<String>,
        #[graphql(desc = "What EnrollmentRequired has, for callers who are not signed in.")]
        enrollment: Option<String>,
        #[graphql(desc = "The code that was mailed, if EnrollmentRequired says so.")]
        mailed_code: Option<String>,
    ) -> Result<(Passkey, User, Codes, Option<AuthPayload>)> {
        let device = ctx.client().user_agent.as_deref().and_then(|text| Device::of(text).name());
        let name = name.or(device).unwrap_or_else(|| UNNAMED.to_owned());
        let name = PasskeyName::parse("input.name", &name)?;
        let enroller = enroller(ctx, enrollment.as_deref(), mailed_code.as_deref())?;
        let shown = ShownPasskey { ceremony, credential: credential.0 };
        let factors = ctx.service::<Factors>();
        let (passkey, enrolled) =
            factors.finish_registration(enroller, &shown, &name, limits).await?;
        let (user, recovery_codes, signed_in) = hand_over(ctx, enrolled);
        Ok((passkey.into(), user, recovery_codes, signed_in))
    }

    /// Calls one of the caller's passkeys something else.
    #[auth]
    #[payload(passkey = "The passkey, with its name.")]
    async fn rename_passkey(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The passkey's id.")] id: ID,
        #[graphql(desc = "1 to 100 characters.")] name: String,
    ) -> Result<Passkey> {
        let name = PasskeyName::parse("input.name", &name)?;
        let id = PasskeyId::parse(&id).ok_or(FactorError::NoPasskey)?;
        let renamed = ctx.service::<Factors>().rename_passkey(ctx.acting()?, id, &name).await?;
        Ok(renamed.into())
    }

    /// Takes one of the caller's passkeys from their account. The last way into it is CONFLICT with the reason LAST_WAY_IN. The
    /// last second factor turns the second factor off.
    #[auth]
    #[fresh]
    #[defence]
    #[payload(
        deleted_passkey_id = "The passkey that is gone.",
        user = "The caller, with the passkeys that are left."
    )]
    async fn delete_passkey(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The passkey's id.")] id: ID,
    ) -> Result<(Id, User)> {
        let id = PasskeyId::parse(&id).ok_or(FactorError::NoPasskey)?;
        let user = ctx.service::<Factors>().delete_passkey(ctx.acting()?, id).await?;
        Ok((Id::from(id), User::from(&user)))
    }
}

fn handed(begun: Begun) -> (String, JsonValue, u32) {
    (begun.ceremony, JsonValue(begun.options), CEREMONY_TTL_SECONDS)
}
