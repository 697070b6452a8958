//! Names that mean something in a token already.

/// Claims of ours that no registry has.
const OURS: &[&str] = &["org", "org_role", "permissions", "role"];

/// What other services read in the place of a claim of ours: some gateways take `scopes` or `scp` where there is no `scope`.
/// And what belongs into a header.
const ALIKE: &[&str] = &["alg", "crit", "kid", "scopes", "scp", "typ"];

/// Names in IANA's registry of JSON Web Token claims, with spaces between.
const REGISTERED: &[&str] = &[
    // RFC 7519, and OpenID Connect: who somebody is, which nothing in a template can say.
    "iss sub aud exp nbf iat jti name given_name family_name middle_name nickname \
     preferred_username profile picture website email email_verified gender birthdate \
     zoneinfo locale phone_number phone_number_verified address updated_at azp nonce \
     auth_time at_hash c_hash acr amr sub_jwk",
    // Proof of possession, telephony, security events.
    "cnf sip_from_tag sip_date sip_callid sip_cseq_num sip_via_branch orig dest mky \
     events toe txn rph sid vot vtm attest origid",
    // OAuth: delegation, and authorization (RFC 8693, RFC 9068, RFC 9396, RFC 9449, RFC 9701).
    "act scope client_id may_act jcard at_use_nbr div opt vc vp sph ace_profile cnonce \
     exi roles groups entitlements token_introspection authorization_details htm htu ath \
     atc sub_id rcd rcdi crn msgi",
    // Streaming (RFC 9246), attestation (RFC 9711), identity assurance.
    "cdniv cdnicrit cdniip cdniuc cdniets cdnistt cdnistd sig_val_claims eat_nonce ueid \
     sueids oemid oemboot hwmodel hwversion dbgstat location eat_profile submods uptime \
     bootcount bootseed dloas swname swversion manifests measurements measres intuse \
     verified_claims place_of_birth nationalities birth_family_name birth_given_name \
     birth_middle_name salutation title msisdn also_known_as _claim_names _claim_sources \
     geohash rdap_allowed_purposes rdap_dnt_allowed",
    // Selective disclosure, status lists, federation.
    "_sd ... _sd_alg sd_hash vct vct#integrity status status_list ttl jwks metadata \
     constraints ref delegation logo_uri authority_hints metadata_policy \
     metadata_policy_crit trust_anchor_hints trust_chain trust_marks trust_mark_issuers \
     trust_mark_owners trust_mark_type",
];

/// Whether a claim of the operator must not have this name. Case does not matter: some libraries take `SUB` for `sub`.
pub(super) fn is_reserved(name: &str) -> bool {
    let registered = REGISTERED.iter().flat_map(|names| names.split(' '));
    let mut reserved = OURS.iter().chain(ALIKE).copied().chain(registered);
    reserved.any(|reserved| reserved.eq_ignore_ascii_case(name))
}
