//! A place in the chain, as people note it.

use std::fmt;
use std::str::FromStr;

use sea_orm::DbErr;

use crate::kernel::secret::hex;

/// A link and its digest: the end of a chain, or of what was pruned of it. As text `12:0fe1…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) seq: i64,
    pub(crate) digest: Vec<u8>,
}

/// A text that is no head.
#[derive(Debug, thiserror::Error)]
#[error(
    "give a head as `audit verify` prints it: the number of a link, a colon, and 64 hexadecimal digits"
)]
pub(crate) struct HeadError;

impl Head {
    /// The link after this one.
    pub(super) fn followed_by(&self, digest: Vec<u8>) -> Result<Self, DbErr> {
        let full = || DbErr::Custom("somebody gave a link of the audit log the last number".into());
        Ok(Self { seq: self.seq.checked_add(1).ok_or_else(full)?, digest })
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, hex(&self.digest))
    }
}

impl FromStr for Head {
    type Err = HeadError;

    fn from_str(text: &str) -> Result<Self, HeadError> {
        let (seq, digits) = text.split_once(':').ok_or(HeadError)?;
        let seq = seq.parse().ok().filter(|seq| *seq >= 0).ok_or(HeadError)?;
        let nibbles: Option<Vec<u32>> = digits.chars().map(|digit| digit.to_digit(16)).collect();
        let nibbles = nibbles.filter(|nibbles| nibbles.len() == 64).ok_or(HeadError)?;
        let bytes = nibbles.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]));
        let digest = bytes.collect::<Result<_, _>>().map_err(|_large| HeadError)?;
        Ok(Self { seq, digest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back_and_anything_else_does_not() {
        let head = Head { seq: 12, digest: (0..32).map(|byte| byte * 7).collect() };
        let text = head.to_string();
        assert_eq!(text.parse::<Head>().unwrap(), head);
        assert_eq!(text.to_uppercase().parse::<Head>().unwrap(), head);
        let wrong =
            ["", ":", "12", &text[3..], &text[..66], &format!("-{text}"), &format!("{text}0")];
        for text in wrong {
            assert!(text.parse::<Head>().is_err(), "{text}");
        }
    }
}
