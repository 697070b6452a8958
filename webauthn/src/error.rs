//! Why a response is refused.

/// What of a response cannot be read, or is not as the specification has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// Why a registration or an assertion is refused. The texts are for operators and logs: they name no person, no credential
/// and nothing that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerificationError {
    /// Some part of the response cannot be read.
    #[error("the response is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// The client data are of the other ceremony, or of none (§7.1 step 7, §7.2 step 10).
    #[error("the client data belong to another type of ceremony")]
    Type,
    /// The challenge is not the one of this ceremony (§7.1 step 8, §7.2 step 11).
    #[error("the challenge does not belong to this ceremony")]
    Challenge,
    /// The page is none of the relying party's (§7.1 step 9, §7.2 step 12).
    #[error("the origin does not belong to the relying party")]
    Origin,
    /// The page was framed by one of another origin (§7.1 steps 10 and 11, §7.2 steps 13 and 14).
    #[error("the page was embedded in a page of another origin")]
    CrossOrigin,
    /// The authenticator answered for another relying party (§7.1 step 14, §7.2 step 15).
    #[error("the authenticator answered for another relying party")]
    RelyingParty,
    /// Nobody touched the authenticator (§7.1 step 15, §7.2 step 16).
    #[error("the user was not present")]
    UserNotPresent,
    /// The authenticator did not verify who its user is, where that is required (§7.1 step 16, §7.2 step 17).
    #[error("the user was not verified")]
    UserNotVerified,
    /// The backup flags contradict each other, or a credential's eligibility for backups changed (§7.1 step 17,
    /// §7.2 steps 18 and 19).
    #[error("the backup flags are inconsistent")]
    Backup,
    /// The key is of an algorithm that was not asked for (§7.1 step 20).
    #[error("the algorithm of the public key is not allowed")]
    Algorithm,
    /// The key is not a valid key of its algorithm.
    #[error("the public key is not valid")]
    Key,
    /// The attestation is neither `none` and empty, nor a valid one by the credential's own key: no other was asked for
    /// (§7.1 steps 21 to 24).
    #[error("the attestation is neither empty nor a valid self attestation")]
    Attestation,
    /// The ids within the response differ, or name another credential than the stored one.
    #[error("the response belongs to another credential")]
    CredentialMismatch,
    /// The signature was not made with the credential's key over these data (§7.2 step 21).
    #[error("the signature is not valid")]
    Signature,
    /// The counter did not rise, so there may be a copy of the authenticator (§7.2 step 22, MF-11). The signature is valid.
    #[error("the signature counter did not rise: {presented} after {stored}")]
    Counter {
        /// As it was after the last assertion.
        stored: u32,
        /// As this assertion has it.
        presented: u32,
    },
}
