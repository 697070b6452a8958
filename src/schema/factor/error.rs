//! What clients are told where a factor proved nothing, or was neither set up nor given up.

use crate::features::factors::FactorError;
use crate::graphql::error::{ApiError, Code};
use crate::graphql::feature::ServerFeature;
use crate::graphql::guard::FRESH_SECONDS;
use crate::graphql::reason::ErrorReason;
use crate::kernel::access::{Refusal, Refused};
use crate::kernel::invalid::Reason;

fn conflict(message: &'static str, reason: ErrorReason) -> ApiError {
    ApiError::new(Code::Conflict, message).because(reason)
}

fn refused(code: Code, message: &'static str) -> ApiError {
    ApiError::new(code, message).auditing(Refusal { refused: Refused::SignIn, target: None })
}

impl From<FactorError> for ApiError {
    fn from(error: FactorError) -> Self {
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
                refused(Code::InvalidCredentials, message).because(ErrorReason::MailedCode)
            }
            FactorError::Insufficient => Self::step_up(FRESH_SECONDS, &[]),
            FactorError::NotEnrolling => {
                conflict("Please start again with startTotpEnrollment.", ErrorReason::NotEnrolling)
            }
            FactorError::NoTotp => {
                conflict("Your account has no authenticator app.", ErrorReason::NoTotp)
            }
            FactorError::Off => {
                conflict("Your account has no second factor.", ErrorReason::SecondFactorOff)
            }
            FactorError::On => {
                conflict("Your account already has a second factor.", ErrorReason::SecondFactorOn)
            }
            FactorError::NothingToAskFor => {
                conflict("Add a passkey or an authenticator app first.", ErrorReason::NoFactor)
            }
            FactorError::Required => {
                let message = "This server requires your account to have a second factor.";
                conflict(message, ErrorReason::SecondFactorRequired)
            }
            FactorError::LastWayIn => {
                let message =
                    "This is the only way to sign in to your account. Set a password first.";
                conflict(message, ErrorReason::LastWayIn)
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
                refused(Code::InvalidCredentials, message).because(ErrorReason::UnknownPasskey)
            }
            FactorError::NoPasskey => {
                Self::new(Code::NotFound, "Your account does not have this passkey.")
            }
            FactorError::PasskeyTaken => {
                conflict("This passkey is already registered.", ErrorReason::PasskeyTaken)
            }
            FactorError::TooManyPasskeys => conflict(
                "Your account has the maximum of 20 passkeys. Delete one first.",
                ErrorReason::TooMany,
            ),
            FactorError::Limited(limited) => limited.into(),
            FactorError::Fault(fault) => fault.into(),
        }
    }
}
