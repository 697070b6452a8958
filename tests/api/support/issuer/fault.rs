//! Whatever an issuer can do wrong, by where it does it.

use strum::VariantArray;

/// What is wrong with an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An endpoint does not talk as it should.
    Wire(Endpoint, Wire),
    Discovery(DiscoveryFault),
    /// What comes back through the browser.
    Answer(AnswerFault),
    /// What the token endpoint answers beside the ID token.
    Exchange(ExchangeFault),
    /// The ID token, or the keys that it is signed by.
    Token(TokenFault),
    Userinfo(UserinfoFault),
}

impl Fault {
    /// One of each.
    pub(crate) fn all() -> Vec<Self> {
        let endpoints = [Endpoint::Discovery, Endpoint::Jwks, Endpoint::Token];
        let wires = endpoints.into_iter().flat_map(|endpoint| {
            Wire::VARIANTS.iter().map(move |wire| Self::Wire(endpoint, *wire))
        });
        wires
            .chain(DiscoveryFault::VARIANTS.iter().map(|fault| Self::Discovery(*fault)))
            .chain(AnswerFault::VARIANTS.iter().map(|fault| Self::Answer(*fault)))
            .chain(ExchangeFault::VARIANTS.iter().map(|fault| Self::Exchange(*fault)))
            .chain(TokenFault::VARIANTS.iter().map(|fault| Self::Token(*fault)))
            .chain(UserinfoFault::VARIANTS.iter().map(|fault| Self::Userinfo(*fault)))
            .collect()
    }

    /// Whether it is in the ID token, however that comes.
    pub(crate) fn is_in_token(self) -> bool {
        matches!(self, Self::Token(_))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub(crate) enum Endpoint {
    Discovery,
    Jwks,
    Token,
    Userinfo,
}

/// How an answer can be unusable whatever it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub(crate) enum Wire {
    /// Sends elsewhere, where the right answer is.
    Redirect,
    ServerError,
    Forbidden,
    Html,
    /// The right answer, called a page.
    WrongContentType,
    Empty,
    /// Half of the right answer.
    Truncated,
    /// A byte every second, without an end.
    Drip,
    /// Takes the request and never answers.
    Hang,
    /// The right answer, after 2 MiB of spaces.
    Huge,
    InvalidUtf8,
    /// A hundred thousand arrays, one in the other.
    DeepJson,
    Array,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub(crate) enum DiscoveryFault {
    OtherIssuer,
    IssuerWithSlash,
    NoIssuer,
    NoAuthorizationEndpoint,
    NoTokenEndpoint,
    NoKeys,
    /// A browser would run it.
    ScriptAsAuthorizationEndpoint,
    FileAsTokenEndpoint,
    FileAsKeys,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub(crate) enum AnswerFault {
    /// The mix-up: the answer is another issuer's (RFC 9207).
    OtherIssuer,
    /// It announces that it says its name, and does not.
    NoIssuer,
    OtherState,
    EmptyCode,
    LongCode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub(crate) enum ExchangeFault {
    /// The code is used already, as it says in HTML.
    Refused,
    /// The same, with status 200.
    RefusedWithOk,
    UnknownClient,
    NoIdToken,
    IdTokenIsNull,
    IdTokenIsNumber,
    NoAccessToken,
    OtherTokenType,
    /// The ID token came with another access token.
    AccessTokenOfAnother,
    /// Ignores the verifier, and answers for another flow.
    TokenOfAnotherFlow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub(crate) enum TokenFault {
    WrongNonce,
    NoNonce,
    NonceIsNumber,
    WrongAudience,
    NoAudience,
    AudiencesWithoutAzp,
    WrongAzp,
    Expired,
    NoExpiry,
    ExpiryIsText,
    NotYetValid,
    IssuedInFuture,
    IssuedLongAgo,
    IssuedIsText,
    NoIssuedAt,
    OtherIssuer,
    IssuerWithSlash,
    NoIssuer,
    NoSubject,
    EmptySubject,
    SubjectIsNumber,
    LongSubject,
    /// PostgreSQL cannot hold it.
    SubjectWithNul,
    DuplicateSubject,
    DuplicateIssuer,
    AlgNone,
    AlgNoneInCapitals,
    HmacWithPem,
    HmacWithDer,
    HmacWithJwk,
    HmacWithModulus,
    HmacWithClientSecret,
    /// A symmetric key, published.
    HmacWithPublishedKey,
    UnknownKid,
    NoKidWithTwoKeys,
    KeyForEncryption,
    RsaUnderKidOfEc,
    KidWithPath,
    KidIsNumber,
    BrokenSignature,
    NoSignature,
    KeyOfAttacker,
    /// It signs with a key that it has dropped.
    RetiredKey,
    CritHeader,
    EmbeddedJwk,
    /// The header says where to get the key.
    ForeignJwksUrl,
    NoKeysAtAll,
    TooLong,
    ThreeDots,
    NotAToken,
    ClaimsAreArray,
    ClaimsAreNoJson,
    DeepClaims,
    InvalidUtf8,
    Padded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub(crate) enum UserinfoFault {
    OtherSubject,
    NoSubject,
}
