//! Verifies the token it is given, to try the library with.

use std::process::ExitCode;

use portcullis_verify_example::{Verifier, VerifyError};

fn main() -> ExitCode {
    match verify() {
        Ok(Verdict::Good(claims)) => {
            println!("{claims}");
            ExitCode::SUCCESS
        }
        Ok(Verdict::Lacks(scope)) => {
            eprintln!("forbidden: it lacks the scope {scope}");
            ExitCode::from(3)
        }
        Err(error) => {
            if let Some(VerifyError::Refused(_)) = error.downcast_ref() {
                eprintln!("{error}");
                return ExitCode::from(1);
            }
            eprintln!("cannot verify: {error}");
            ExitCode::from(2)
        }
    }
}

/// What is said about a token whose signature and claims are right.
enum Verdict {
    /// The claims as one line of JSON.
    Good(String),
    /// The scope that was asked for, and is not there.
    Lacks(String),
}

fn verify() -> Result<Verdict, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let token = arguments.next().ok_or("usage: portcullis-verify-example TOKEN [SCOPE]")?;
    let issuer = setting("ISSUER").ok_or("ISSUER is not set")?;
    let audience = setting("AUDIENCE").unwrap_or_else(|| issuer.clone());
    let jwks_url = setting("JWKS_URL").unwrap_or_else(|| format!("{issuer}/.well-known/jwks.json"));
    let algorithms = setting("ALGORITHMS").unwrap_or_else(|| "EdDSA".to_owned());
    let algorithms = algorithms.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let claims = Verifier::new(&issuer, &audience, algorithms, jwks_url).verify(&token)?;
    match arguments.next() {
        Some(scope) if !claims.has_scope(&scope) => Ok(Verdict::Lacks(scope)),
        _ => Ok(Verdict::Good(serde_json::to_string(&claims)?)),
    }
}

#[expect(clippy::disallowed_methods, reason = "the settings of this example are its own")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
