//! Claims that the operator adds for other services (`CLAIMS_FILE`).
//!
//! Each has a name that another service reads, and a template: what a token says anyway, in the shape which that service
//! expects. Nothing in a template comes from what a user can write (JW-15), and this server never reads the claims back.

mod placeholder;
mod reserved;
mod source;
mod template;

use serde_json::{Map, Value};

use self::reserved::is_reserved;
use self::source::{Members, Source};
use self::template::{Template, TemplateError};
use super::Claims;

/// The most claims that a file adds.
const COUNT_MAX: usize = 32;
/// The longest name of one.
const NAME_LENGTH_MAX: usize = 128;
/// The most bytes that all of them take up in a token, for a user who has every permission. In base64 that is a third of
/// what a token may have.
const LENGTH_MAX: usize = 2_048;

/// The claims of a file. By default there are none.
#[derive(Clone, Debug, Default)]
pub(crate) struct CustomClaims(Vec<CustomClaim>);

#[derive(Clone, Debug)]
struct CustomClaim {
    name: String,
    /// As it stands in the file.
    source: Source,
    template: Template,
}

/// What is wrong with a file, as the rest of a sentence that begins with its name.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CustomClaimsError {
    #[error("must hold a JSON object: {0}")]
    NotAnObject(serde_json::Error),
    #[error("adds {0} claims; it can add at most {COUNT_MAX}")]
    TooMany(usize),
    #[error(
        "can make a token {0} bytes longer, counting every permission for {{permissions}} and {{scope}}; the maximum is \
         {LENGTH_MAX}"
    )]
    TooLong(usize),
    #[error("adds the claim {0:?} twice")]
    Twice(String),
    #[error(
        "must not add the claim {0:?}: the name is reserved, because other services know what it means"
    )]
    Reserved(String),
    #[error(
        "must not add the claim {0:?}: a name has 1 to {NAME_LENGTH_MAX} ASCII characters, without spaces, quotes, \
         backslashes and braces"
    )]
    Name(String),
    #[error("adds the claim {name:?}, whose template {error}")]
    Template { name: String, error: TemplateError },
}

impl CustomClaims {
    /// Reads what a file holds.
    pub(crate) fn parse(text: &str) -> Result<Self, CustomClaimsError> {
        let Members(members) =
            serde_json::from_str(text).map_err(CustomClaimsError::NotAnObject)?;
        if members.len() > COUNT_MAX {
            return Err(CustomClaimsError::TooMany(members.len()));
        }
        let mut claims = Vec::with_capacity(members.len());
        for (name, source) in members {
            let claim = CustomClaim::parse(name, source)?;
            if claims.iter().any(|earlier: &CustomClaim| earlier.name == claim.name) {
                return Err(CustomClaimsError::Twice(claim.name));
            }
            claims.push(claim);
        }
        let length = claims.iter().map(CustomClaim::length_max).sum();
        if length > LENGTH_MAX { Err(CustomClaimsError::TooLong(length)) } else { Ok(Self(claims)) }
    }

    /// The name and the template of each.
    pub(crate) fn templates(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().map(|claim| (claim.name.as_str(), claim.source.to_string()))
    }

    /// What they say beside a token's own claims.
    pub(super) fn fill(&self, claims: &Claims) -> Map<String, Value> {
        let filled = |claim: &CustomClaim| Some((claim.name.clone(), claim.template.fill(claims)?));
        self.0.iter().filter_map(filled).collect()
    }
}

impl CustomClaim {
    fn parse(name: String, source: Source) -> Result<Self, CustomClaimsError> {
        if !is_name(&name) {
            return Err(CustomClaimsError::Name(name));
        }
        if is_reserved(&name) {
            return Err(CustomClaimsError::Reserved(name));
        }
        match Template::parse(&source) {
            Ok(template) => Ok(Self { name, source, template }),
            Err(error) => Err(CustomClaimsError::Template { name, error }),
        }
    }

    fn length_max(&self) -> usize {
        // Quotes, a colon and a comma.
        self.name.len() + 4 + self.template.length_max()
    }
}

/// Whether a claim can have this name. Beyond ASCII a name could pass for a reserved one, at a glance or in a library that
/// compares names without regard to case.
fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_graphic() && !['"', '\\', '{', '}'].contains(&c);
    (1..=NAME_LENGTH_MAX).contains(&name.len()) && name.chars().all(is_plain)
}

#[cfg(test)]
mod tests;
