use crate::kernel::access::{Grants, Language, Proofs, Proven, Role, TokenMode, User};
use crate::kernel::id::{SessionId, UserId};

use super::*;
use crate::features::sessions::credential::Kind;

const LIFETIMES: Lifetimes = Lifetimes {
    idle: TimeDelta::days(7),
    absolute: TimeDelta::days(30),
    grace: TimeDelta::seconds(10),
};

fn proven(at: DateTime<Utc>) -> Proven {
    Proven { at, by: Proofs::PASSWORD }
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

/// A session of the third generation, and its credential.
fn session() -> (Presented, Credential) {
    let now = start();
    let id = SessionId::new(now);
    let credential =
        Credential::first(Kind::RefreshToken, id, UserId::new(now), proven(now)).unwrap().at(3);
    let user = User {
        id: UserId::new(now),
        username: "alice".to_owned(),
        email: "alice@example.com".to_owned(),
        email_verified: true,
        full_name: None,
        avatar_url: None,
        role: Role::User,
        is_active: true,
        created_at: now,
        updated_at: now,
        last_login_at: None,
        locale: Language::English,
        grants: Grants::default(),
        second_factor: false,
    };
    let row = Presented {
        id,
        expires_at: now + LIFETIMES.absolute,
        ended_at: None,
        token_mode: TokenMode::Body,
        generation: 3,
        generation_at: now,
        last_used_at: now,
        secret_digest: credential.digest().to_vec(),
        attempt_digest: None,
        organization: None,
        user,
    };
    (row, credential)
}

#[test]
fn a_token_is_judged_by_how_far_it_is_behind_and_how_long_ago_it_was_replaced() {
    use Standing::{Ahead, Late, Live, Next, Replaced};
    let (row, live) = session();
    for (generation, at) in [
        (3, [(-6, Next), (-5, Live), (0, Live), (10, Live), (11, Next), (16, Next)]),
        (2, [(-6, Late), (-5, Live), (0, Live), (10, Live), (15, Late), (16, Replaced)]),
        (1, [(-6, Late), (-5, Late), (0, Late), (5, Late), (6, Replaced), (16, Replaced)]),
        (4, [(-6, Ahead), (-5, Ahead), (0, Ahead), (10, Ahead), (15, Ahead), (16, Ahead)]),
    ] {
        for (seconds, standing) in at {
            let now = start() + TimeDelta::seconds(seconds);
            let token = live.at(generation);
            let judged = row.standing_of(&token, None, &LIFETIMES, now);
            assert_eq!(judged, standing, "{generation} after {seconds} s");
        }
    }
}

#[test]
fn what_is_over_says_nothing_of_its_tokens() {
    let (row, live) = session();
    let late = start() + TimeDelta::seconds(60);
    let ended = Presented { ended_at: Some(start()), ..row.clone() };
    let expired = Presented { expires_at: late, ..row.clone() };
    let idle = Presented { last_used_at: late - LIFETIMES.idle, ..row };
    for over in [ended, expired, idle] {
        for generation in [1, 2, 3, 4] {
            let judged = over.standing_of(&live.at(generation), None, &LIFETIMES, late);
            assert_eq!(judged, Standing::Over);
        }
    }
}

#[test]
fn another_secret_is_a_forgery_whatever_else_it_says() {
    let (row, _) = session();
    let other =
        Credential::first(Kind::RefreshToken, row.id, row.user.id, proven(start())).unwrap();
    for generation in [1, 2, 3, 4] {
        let judged = row.standing_of(&other.at(generation), None, &LIFETIMES, start());
        assert_eq!(judged, Standing::Forged);
    }
}

#[test]
fn with_what_was_noted_the_token_before_is_answered_again_and_no_other() {
    let (row, live) = session();
    let noted = Attempt::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap();
    let other = Attempt::parse("AAAAAAAAAAAAAAAAAAAAAB");
    assert!(other.is_none(), "stray bits");
    let row = Presented { attempt_digest: Some(noted.digest().to_vec()), ..row };
    let late = start() + TimeDelta::days(1);
    let judge =
        |generation, attempt| row.standing_of(&live.at(generation), attempt, &LIFETIMES, late);
    assert_eq!(judge(2, Some(&noted)), Standing::Live);
    assert_eq!(judge(2, Some(&Attempt([1; 16]))), Standing::Replaced);
    assert_eq!(judge(2, None), Standing::Replaced);
    assert_eq!(judge(1, Some(&noted)), Standing::Replaced);
}
