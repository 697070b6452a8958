//! Writes changed responses as lines of JSON, with this crate's verdict, for other verifiers to judge (`.ci/webauthn-peers`).
//! usage: responses COUNT SEED

#[expect(dead_code, reason = "of the fuzzer's numbers, not all are needed here")]
#[path = "../../fuzz/src/random.rs"]
mod random;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use portcullis_kernel::secret::base64url;
use portcullis_webauthn::authenticator::mutations::{Case, Ceremonies};
use serde_json::{Value, json};

fn main() -> ExitCode {
    let arguments: Vec<u64> =
        std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let [count, seed] = arguments[..] else {
        eprintln!("usage: responses COUNT SEED");
        return ExitCode::FAILURE;
    };
    match write(count, seed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn write(count: u64, seed: u64) -> io::Result<()> {
    let (mut random, mut ceremonies) = (random::Random::new(seed), Ceremonies::default());
    let mut out = BufWriter::new(io::stdout().lock());
    for _ in 0..count {
        let case = ceremonies.case(&mut |end| random.below(end));
        writeln!(out, "{}", line(&case))?;
    }
    out.flush()
}

fn line(case: &Case) -> Value {
    let stored = case.stored.as_ref().map(|stored| {
        json!({
            "id": base64url(&stored.id),
            "publicKey": base64url(&stored.public_key),
            "signCount": stored.sign_count,
        })
    });
    json!({
        "changes": case.changes,
        "rpId": case.relying_party.id,
        "origins": case.relying_party.origins,
        "challenge": case.challenge.to_base64url(),
        "userVerification": <&str>::from(case.verification),
        "response": case.response,
        "stored": stored,
        "refused": case.verify().err().map(|error| error.to_string()),
    })
}
