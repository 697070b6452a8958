//! What the verbs print: lines for people, JSON for scripts.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use strum::IntoStaticStr;

/// The length of an answer to a question, in bytes.
const ANSWER_MAX: u64 = 64;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "lowercase")]
pub(super) enum Level {
    Ok,
    /// Worth knowing.
    Note,
    /// Works, and should be seen to.
    Warning,
    /// Does not work as it should, or not at all.
    Problem,
}

/// Prints a line. A reader that has gone away, as `head` does, is an error like any other here;
/// [`is_closed`] tells it apart at the end.
pub(super) fn line(text: impl AsRef<str>) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{}", text.as_ref())
}

/// Prints a whole text as it is.
pub(super) fn text(text: &str) -> anyhow::Result<()> {
    Ok(io::stdout().lock().write_all(text.as_bytes())?)
}

/// Prints a value as indented JSON.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(line(serde_json::to_string_pretty(value)?)?)
}

/// Asks a question that `y` or `yes` answers; where nobody can be asked the answer is no.
pub(super) fn confirm(question: &str) -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    line(format!("{question} [y/N]"))?;
    let mut answer = String::new();
    io::stdin().lock().take(ANSWER_MAX).read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Prints rows in columns, under a heading.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let heading = heading.map(str::to_owned);
    let all = || std::iter::once(&heading).chain(rows);
    let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    for row in all() {
        let cells: Vec<_> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        line(cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// Prints a finding about something, and what to do about it.
pub(super) fn finding(
    level: Level,
    about: &str,
    message: &str,
    advice: Option<&str>,
) -> io::Result<()> {
    line(format!("{:7}  {about}: {message}", level.into_str()))?;
    advice.map_or(Ok(()), |advice| line(format!("         -> {advice}")))
}

/// How a verb ends that has looked and printed. What it found stands whether or not anybody has read it.
pub(super) fn verdict(
    levels: impl Iterator<Item = Level>,
    printed: anyhow::Result<()>,
) -> anyhow::Result<()> {
    match levels.filter(|level| *level == Level::Problem).count() {
        0 => printed,
        1 => anyhow::bail!("the check found a problem"),
        count => anyhow::bail!("the check found {count} problems"),
    }
}

/// A moment, to the second.
pub(super) fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Whether a verb failed only because nobody reads on.
pub(super) fn is_closed(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
