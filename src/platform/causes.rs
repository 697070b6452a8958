//! What an error says with everything that caused it, for the operator.

use std::error::Error;

/// An error with its causes, each told once: many repeat what has caused them, or themselves. The drivers'
/// errors name no password; whoever makes an error of a URL leaves the URL out.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
        next = error.source();
    }
    let mut parts: Vec<&str> = told.split(": ").collect();
    parts.dedup();
    parts.join(": ")
}
