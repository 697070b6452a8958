//! How often the keys are fetched.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jsonwebtoken::Algorithm;
use portcullis_verify_example::{Verifier, VerifyError};

/// The header names a key "unknown"; nothing but the header is ever read.
const TOKEN: &str = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6InVua25vd24ifQ.e30.AAAA";

fn verifier(url: String) -> Verifier {
    Verifier::new("issuer", "audience", vec![Algorithm::EdDSA], url)
}

#[test]
fn tokens_with_unknown_keys_cause_one_fetch_a_minute() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let fetches = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&fetches);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counter.fetch_add(1, Ordering::SeqCst);
            let mut stream = stream.unwrap();
            let _request = stream.read(&mut [0; 4096]).unwrap();
            let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 11\r\n\r\n";
            stream.write_all(format!("{answer}{{\"keys\":[]}}").as_bytes()).unwrap();
        }
    });
    let verifier = verifier(url);
    for _ in 0..3 {
        assert!(matches!(verifier.verify(TOKEN), Err(VerifyError::Refused(_))));
    }
    assert_eq!(fetches.load(Ordering::SeqCst), 1);
}

#[test]
fn without_keys_nothing_is_said_about_a_token() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    assert!(matches!(verifier(url).verify(TOKEN), Err(VerifyError::NoKeys(_))));
}
