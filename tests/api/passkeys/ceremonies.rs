//! What a ceremony is bound to: one purpose, one user, one session or sign-in, one use, five minutes (MF-11).

use portcullis_webauthn::authenticator::{SoftwareAuthenticator, USER_VERIFIED};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::passkey::{
    Ceremony, ORIGIN, challenge, forgery_of, prove, refusal, sign_in, verifying, with_second_factor,
};
use crate::support::{Reply, SECOND, SignedIn, TestApp};

/// What a ceremony is begun for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    SignIn,
    Registration,
    Proof,
    Challenge,
}

/// In the order in which one session can do all of them: another one takes its place with the proof.
const PURPOSES: [Purpose; 4] =
    [Purpose::SignIn, Purpose::Challenge, Purpose::Registration, Purpose::Proof];

/// Somebody who is signed in, and is signing in once more.
struct Somebody<'a> {
    app: &'a TestApp,
    session: SignedIn,
    challenge: String,
    authenticator: SoftwareAuthenticator,
}

impl<'a> Somebody<'a> {
    async fn named(app: &'a TestApp, name: &str) -> Self {
        let (session, authenticator) = with_second_factor(app, name, verifying()).await;
        let challenge = challenge(&app.app, name).await;
        Self { app, session, challenge, authenticator }
    }

    async fn begin(&self, purpose: Purpose) -> Ceremony {
        let app = &self.app.app;
        match purpose {
            Purpose::SignIn => Ceremony::of_sign_in(app).await,
            Purpose::Registration => Ceremony::of_registration(app, &self.session.access).await,
            Purpose::Proof => Ceremony::of_proof(app, &self.session.access).await,
            Purpose::Challenge => Ceremony::of_challenge(app, &self.challenge).await,
        }
    }

    /// Finishes a ceremony as if it was begun for this, with a credential that is good for its challenge.
    async fn finish(&self, begun: &Ceremony, purpose: Purpose) -> Reply {
        let (app, bearer) = (&self.app.app, &self.session.access);
        let mut authenticator = self.authenticator.clone();
        let shown = authenticator.get(&begun.as_request(), ORIGIN).to_json();
        match purpose {
            Purpose::SignIn => begun.finish_sign_in(app, &shown).await,
            Purpose::Registration => {
                let made = verifying().create(&begun.as_creation(), ORIGIN).to_json();
                begun.finish_registration(app, &made, bearer).await
            }
            Purpose::Proof => begun.reauthenticate(app, &shown, bearer).await,
            Purpose::Challenge => begun.complete(app, &shown, &self.challenge).await,
        }
    }
}

#[tokio::test]
async fn a_ceremony_does_what_it_was_begun_for_and_nothing_else() {
    let app = TestApp::start().await;
    let alice = Somebody::named(&app, "alice").await;
    for begun_for in PURPOSES {
        for finished_as in PURPOSES.into_iter().filter(|other| *other != begun_for) {
            let begun = alice.begin(begun_for).await;
            let reply = alice.finish(&begun, finished_as).await;
            assert_eq!(reply.code(), "INVALID_TOKEN", "{begun_for:?} as {finished_as:?}");
        }
    }
    // With the same credentials each does what it is for.
    for purpose in PURPOSES {
        let begun = alice.begin(purpose).await;
        let reply = alice.finish(&begun, purpose).await;
        assert_eq!(reply.code(), "NONE", "{purpose:?}: {}", reply.text);
    }
}

#[tokio::test]
async fn a_ceremony_of_somebody_else_is_none() {
    let app = TestApp::start().await;
    let (alice, bob) = (Somebody::named(&app, "alice").await, Somebody::named(&app, "bob").await);
    for purpose in PURPOSES.into_iter().filter(|purpose| *purpose != Purpose::SignIn) {
        let begun = bob.begin(purpose).await;
        let reply = alice.finish(&begun, purpose).await;
        assert_eq!(reply.code(), "INVALID_TOKEN", "{purpose:?}");
        let begun = alice.begin(purpose).await;
        let reply = alice.finish(&begun, purpose).await;
        assert_eq!(reply.code(), "NONE", "{purpose:?}: {}", reply.text);
    }
}

#[tokio::test]
async fn a_ceremony_of_another_session_or_sign_in_of_the_same_user_is_none() {
    let app = TestApp::start().await;
    let one = Somebody::named(&app, "alice").await;
    let mut authenticator = one.authenticator.clone();
    let session = sign_in(&app.app, &mut authenticator).await.signed_in("finishPasskeySignIn");
    let challenge = challenge(&app.app, "alice").await;
    let other = Somebody { app: &app, session, challenge, authenticator };
    for purpose in PURPOSES.into_iter().filter(|purpose| *purpose != Purpose::SignIn) {
        let begun = one.begin(purpose).await;
        let reply = other.finish(&begun, purpose).await;
        assert_eq!(reply.code(), "INVALID_TOKEN", "{purpose:?}");
        let begun = other.begin(purpose).await;
        let reply = other.finish(&begun, purpose).await;
        assert_eq!(reply.code(), "NONE", "{purpose:?}: {}", reply.text);
    }
}

#[tokio::test]
async fn a_ceremony_is_finished_once() {
    let app = TestApp::start().await;
    let alice = Somebody::named(&app, "alice").await;
    let elsewhere = sign_in(&app.app, &mut alice.authenticator.clone()).await;
    let elsewhere = elsewhere.signed_in("finishPasskeySignIn");
    let begun = alice.begin(Purpose::SignIn).await;
    assert_eq!(alice.finish(&begun, Purpose::SignIn).await.code(), "NONE");
    assert_eq!(alice.finish(&begun, Purpose::SignIn).await.code(), "INVALID_TOKEN");
    // A wrong answer uses it up as well.
    let mut forgery = forgery_of(&alice.authenticator);
    let begun = alice.begin(Purpose::SignIn).await;
    let shown = forgery.get(&begun.options, ORIGIN).to_json();
    assert_eq!(refusal(&begun.finish_sign_in(&app.app, &shown).await), "INVALID_CREDENTIALS");
    assert_eq!(alice.finish(&begun, Purpose::SignIn).await.code(), "INVALID_TOKEN");
    let begun = alice.begin(Purpose::Challenge).await;
    let shown = forgery.get(&begun.options, ORIGIN).to_json();
    let wrong = begun.complete(&app.app, &shown, &alice.challenge).await;
    assert_eq!(refusal(&wrong), "INVALID_CREDENTIALS");
    assert_eq!(alice.finish(&begun, Purpose::Challenge).await.code(), "INVALID_TOKEN");
    let begun = alice.begin(Purpose::Proof).await;
    let shown = forgery.get(&begun.options, ORIGIN).to_json();
    let wrong = begun.reauthenticate(&app.app, &shown, &alice.session.access).await;
    assert_eq!(refusal(&wrong), "INVALID_CREDENTIALS");
    assert_eq!(alice.finish(&begun, Purpose::Proof).await.code(), "INVALID_TOKEN");
    let begun = alice.begin(Purpose::Registration).await;
    assert_eq!(alice.finish(&begun, Purpose::Registration).await.code(), "NONE");
    assert_eq!(alice.finish(&begun, Purpose::Registration).await.code(), "INVALID_TOKEN");
    // Nobody else's is.
    prove(&app.app, &elsewhere, &mut alice.authenticator.clone()).await.data();
}

#[tokio::test]
async fn a_proof_that_is_worth_too_little_uses_its_ceremony_up() {
    let app = TestApp::start().await;
    let (_, mut authenticator) = with_second_factor(&app, "alice", verifying()).await;
    let alice = sign_in(&app.app, &mut authenticator).await.signed_in("finishPasskeySignIn");
    let begun = Ceremony::of_proof(&app.app, &alice.access).await;
    authenticator.flags &= !USER_VERIFIED;
    let shown = authenticator.get(&begun.options, ORIGIN).to_json();
    let touched = begun.reauthenticate(&app.app, &shown, &alice.access).await;
    assert_eq!(touched.code(), "STEP_UP_REQUIRED");
    let again = begun.reauthenticate(&app.app, &shown, &alice.access).await;
    assert_eq!(again.code(), "INVALID_TOKEN", "{}", again.text);
}

#[tokio::test]
async fn many_who_finish_a_ceremony_at_once_on_two_instances_do_it_once() {
    let app = TestApp::start().await;
    let other = app.second_instance().await;
    let alice = Somebody::named(&app, "alice").await;
    let sessions = app.count("sessions").await;
    for purpose in [Purpose::SignIn, Purpose::Challenge, Purpose::Registration] {
        let begun = alice.begin(purpose).await;
        let shown = match purpose {
            Purpose::Registration => verifying().create(&begun.options, ORIGIN).to_json(),
            _ => alice.authenticator.clone().get(&begun.options, ORIGIN).to_json(),
        };
        let mut finishing = JoinSet::new();
        for number in 0..10 {
            let instance = if number % 2 == 0 { app.app.clone() } else { other.clone() };
            let (begun, shown) = (begun.clone(), shown.clone());
            let (bearer, challenge) = (alice.session.access.clone(), alice.challenge.clone());
            finishing.spawn(async move {
                let reply = match purpose {
                    Purpose::SignIn => begun.finish_sign_in(&instance, &shown).await,
                    Purpose::Registration => {
                        begun.finish_registration(&instance, &shown, &bearer).await
                    }
                    Purpose::Proof => begun.reauthenticate(&instance, &shown, &bearer).await,
                    Purpose::Challenge => begun.complete(&instance, &shown, &challenge).await,
                };
                reply.code()
            });
        }
        let mut codes = finishing.join_all().await;
        codes.sort();
        let expected = [vec!["INVALID_TOKEN"; 9], vec!["NONE"]].concat();
        assert_eq!(codes, expected, "{purpose:?}");
    }
    assert_eq!(app.count("sessions").await, sessions + 2, "a sign-in, and one completed");
    assert_eq!(app.count("passkeys").await, 2);
}

#[tokio::test]
async fn a_ceremony_lives_for_five_minutes() {
    for (seconds, code) in [(299, "NONE"), (300, "INVALID_TOKEN")] {
        let app = TestApp::start().await;
        let alice = Somebody::named(&app, "alice").await;
        let mut begun = Vec::new();
        for purpose in PURPOSES {
            begun.push((purpose, alice.begin(purpose).await));
        }
        app.clock.advance(SECOND * seconds);
        for (purpose, ceremony) in begun {
            let reply = alice.finish(&ceremony, purpose).await;
            assert_eq!(reply.code(), code, "{purpose:?} after {seconds}: {}", reply.text);
        }
    }
}

#[tokio::test]
async fn nobody_makes_a_ceremony_up() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let begun = Ceremony::of_sign_in(&app.app).await;
    let text = &begun.text;
    let (end, flow) = (text.len() - 1, text.replace("pcw_", "pcf_"));
    let last = if text.ends_with('A') { "Q" } else { "A" };
    let forged = [
        String::new(),
        "pcw_".to_owned(),
        format!("pcw_{}", "A".repeat(text.len() - 4)),
        text[..end].to_owned(),
        format!("{}{last}", &text[..end]),
        format!("{text}AAAA"),
        format!("{text}="),
        format!(" {text}"),
        flow,
        alice.access.clone(),
        "x".repeat(5_000),
    ];
    for forged in forged {
        let ceremony = Ceremony { text: forged, options: begun.options.clone() };
        let empty = json!({});
        let replies: [Reply; 3] = [
            ceremony.finish_sign_in(&app.app, &empty).await,
            ceremony.finish_registration(&app.app, &empty, &alice.access).await,
            ceremony.reauthenticate(&app.app, &empty, &alice.access).await,
        ];
        for reply in replies {
            assert_eq!(reply.code(), "INVALID_TOKEN", "{}: {}", ceremony.text, reply.text);
        }
    }
    let other = Ceremony::of_sign_in(&app.app).await;
    let challenge = |of: &Ceremony| of.options["challenge"].as_str().unwrap().to_owned();
    assert_eq!(challenge(&begun).len(), 43, "256 bits");
    assert_ne!(challenge(&begun), challenge(&other));
}
