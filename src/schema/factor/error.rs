//! What clients are told where a factor proved nothing, or was neither set up nor given up.

use crate::features::factors::FactorError;
use crate::graphql::error::{ApiError, Code};
use crate::graphql::feature::ServerFeature;
use crate::graphql::guard::FRESH_SECONDS;
use crate::kernel::access::{Refusal, Refused};
use crate::kernel::invalid::Reason;

impl From<FactorError> for ApiError {
    fn from(error: FactorError) -> Self {
        let conflict = |message, reason| Self::new(Code::Conflict, message).because(reason);
        let refused = |code, message: &'static str| {
            Self::new(code, message).auditing(Refusal { refused: Refused::SignIn, target: None })
        };
        match error {
            FactorError::Challenge => {
                let message = "This sign-in has expired. Please sign in again.";
                refused(Code::InvalidToken, message)
            }
            FactorError::Wrong { account } => {
                let target = account.map(|id| id.0);
                Self::new(
                    Code::InvalidCredentials,
                    "The code or passkey is wrong or was already used.",
                )
                .auditing(Refusal { refused: Refused::SignIn, target })
            }
            FactorError::WrongMailedCode => {
                let message = "The code from the mail is wrong.";
                refused(Code::InvalidCredentials, message).because("MAILED_CODE")
            }
            FactorError::Insufficient => Self::step_up(FRESH_SECONDS, &[]),
            FactorError::NotEnrolling => {
                conflict("Please start again with startTotpEnrollment.", "NOT_ENROLLING")
            }
            FactorError::NoTotp => conflict("Your account has no authenticator app.", "NO_TOTP"),
            FactorError::Off => conflict("Your account has no second factor.", "SECOND_FACTOR_OFF"),
            FactorError::On => {
                conflict("Your account already has a second factor.", "SECOND_FACTOR_ON")
            }
            FactorError::NothingToAskFor => {
                conflict("Add a passkey or an authenticator app first.", "NO_FACTOR")
            }
            FactorError::Required => {
                let message = "This server requires your account to have a second factor.";
                conflict(message, "SECOND_FACTOR_REQUIRED")
            }
            FactorError::LastWayIn => {
                let message =
                    "This is the only way to sign in to your account. Set a password first.";
                conflict(message, "LAST_WAY_IN")
            }
            FactorError::NoPasskeys => Self::lacks(ServerFeature::Passkeys),
            FactorError::Ceremony => {
                let message = "This attempt with a passkey has expired. Please start again.";
                refused(Code::InvalidToken, message)
            }
            FactorError::Registration(_) => {
                let message = "This server does not accept this passkey.";
                Self::argument("input.credential", Reason::NotAllowed, message)
            }
            FactorError::UnknownPasskey => {
                let message = "This server does not know this passkey.";
                refused(Code::InvalidCredentials, message).because("UNKNOWN_PASSKEY")
            }
            FactorError::NoPasskey => {
                Self::new(Code::NotFound, "Your account does not have this passkey.")
            }
            FactorError::PasskeyTaken => {
                conflict("This passkey is already registered.", "PASSKEY_TAKEN")
            }
            FactorError::TooManyPasskeys => conflict(
                "Your account has the maximum of 20 passkeys. Delete one first.",
                "TOO_MANY",
            ),
            FactorError::Limited(limited) => limited.into(),
            FactorError::Fault(fault) => fault.into(),
        }
    }
}
