//! The SDL of another subgraph, as its file holds it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use apollo_parser::Parser;
use apollo_parser::cst::{self, CstNode};

/// More than any schema needs that people work with, and little enough to be read in seconds whatever it says.
const MEBIBYTES_MAX: u64 = 4;

/// How deep lists, objects and types may be nested: the parser calls itself for each level.
const NESTING_MAX: usize = 100;

/// A file of SDL.
pub(super) struct Sdl {
    /// As it was named on the command line.
    pub(super) file: String,
    pub(super) document: cst::Document,
    lines: Lines,
}

impl Sdl {
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let file = path.display().to_string();
        let bytes_max = MEBIBYTES_MAX << 20;
        let mut bytes = Vec::new();
        // No more is read than is taken, also from what never ends.
        File::open(path)
            .and_then(|opened| opened.take(bytes_max + 1).read_to_end(&mut bytes))
            .with_context(|| format!("{file} cannot be read"))?;
        ensure!(
            bytes.len() as u64 <= bytes_max,
            "{file} is larger than {MEBIBYTES_MAX} MiB: name the SDL file of one subgraph"
        );
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(file, text),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                bail!("{file}:{}: the text is not UTF-8", Lines::of(text).position(valid))
            }
        }
    }

    pub(super) fn parse(file: String, text: String) -> anyhow::Result<Self> {
        let tree = Parser::new(&text).recursion_limit(NESTING_MAX).parse();
        let lines = Lines::of(text);
        if let Some(error) = tree.errors().next() {
            let message = error.message().trim_end_matches('.');
            bail!("{file}:{}: {message}", lines.position(error.index()));
        }
        let document = tree.document();
        let executable = document.definitions().find(cst::Definition::is_executable_definition);
        if let Some(executable) = executable {
            let position = lines.position(executable.syntax().text_range().start().into());
            bail!("{file}:{position}: operations and fragments do not belong in SDL");
        }
        Ok(Self { file, document, lines })
    }

    /// The line that something begins in, counted from 1.
    pub(super) fn line(&self, node: &impl CstNode) -> usize {
        self.lines.line(node.syntax().text_range().start().into())
    }
}

/// The name of something, which has one: a document with errors is not read.
pub(super) fn text(name: Option<cst::Name>) -> String {
    name.map(|name| name.text().to_string()).unwrap_or_default()
}

/// An argument of a directive, or a field of an object, by its name.
pub(super) fn argument(directive: &cst::Directive, name: &str) -> Option<cst::Value> {
    let mut arguments = directive.arguments().into_iter().flat_map(|all| all.arguments());
    arguments.find(|argument| text(argument.name()) == name)?.value()
}

/// The text of a value that is one.
pub(super) fn string(value: Option<cst::Value>) -> Option<String> {
    match value {
        Some(cst::Value::StringValue(value)) => Some(value.into()),
        _ => None,
    }
}

/// A text, and where its lines begin.
struct Lines {
    text: String,
    starts: Vec<usize>,
}

impl Lines {
    fn of(text: String) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(index, _)| index + 1)).collect();
        Self { text, starts }
    }

    fn line(&self, index: usize) -> usize {
        self.starts.partition_point(|start| *start <= index)
    }

    /// A line and a column, both counted from 1.
    fn position(&self, index: usize) -> String {
        let line = self.line(index);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..index).unwrap_or_default();
        format!("{line}:{}", before.chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn complaint(text: &str) -> String {
        Sdl::parse("a.graphql".to_owned(), text.to_owned()).err().unwrap().to_string()
    }

    #[test]
    fn what_the_specification_allows_is_read() {
        for text in [
            "extend schema @link(url: \"u\", import: [\"@a\", {name: \"@b\", as: \"@c\"}])",
            "\"\"\"of a schema\"\"\" schema @a { query: Q } extend schema { mutation: M }",
            "schema { mutation: M }",
            "type Query { a: [ String ! ] ! b(of: E = nullish): Int }",
            "enum E { nullable trueish falsehood }",
            "directive @a(b: Int = 1) repeatable on OBJECT | FIELD_DEFINITION",
            "type A implements & B & C @d extend interface B implements C",
            "\u{feff}\"\"\"\nsays \"so\", \\\"\"\"\n\"\"\" type type { input: Int on(type: E): Int }",
            "type Query { a: Int @tag(name: \"\\u{1F600}\") }",
        ] {
            assert!(Sdl::parse(String::new(), text.to_owned()).is_ok(), "{text}");
        }
    }

    #[test]
    fn an_error_has_its_line_and_its_column() {
        for (text, at) in [
            ("type Query {\n  \"é\" a Int\n}", "a.graphql:2:9: "),
            ("type Query {\r\n  a: Int", "a.graphql:2:9: "),
            ("", "a.graphql:1:1: "),
            ("type A { a: Int }\n\nquery { a }", "a.graphql:3:1: operations and fragments"),
            ("type Query { }", "a.graphql:1:14: "),
            ("type Query @a(b: $c) { a: Int }", "a.graphql:1:18: "),
        ] {
            let told = complaint(text);
            assert!(told.starts_with(at), "{text}: {told}");
        }
    }

    #[test]
    fn no_text_overflows_the_stack() {
        let deep = 10_000;
        for text in [
            format!("type Query {}", "{".repeat(deep)),
            format!("type Query @a(b: {}", "[".repeat(deep)),
            format!("type Query @a(b: {}", "{a: ".repeat(deep)),
            format!("type Query {{ a: {}", "[".repeat(deep)),
            "{ a ".repeat(deep),
            "(".repeat(deep),
            "\"".repeat(deep + 1),
            "#".repeat(deep),
            "\0".repeat(deep),
        ] {
            complaint(&text);
        }
    }

    #[test]
    fn a_file_that_is_no_sdl_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let read = |bytes: &[u8]| {
            let path = folder.path().join("a.graphql");
            fs::write(&path, bytes).unwrap();
            Sdl::read(&path).err().map(|error| error.to_string())
        };
        assert_eq!(read(b"type Query { a: Int }"), None);
        assert!(read(b"type Query {\n # \xff").unwrap().ends_with(":2:4: the text is not UTF-8"));
        let large = " ".repeat(usize::try_from(MEBIBYTES_MAX << 20).unwrap());
        assert!(read(format!("{large} ").as_bytes()).unwrap().contains("larger than 4 MiB"));
        let missing = Sdl::read(&folder.path().join("missing")).err().unwrap();
        assert!(missing.to_string().ends_with("missing cannot be read"));
        assert!(Sdl::read(folder.path()).is_err());
    }
}
