//! Passkeys: how one is registered, signs somebody in, and is renamed or given up. What a response has to be is checked by the
//! crate `portcullis-webauthn`, which knows no accounts; whose it is, is checked here (WebAuthn Level 3, sections 7.1 and 7.2).

use portcullis_webauthn::{
    Asserted, Assertion, Challenge, Descriptor, Registered, RelyingParty, StoredCredential,
    UserEntity, UserVerification, VerificationError,
};
use serde_json::Value;
use uuid::Uuid;

use super::ceremony::{CEREMONY_TTL_SECONDS, Ceremony, Purpose};
use super::enrolling::{Enrolled, Enroller, EnrollmentLimits};
use super::{FactorError, Factors};
use crate::features::accounts::Accounts;
use crate::features::audit::{Detail, kind};
use crate::features::authenticators::passkeys::{
    self, AddError, NewPasskey, PASSKEYS_MAX, Passkey, PasskeyName, Use,
};
use crate::features::change::{Record, Tx};
use crate::features::flows;
use crate::features::sessions::{Admitted, Awaited, PresentedChallenge};
use crate::infra::causes::causes;
use crate::infra::limits::{Ip, Limit};
use crate::infra::mail::{Letter, MailKind};
use crate::kernel::access::{Level, Origin, Proofs, Proven, User, Viewer};
use crate::kernel::acting::Acting;

/// What slows down whoever begins ceremonies, which cost no row.
pub(crate) static CEREMONIES: Limit<Ip> = Limit::quota("startPasskey.ip", 120, 60);
/// What slows down whoever finishes them in vain: each may cost a signature to verify (BF-09).
pub(crate) static FAILURES: Limit<Ip> = Limit::failures("finishPasskey.ip", 30, 60);

/// The audit log's word for sign-ins with passkeys, beside the ids of providers.
const DETAIL: &str = "passkey";

/// A ceremony that has begun.
pub(crate) struct Begun {
    /// What its holder sends back with the credential.
    pub(crate) ceremony: String,
    /// What the browser is asked, in the JSON form.
    pub(crate) options: Value,
}

/// An answer to a ceremony for a proof.
pub(crate) struct ShownPasskey {
    pub(crate) ceremony: String,
    pub(crate) credential: Value,
}

impl Factors {
    /// The party that passkeys are made for, if this server can have any.
    fn party(&self) -> Result<&RelyingParty, FactorError> {
        self.relying_party.as_deref().ok_or(FactorError::NoPasskeys)
    }

    /// The domain that passkeys were made for so far, where it is not that of this server: none of them would open anything, and
    /// new ones would stand beside them.
    pub(crate) async fn foreign_domain(&self) -> Result<Option<String>, sea_orm::DbErr> {
        let first = passkeys::find_first_domain(self.db.reader()).await?;
        let domain = self.relying_party.as_ref().map(|party| &party.id);
        Ok(first.filter(|first| Some(first) != domain))
    }

    fn begun(
        &self,
        purpose: Purpose,
        challenge: &Challenge,
        options: Value,
    ) -> Result<Begun, FactorError> {
        let ceremony = Ceremony::begin(purpose, challenge, self.clock.now());
        Ok(Begun { ceremony: ceremony.seal(&self.master)?, options })
    }

    /// The ceremony as presented, which is used up by it, whatever comes of it.
    async fn used_up(&self, text: &str) -> Result<(Ceremony, Challenge), FactorError> {
        let opened = Ceremony::open(&self.master, text, self.clock.now());
        let ceremony = opened.ok_or(FactorError::Ceremony)?;
        let challenge = ceremony.challenge().ok_or(FactorError::Ceremony)?;
        let finish = || flows::finish(self.db.writer(), ceremony.id, ceremony.expires_at);
        match self.changes.by_statement("finish a ceremony", finish).await? {
            true => Ok((ceremony, challenge)),
            false => Err(FactorError::Ceremony),
        }
    }

    /// Begins the registration of a passkey. `conditional` is for a browser that makes one without asking, after a sign-in with
    /// a password.
    pub(crate) async fn start_registration(
        &self,
        enroller: Enroller<'_>,
        conditional: bool,
        starts: &Limit<Ip>,
    ) -> Result<Begun, FactorError> {
        let party = self.party()?;
        self.limits.take([starts.of(enroller.acting().origin.ip)]).await?;
        self.newcomer(enroller).await?;
        let challenge = Challenge::generate()?;
        let start = async |tx: Tx<'_>| {
            let enrolling = self.enrolling(&tx, enroller).await?;
            let user = &enrolling.user;
            let held = passkeys::list(&tx, user.id).await?;
            // Before the browser makes one that could not be kept.
            if held.len() >= PASSKEYS_MAX {
                return Err(FactorError::TooManyPasskeys);
            }
            let handle = passkeys::handle(&tx, user.id).await?;
            let display_name = user.full_name.as_deref().unwrap_or(&user.username);
            let entity = UserEntity { handle: &handle, name: &user.username, display_name };
            let options = party.creation_options(
                &entity,
                &challenge,
                &descriptors(&held),
                UserVerification::Preferred,
                CEREMONY_TTL_SECONDS,
            );
            let bound_to = enrolling.bound_to;
            let purpose = Purpose::Registration { user: user.id, bound_to, conditional };
            let begun = self.begun(purpose, &challenge, options)?;
            Ok(tx.commit(begun).await?)
        };
        self.changes.run("begin a passkey", enroller.acting(), start).await
    }

    /// Registers the passkey that a browser has made. Of somebody who has to set a second factor up it is that, and signs them
    /// in.
    pub(crate) async fn finish_registration(
        &self,
        enroller: Enroller<'_>,
        shown: &ShownPasskey,
        name: &PasskeyName,
        limits: EnrollmentLimits<'_>,
    ) -> Result<(Passkey, Enrolled), FactorError> {
        self.admitted(enroller, limits, self.register(enroller, shown, name)).await
    }

    async fn register(
        &self,
        enroller: Enroller<'_>,
        shown: &ShownPasskey,
        name: &PasskeyName,
    ) -> Result<(Passkey, Enrolled), FactorError> {
        let party = self.party()?;
        let ceremony = Ceremony::open(&self.master, &shown.ceremony, self.clock.now());
        let ceremony = ceremony.ok_or(FactorError::Ceremony)?;
        let challenge = ceremony.challenge().ok_or(FactorError::Ceremony)?;
        let Purpose::Registration { user: owner, bound_to, conditional } = ceremony.purpose else {
            return Err(FactorError::Ceremony);
        };
        let made = if conditional {
            party.verify_conditional_registration(&challenge, &shown.credential)
        } else {
            let verification = UserVerification::Preferred;
            party.verify_registration(&challenge, verification, &shown.credential)
        };
        let made = made.map_err(|error| {
            tracing::info!(user.id = %owner, reason = %causes(&error), "refused to register a passkey");
            FactorError::Registration(error)
        })?;
        let register = async |tx: Tx<'_>| {
            let enrolling = self.enrolling(&tx, enroller).await?;
            if enrolling.user.id != owner || enrolling.bound_to != bound_to {
                return Err(FactorError::Ceremony);
            }
            if let Some(refused) = self.refused_code(&tx, enroller, &enrolling).await? {
                return Ok(tx.commit(Err(refused)).await?);
            }
            // After the code, so that a slip of the pen does not cost the passkey that the browser has made.
            if !flows::finish(&tx, ceremony.id, ceremony.expires_at).await? {
                return Err(FactorError::Ceremony);
            }
            let passkey =
                passkeys::add(&tx, owner, new_passkey(party, &made, conditional, name)).await?;
            tx.record(kind::PASSKEY_ADDED, owner);
            let letter = Letter::to(&enrolling.user, MailKind::PasskeyAdded, tx.acting().origin);
            tx.write(letter).await?;
            let led_to = match enroller {
                Enroller::Holder(..) => {
                    self.sessions.void_challenges(&tx, owner).await?;
                    Enrolled::nothing_more(enrolling.user)
                }
                Enroller::Newcomer { .. } => {
                    self.enrolled(&tx, enroller, enrolling, proofs_of(made.user_verified)).await?
                }
            };
            Ok(tx.commit(Ok((passkey, led_to))).await?)
        };
        self.changes.run("add a passkey", enroller.acting(), register).await.flatten()
    }

    /// Begins a sign-in with whatever passkey somebody has: no name is asked for, so nothing is told of any account.
    pub(crate) async fn start_sign_in(
        &self,
        origin: &Origin,
        starts: &Limit<Ip>,
    ) -> Result<Begun, FactorError> {
        let party = self.party()?;
        self.limits.take([starts.of(origin.ip)]).await?;
        let challenge = Challenge::generate()?;
        let verification = UserVerification::Required;
        let options = party.request_options(&challenge, &[], verification, CEREMONY_TTL_SECONDS);
        self.begun(Purpose::SignIn, &challenge, options)
    }

    /// Signs in whoever has a passkey whose authenticator has verified them.
    pub(crate) async fn finish_sign_in(
        &self,
        origin: &Origin,
        shown: &ShownPasskey,
        failures: &Limit<Ip>,
    ) -> Result<(User, Admitted), FactorError> {
        let admission = self.limits.attempt([failures.of(origin.ip)]).await?;
        let outcome = self.sign_in(origin, shown).await;
        admission.settle(&outcome).await;
        outcome
    }

    async fn sign_in(
        &self,
        origin: &Origin,
        shown: &ShownPasskey,
    ) -> Result<(User, Admitted), FactorError> {
        let (ceremony, challenge) = self.used_up(&shown.ceremony).await?;
        if ceremony.purpose != Purpose::SignIn {
            return Err(FactorError::Ceremony);
        }
        let assertion = Assertion::parse(&shown.credential).map_err(|error| {
            tracing::info!(reason = %causes(&error), "a passkey failed its verification");
            FactorError::Wrong { account: None }
        })?;
        let found = passkeys::find(self.db.reader(), assertion.credential_id()).await?;
        let passkey = found.ok_or(FactorError::UnknownPasskey)?;
        let owner = passkey.user;
        // A discoverable credential says whose it is (section 7.2, step 6).
        let handle = passkeys::find_handle(self.db.reader(), owner).await?;
        if assertion.user_handle().is_none() || assertion.user_handle() != handle.as_deref() {
            return Err(FactorError::Wrong { account: Some(owner) });
        }
        let verification = UserVerification::Required;
        let sign_in = async |tx: Tx<'_>| {
            let user = Accounts::lock(&tx, owner).await?.filter(|user| user.is_active);
            let user = user.ok_or(FactorError::Wrong { account: Some(owner) })?;
            let vouched = self.vouched(&tx, &passkey, &challenge, verification, &assertion).await?;
            // A passkey that was registered without user verification opens nothing alone.
            let Some(proofs) = vouched.filter(|proofs| proofs.level() == Level::Aal2) else {
                return Ok(tx.commit(Err(FactorError::Wrong { account: Some(owner) })).await?);
            };
            let proven = Proven { at: tx.now(), by: proofs };
            let begun = Record::of(kind::SIGNED_IN).in_detail(Detail::of(DETAIL));
            let signed_in = self.accounts.sign_in(&tx, user, begun, proven).await?;
            Ok(tx.commit(Ok(signed_in)).await?)
        };
        let acting = Acting::unknown(origin);
        self.changes.run("sign in with a passkey", acting, sign_in).await.flatten()
    }

    /// Begins a proof with one of the passkeys of a caller, or of whoever has begun to sign in.
    pub(crate) async fn start_proof(
        &self,
        origin: &Origin,
        challenge: Option<&str>,
        viewer: Option<&Viewer>,
        starts: &Limit<Ip>,
    ) -> Result<Begun, FactorError> {
        let party = self.party()?;
        self.limits.take([starts.of(origin.ip)]).await?;
        let (db, now) = (self.db.reader(), self.clock.now());
        let (user, bound_to) = match (challenge, viewer) {
            (Some(challenge), _) => {
                let presented = PresentedChallenge::parse(Awaited::SecondFactor, challenge);
                let presented = presented.ok_or(FactorError::Challenge)?;
                let unfinished = self.sessions.unfinished(db, &presented, now).await?;
                let unfinished = unfinished.ok_or(FactorError::Challenge)?;
                (unfinished.user, unfinished.id.0)
            }
            (None, Some(viewer)) => (viewer.user.id, viewer.session_id.0),
            (None, None) => return Err(FactorError::Challenge),
        };
        let held = passkeys::list(db, user).await?;
        if held.is_empty() {
            return Err(FactorError::NoPasskey);
        }
        let challenge = Challenge::generate()?;
        let (allow, verification) = (descriptors(&held), UserVerification::Preferred);
        let options = party.request_options(&challenge, &allow, verification, CEREMONY_TTL_SECONDS);
        self.begun(Purpose::Proof { user, bound_to }, &challenge, options)
    }

    /// What a passkey proves of a user whose row the transaction has locked, in the session or for the sign-in that its ceremony
    /// was begun for; `None` if it proves nothing, which is committed.
    pub(super) async fn prove_by_passkey(
        &self,
        tx: &Tx<'_>,
        user: &User,
        shown: &ShownPasskey,
        bound_to: Uuid,
    ) -> Result<Option<Proofs>, FactorError> {
        let opened = Ceremony::open(&self.master, &shown.ceremony, tx.now());
        let ceremony = opened.ok_or(FactorError::Ceremony)?;
        let is_for = Purpose::Proof { user: user.id, bound_to };
        let challenge = ceremony.challenge().filter(|_| ceremony.purpose == is_for);
        let challenge = challenge.ok_or(FactorError::Ceremony)?;
        if !flows::finish(tx, ceremony.id, ceremony.expires_at).await? {
            return Err(FactorError::Ceremony);
        }
        let Ok(assertion) = Assertion::parse(&shown.credential) else { return Ok(None) };
        let found = passkeys::find(tx, assertion.credential_id()).await?;
        let Some(passkey) = found.filter(|passkey| passkey.user == user.id) else {
            return Ok(None);
        };
        if let Some(handle) = assertion.user_handle()
            && passkeys::find_handle(tx, user.id).await?.as_deref() != Some(handle)
        {
            return Ok(None);
        }
        self.vouched(tx, &passkey, &challenge, UserVerification::Preferred, &assertion).await
    }

    /// What an assertion by a passkey is worth, if it is good and the passkey still is as it was found. A counter that went back is
    /// recorded.
    async fn vouched(
        &self,
        tx: &Tx<'_>,
        passkey: &Passkey,
        challenge: &Challenge,
        verification: UserVerification,
        assertion: &Assertion,
    ) -> Result<Option<Proofs>, FactorError> {
        let stored = StoredCredential {
            id: &passkey.credential_id,
            public_key: &passkey.public_key,
            sign_count: passkey.sign_count,
            backup_eligible: passkey.backup_eligible,
        };
        match self.party()?.verify_assertion(challenge, verification, &stored, assertion) {
            Ok(asserted) => {
                let Asserted { sign_count, user_verified, backed_up, .. } = asserted;
                let used = Use { sign_count, backed_up, user_verified };
                let is_kept = passkeys::note_use(tx, passkey, &used).await?;
                // Whoever finds an authenticator without a PIN can set one: what was not verified at the beginning never is
                // (section 4, `uvInitialized`).
                let proofs = proofs_of(user_verified && passkey.opens_alone());
                Ok(is_kept.then_some(proofs))
            }
            Err(VerificationError::Counter { stored, presented }) => {
                tx.record(kind::PASSKEY_COUNTER_REFUSED, passkey.user);
                tracing::warn!(user.id = %passkey.user, passkey.id = %passkey.id, stored, presented,
                    "the counter of a passkey went backwards: somebody may have a copy of it");
                Ok(None)
            }
            Err(error) => {
                tracing::info!(user.id = %passkey.user, passkey.id = %passkey.id, reason = %causes(&error), "a passkey failed its verification");
                Ok(None)
            }
        }
    }
}

/// What an assertion is worth.
fn proofs_of(user_verified: bool) -> Proofs {
    if user_verified { Proofs::VERIFIED_PASSKEY } else { Proofs::PASSKEY }
}

fn descriptors(held: &[Passkey]) -> Vec<Descriptor> {
    let descriptor = |passkey: &Passkey| Descriptor {
        id: passkey.credential_id.clone(),
        transports: passkey.transports.iter().filter_map(|name| name.parse().ok()).collect(),
    };
    held.iter().map(descriptor).collect()
}

fn new_passkey(
    party: &RelyingParty,
    made: &Registered,
    conditional: bool,
    name: &PasskeyName,
) -> NewPasskey {
    NewPasskey {
        rp_id: party.id.clone(),
        credential_id: made.credential_id.clone(),
        public_key: made.public_key.to_cose().to_vec(),
        sign_count: made.sign_count,
        name: name.clone(),
        transports: made.transports.iter().map(|way| <&str>::from(*way).to_owned()).collect(),
        aaguid: Uuid::from_bytes(made.aaguid),
        user_verified: made.user_verified,
        conditional,
        backup_eligible: made.backup_eligible,
        backed_up: made.backed_up,
    }
}

impl From<AddError> for FactorError {
    fn from(error: AddError) -> Self {
        match error {
            AddError::Taken => Self::PasskeyTaken,
            AddError::TooMany => Self::TooManyPasskeys,
            AddError::Fault(fault) => Self::Fault(fault),
        }
    }
}
