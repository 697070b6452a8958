//! Whether strangers can make the verifier of WebAuthn panic, take memory, or accept what no authenticator said: see README.md.

#[path = "../random.rs"]
mod random;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use allocation_counter::measure;
use portcullis_webauthn::authenticator::mutations::{Case, Ceremonies};
use random::Random;
use serde_json::Value;

/// In bytes: what a verification may hold at once, whatever was sent.
const ALLOCATED_MAX: u64 = 512 * 1024;
/// In bytes, as long as a request of the server may be.
const SENT_MAX: usize = 100 * 1024;
const SIGNED: [&str; 3] = ["clientDataJSON", "authenticatorData", "signature"];

#[derive(Default)]
struct Report {
    accepted: u64,
    refused: u64,
    unread: u64,
    allocated: (u64, String),
    slowest: (Duration, String),
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let (Ok(seconds), Ok(seed)) =
        (arguments.next().unwrap_or(Ok(60)), arguments.next().unwrap_or_else(|| Ok(seed())))
    else {
        eprintln!("usage: fuzz/run webauthn [SECONDS] [SEED]");
        return ExitCode::FAILURE;
    };
    println!("seed {seed}");
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut random, mut ceremonies) = (Random::new(seed), Ceremonies::default());
    let mut report = Report::default();
    while Instant::now() < end {
        let original = ceremonies.case(&mut |below| random.below(below));
        let Some(case) = changed(&mut random, &original) else {
            report.unread += 1;
            continue;
        };
        if let Err(why) = report.judge(&original, &case) {
            println!("{why}\nseed {seed}, changes {:?}\n{}", case.changes, case.response);
            return ExitCode::FAILURE;
        }
    }
    report.print();
    ExitCode::SUCCESS
}

/// A response as it was made, or with bytes changed: of its text, or of a member. `None` where it is no JSON any more, which
/// the server refuses before.
fn changed(random: &mut Random, original: &Case) -> Option<Case> {
    let mut case = original.clone();
    match random.below(4) {
        0 => {}
        1 => {
            let mut text = case.response.to_string().into_bytes();
            for _ in 0..random.within(1, 3) {
                change(random, &mut text);
            }
            case.response = serde_json::from_slice(&text).ok()?;
        }
        2 => {
            let text: Vec<u8> = (0..random.below(200)).map(|_| byte(random)).collect();
            case.response = serde_json::from_slice(&text).ok()?;
        }
        _ => {
            let members = ["attestationObject", SIGNED[0], SIGNED[1], SIGNED[2], "userHandle"];
            let name = random.pick(&members);
            let of = case.response.get_mut("response")?.get_mut(name)?;
            let mut bytes = of.as_str().and_then(portcullis_kernel::secret::from_base64url)?;
            if random.one_in(8) {
                bytes = nested(random);
            }
            for _ in 0..random.within(1, 4) {
                change(random, &mut bytes);
            }
            *of = portcullis_kernel::secret::base64url(bytes).into();
        }
    }
    Some(case)
}

fn byte(random: &mut Random) -> u8 {
    u8::try_from(random.below(256)).unwrap_or_default()
}

/// Flips a bit, replaces, removes, inserts, repeats or cuts off.
fn change(random: &mut Random, bytes: &mut Vec<u8>) {
    let (from, to) = (random.below(bytes.len()), random.below(bytes.len()));
    let (from, to) = (from.min(to), from.max(to));
    match random.below(6) {
        _ if bytes.is_empty() => bytes.push(byte(random)),
        0 => bytes[from] ^= 1 << random.below(8),
        1 => bytes[from] = byte(random),
        2 => drop(bytes.drain(from..to)),
        3 => bytes.insert(from, byte(random)),
        4 => {
            let repeated = bytes[from..to].to_vec();
            let times = random.within(1, 64).min(SENT_MAX / bytes.len());
            (0..times).for_each(|_| bytes.extend_from_slice(&repeated));
        }
        _ => bytes.truncate(to),
    }
}

/// CBOR that is long, deep, or tells lengths that it does not have.
fn nested(random: &mut Random) -> Vec<u8> {
    let heads: [&[u8]; 8] = [
        &[0x81],
        &[0xa1, 0x00],
        &[0x9f],
        &[0xbf],
        &[0x9b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
        &[0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x99, 0x1f, 0xff],
        &[0xb9, 0x0f, 0xff],
    ];
    let head = random.pick(&heads);
    let times = *random.pick(&[&1, &4, &4096]);
    let repeated = head.repeat(random.within(1, times));
    // Zeros are numbers, empty arrays are items that take more memory than bytes.
    [repeated, vec![*random.pick(&[&0x00, &0x80, &0x60]); random.below(16 * 1024)]].concat()
}

impl Report {
    fn judge(&mut self, original: &Case, case: &Case) -> Result<(), String> {
        let begun = Instant::now();
        let mut verdict = None;
        let measured = measure(|| {
            verdict = Some(catch_unwind(AssertUnwindSafe(|| case.verify())));
        });
        let elapsed = begun.elapsed();
        let Some(Ok(verdict)) = verdict else { return Err("it panicked".to_owned()) };
        if measured.bytes_max > ALLOCATED_MAX {
            return Err(format!("it took {} bytes at once", measured.bytes_max));
        }
        if measured.bytes_max > self.allocated.0 {
            self.allocated = (measured.bytes_max, format!("{:?}", case.changes));
        }
        if elapsed > self.slowest.0 {
            self.slowest = (elapsed, format!("{:?}", case.changes));
        }
        if verdict.is_err() {
            self.refused += 1;
            return Ok(());
        }
        self.accepted += 1;
        // Nothing that an assertion signs can be another than what was signed.
        let is_signed = |name: &str| member(original, name) == member(case, name);
        if case.stored.is_some() && !SIGNED.into_iter().all(is_signed) {
            return Err("it accepted what nobody signed".to_owned());
        }
        Ok(())
    }

    fn print(&self) {
        let Self { accepted, refused, unread, allocated, slowest } = self;
        println!("{accepted} responses accepted, {refused} refused, {unread} no JSON");
        println!("most bytes at once: {}, {}", allocated.0, allocated.1);
        println!("slowest: {:?}, {}", slowest.0, slowest.1);
    }
}

fn member<'a>(case: &'a Case, name: &str) -> Option<&'a Value> {
    case.response.get("response")?.get(name)
}

/// Another one each time.
fn seed() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs()
}
