use chrono::TimeDelta;

use super::*;

const KIND: Kind = Kind::RefreshToken;

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

fn credential() -> Credential {
    let proven = Proven { at: start(), by: Proofs::VERIFIED_PASSKEY };
    Credential::first(KIND, SessionId::new(start()), UserId::new(start()), proven).unwrap()
}

#[test]
fn a_credential_opens_as_it_was_sealed_and_as_nothing_else() {
    let keys = KeySet::of_refresh([(1, start(), None)]);
    let first = credential();
    let text = first.seal(keys.refresh(start()));
    let text = text.expose();
    assert_eq!(text.len(), 4 + 127);
    let opened = Credential::open(KIND, text, &keys, start()).unwrap();
    assert_eq!((opened.session, opened.user, opened.generation), (first.session, first.user, 1));
    assert_eq!((opened.proven, opened.digest()), (first.proven, first.digest()));
    assert_eq!(first.seal(keys.refresh(start())).expose(), text, "every instance seals alike");

    let others = KeySet::of_refresh([(1, start(), None)]);
    let next = first.at(2).seal(keys.refresh(start()));
    assert_ne!(next.expose(), text);
    assert_eq!(Credential::open(KIND, text, &others, start()).unwrap_err(), Unopened::Forged);
    // The generation of one under the seal of another.
    let mixed = format!("{}{}", &next.expose()[..90], &text[90..]);
    let long = format!("pcr_{}", "A".repeat(100_000));
    let as_cookie = text.replace("pcr_", "pcs_");
    let cookie = Credential::open(Kind::Cookie, &as_cookie, &keys, start());
    assert_eq!(cookie.unwrap_err(), Unopened::Forged, "of another kind");
    for wrong in ["", "pcr_", &text[4..], &format!("{text}="), &format!(" {text}"), &mixed, &long] {
        let refused = Credential::open(KIND, wrong, &keys, start());
        assert_eq!(refused.unwrap_err(), Unopened::Forged, "{wrong}");
    }
    for at in 4..text.len() {
        let mut changed = text.as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(Credential::open(KIND, &changed, &keys, start()).is_err(), "{at}");
    }
}

#[test]
fn two_generations_of_keys_are_good_and_the_next_may_be_on_its_way() {
    let (now, later) = (start(), start() + TimeDelta::seconds(5));
    let end = later + TimeDelta::days(30);
    let keys = KeySet::of_refresh([(1, now, Some(end)), (2, later, None)]);
    let before = credential().seal(keys.refresh(now));
    let after = credential().seal(keys.refresh(later));
    assert_eq!([keys.refresh(now).serial, keys.refresh(later).serial], [1, 2]);
    for text in [&before, &after] {
        assert!(Credential::open(KIND, text.expose(), &keys, later).is_ok());
    }
    assert!(Credential::open(KIND, after.expose(), &keys, end).is_ok());
    let over = Credential::open(KIND, before.expose(), &keys, end);
    assert_eq!(over.unwrap_err(), Unopened::Forged);

    let unread = KeySet::of_refresh([(1, now, None)]);
    let refused = Credential::open(KIND, after.expose(), &unread, later);
    assert_eq!(refused.unwrap_err(), Unopened::NotYet);
}

#[test]
fn neither_form_is_shown_by_debug() {
    let keys = KeySet::of_refresh([(1, start(), None)]);
    let credential = credential();
    let text = credential.seal(keys.refresh(start()));
    let shown = format!("{credential:?} {text:?}");
    assert!(!shown.contains(&text.expose()[4..]) && !shown.contains("secret"), "{shown}");
}
