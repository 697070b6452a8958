//! Markdown as the pages have it.

use std::fmt::Write;

/// A page in the making.
pub(super) struct Markdown(String);

impl Markdown {
    /// A page that begins with this prose.
    pub(super) fn new(prose: &str) -> Self {
        Self(prose.to_owned())
    }

    /// Begins a section.
    pub(super) fn section(&mut self, title: &str) {
        self.paragraph(&format!("## {title}"));
    }

    /// Adds a text that needs no line break.
    pub(super) fn paragraph(&mut self, text: &str) {
        self.0.push('\n');
        self.line(text);
    }

    /// Adds a table.
    pub(super) fn table<const N: usize>(
        &mut self,
        heading: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) {
        self.0.push('\n');
        self.line(&row(&heading));
        self.line(&format!("|{}", "---|".repeat(N)));
        for cells in rows {
            self.line(&row(&cells));
        }
    }

    /// The whole page.
    pub(super) fn into_text(self) -> String {
        self.0
    }

    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }
}

fn row(cells: &[impl AsRef<str>]) -> String {
    cells.iter().fold("|".to_owned(), |mut row, cell| {
        // A bar would end the cell, and so would the end of the line.
        let cell = words(cell.as_ref()).replace('|', "\\|");
        // A `String` takes whatever is written to it.
        let _ = write!(row, " {cell}{}|", if cell.is_empty() { "" } else { " " });
        row
    })
}

/// A text that was wrapped, in one line.
pub(super) fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A name as it is written in code.
pub(super) fn code(name: &str) -> String {
    format!("`{name}`")
}

/// Names in code, with commas between.
pub(super) fn codes<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(code).collect::<Vec<_>>().join(", ")
}

/// A time in the largest unit that counts it in whole numbers.
pub(super) fn duration(seconds: u64) -> String {
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let fits = |(length, _): &(u64, &str)| seconds.is_multiple_of(*length);
    let (length, unit) = units.into_iter().find(fits).unwrap_or((1, "second"));
    let number = seconds / length;
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_hold_bars_and_wrapped_texts() {
        let mut page = Markdown::new("# A\n");
        page.section("B");
        page.table(["c", "d"], [["a|b".to_owned(), String::new()], ["x\n  y".into(), "z".into()]]);
        let told = "# A\n\n## B\n\n| c | d |\n|---|---|\n| a\\|b | |\n| x y | z |\n";
        assert_eq!(page.into_text(), told);
    }

    #[test]
    fn a_time_is_told_in_its_largest_whole_unit() {
        let told = [1, 60, 900, 3_600, 5_400, 86_400, 61].map(duration);
        let expected =
            ["1 second", "1 minute", "15 minutes", "1 hour", "90 minutes", "1 day", "61 seconds"];
        assert_eq!(told, expected);
    }
}
