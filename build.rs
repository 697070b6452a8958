//! Tells a release build which commit it is made of, for `portcullis --version`.
//!
//! Outside a git checkout, as in an image, `SOURCE_COMMIT` names the commit and `SOURCE_DATE_EPOCH` its time. Without
//! either the version stands alone. A debug build knows no commit: it would be made again for each.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SOURCE_COMMIT");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let is_release = variable("PROFILE").as_deref() == Some("release");
    let built_from = if is_release { commit() } else { None };
    let built_from = built_from.map(|built_from| format!(" ({built_from})")).unwrap_or_default();
    println!("cargo::rustc-env=BUILT_FROM={built_from}");
}

/// As in `52113d1c5a0e 2026-11-30`.
fn commit() -> Option<String> {
    let date = variable("SOURCE_DATE_EPOCH").and_then(|epoch| date(epoch.parse().ok()?));
    if let Some(commit) = variable("SOURCE_COMMIT") {
        let commit = commit.get(..12).unwrap_or(&commit).to_owned();
        return Some([Some(commit), date].into_iter().flatten().collect::<Vec<_>>().join(" "));
    }
    // This folder is a part of another repository where its source was unpacked or vendored there.
    if !git(&["rev-parse", "--show-prefix"])?.is_empty() {
        return None;
    }
    // What a commit and a checkout change. One that is not there would count as changed each time.
    for name in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", name])?;
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    Some(format!("{commit} {}", date.or_else(|| git(&["show", "-s", "--format=%cs", "HEAD"]))?))
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

#[expect(clippy::disallowed_methods, reason = "a build script has no other settings")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The day of a time in seconds since 1970, in UTC.
fn date(epoch: u64) -> Option<String> {
    const DAY: u64 = 24 * 60 * 60;
    const YEAR_MAX: u64 = 9999;
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let (mut year, mut day) = (1970, epoch / DAY);
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
        if year > YEAR_MAX {
            return None;
        }
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    Some(format!("{year:04}-{:02}-{:02}", month + 1, day + 1))
}
