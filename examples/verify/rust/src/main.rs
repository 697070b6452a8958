//! Verifies the token it is given, to try the library with.

use std::process::ExitCode;

use portcullis_verify_example::{Verifier, VerifyError};

fn main() -> ExitCode {
    match verify() {
        Ok(claims) => {
            println!("{claims}");
            ExitCode::SUCCESS
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

/// The claims as one line of JSON.
fn verify() -> Result<String, Box<dyn std::error::Error>> {
    let token = std::env::args().nth(1).ok_or("usage: portcullis-verify-example TOKEN")?;
    let issuer = setting("ISSUER").ok_or("ISSUER is not set")?;
    let audience = setting("AUDIENCE").unwrap_or_else(|| issuer.clone());
    let jwks_url = setting("JWKS_URL").unwrap_or_else(|| format!("{issuer}/.well-known/jwks.json"));
    let algorithms = setting("ALGORITHMS").unwrap_or_else(|| "EdDSA".to_owned());
    let algorithms = algorithms.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let claims = Verifier::new(&issuer, &audience, algorithms, jwks_url).verify(&token)?;
    Ok(serde_json::to_string(&claims)?)
}

#[expect(clippy::disallowed_methods, reason = "the settings of this example are its own")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
