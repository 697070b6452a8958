//! Cuts a document into tokens, one at a time, and stops at the limits of tokens and nesting.
//!
//! It follows the lexical grammar of the specification (September 2025), section 2.1.

use std::fmt::{self, Display};

use async_graphql::{Number, Pos, Positioned};

use super::{NAME_LENGTH_MAX, NESTING_MAX, Refusal, TOKENS_MAX, at_most, string};

const QUOTES: &str = "\"\"\"";
const BYTE_ORDER_MARK: &str = "\u{feff}";

#[derive(Debug, PartialEq)]
pub(super) enum Token<'a> {
    Punctuator(char),
    /// `...`
    Spread,
    Name(&'a str),
    Number(Number),
    /// The value of a string or of a block string.
    String(String),
    End,
}

impl Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Punctuator(character) => write!(f, "\"{character}\""),
            Self::Spread => f.write_str("\"...\""),
            Self::Name(name) => write!(f, "\"{name}\""),
            Self::Number(_) => f.write_str("a number"),
            Self::String(_) => f.write_str("a string"),
            Self::End => f.write_str("the end of the document"),
        }
    }
}

pub(super) struct Lexer<'a> {
    source: &'a str,
    /// The byte that comes next.
    at: usize,
    /// A byte at or before `at`, and where it stands in the text.
    located: usize,
    pos: Pos,
    tokens: usize,
    nesting: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        let pos = Pos { line: 1, column: 1 };
        Self { source, at: 0, located: 0, pos, tokens: 0, nesting: 0 }
    }

    /// The next token; `End` once there is none.
    pub(super) fn token(&mut self) -> Result<Positioned<Token<'a>>, Refusal> {
        self.skip_ignored();
        let pos = self.locate();
        let Some(first) = self.peek() else { return Ok(Positioned::new(Token::End, pos)) };
        self.tokens += 1;
        at_most("tokens", self.tokens as u64, TOKENS_MAX as u64)?;
        let token = match first {
            b'{' | b'[' | b'(' => {
                self.nesting += 1;
                at_most("nesting", self.nesting as u64, NESTING_MAX as u64)?;
                self.punctuator(first)
            }
            b'}' | b']' | b')' => {
                self.nesting = self.nesting.saturating_sub(1);
                self.punctuator(first)
            }
            b'!' | b'$' | b'&' | b':' | b'=' | b'@' | b'|' => self.punctuator(first),
            b'.' if self.rest().starts_with("...") => {
                self.at += 3;
                Token::Spread
            }
            b'"' if self.rest().starts_with(QUOTES) => Token::String(self.block_string()?),
            b'"' => Token::String(self.string()?),
            b'-' | b'0'..=b'9' => Token::Number(self.number()?),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => self.name()?,
            _ => return Err(self.error(format_args!("unexpected {}", self.found()))),
        };
        Ok(Positioned::new(token, pos))
    }

    fn skip_ignored(&mut self) {
        while let Some(byte) = self.peek() {
            self.at += match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b',' => 1,
                b'#' => self.rest().find(['\r', '\n']).unwrap_or(self.rest().len()),
                _ if self.rest().starts_with(BYTE_ORDER_MARK) => BYTE_ORDER_MARK.len(),
                _ => return,
            };
        }
    }

    fn punctuator(&mut self, byte: u8) -> Token<'a> {
        self.at += 1;
        Token::Punctuator(char::from(byte))
    }

    fn name(&mut self) -> Result<Token<'a>, Refusal> {
        let start = self.at;
        self.skip_while(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
        at_most("nameLength", (self.at - start) as u64, NAME_LENGTH_MAX as u64)?;
        Ok(Token::Name(&self.source[start..self.at]))
    }

    fn number(&mut self) -> Result<Number, Refusal> {
        let start = self.at;
        self.skip(b"-");
        if !self.skip(b"0") {
            self.digits()?;
        }
        if self.skip(b".") {
            self.digits()?;
        }
        if self.skip(b"eE") {
            self.skip(b"+-");
            self.digits()?;
        }
        // `01`, `1.2.3` and `1st` are neither one token nor two.
        if self
            .peek()
            .is_some_and(|byte| matches!(byte, b'.' | b'_') || byte.is_ascii_alphanumeric())
        {
            return Err(self.error(format_args!("unexpected {} in a number", self.found())));
        }
        number(&self.source[start..self.at])
            .ok_or_else(|| syntax_error("the number is too large", self.pos))
    }

    fn digits(&mut self) -> Result<(), Refusal> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.error(format_args!("expected a digit, found {}", self.found())));
        }
        self.skip_while(|byte| byte.is_ascii_digit());
        Ok(())
    }

    fn string(&mut self) -> Result<String, Refusal> {
        let mut value = String::new();
        self.at += 1;
        loop {
            let rest = self.rest();
            let plain = rest.find(['"', '\\', '\r', '\n']).unwrap_or(rest.len());
            value.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => value.push(self.escape()?),
                _ => return Err(syntax_error("the string does not end on its line", self.pos)),
            }
        }
        self.at += 1;
        Ok(value)
    }

    fn escape(&mut self) -> Result<char, Refusal> {
        let Some((value, length)) = string::unescape(self.rest()) else {
            return Err(self.error(
                "invalid escape sequence, expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t, or \\u \
                 with the digits of a Unicode scalar value or of a pair of surrogates",
            ));
        };
        self.at += length;
        Ok(value)
    }

    fn block_string(&mut self) -> Result<String, Refusal> {
        self.at += QUOTES.len();
        let start = self.at;
        while let Some(length) = self.rest().find(QUOTES) {
            let is_escaped = self.rest()[..length].ends_with('\\');
            let end = self.at + length;
            self.at = end + QUOTES.len();
            if !is_escaped {
                return Ok(string::block(&self.source[start..end]));
            }
        }
        Err(syntax_error("the block string does not end", self.pos))
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    /// Skips one byte if it is one of `any`.
    fn skip(&mut self, any: &[u8]) -> bool {
        let is_there = self.peek().is_some_and(|byte| any.contains(&byte));
        self.at += usize::from(is_there);
        is_there
    }

    fn skip_while(&mut self, is_inner: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&is_inner) {
            self.at += 1;
        }
    }

    /// Where the next byte stands. Looks at each character of the text once, however often it is
    /// called.
    fn locate(&mut self) -> Pos {
        let mut characters = self.source[self.located..].char_indices().peekable();
        let length = self.at - self.located;
        while let Some((_, character)) = characters.next_if(|(index, _)| *index < length) {
            match (character, characters.peek()) {
                // `\r\n` ends a line once.
                ('\r', Some((_, '\n'))) => {}
                ('\r' | '\n', _) => self.pos = Pos { line: self.pos.line + 1, column: 1 },
                _ => self.pos.column += 1,
            }
        }
        self.located = self.at;
        self.pos
    }

    /// The next character, for a message.
    fn found(&self) -> String {
        match self.rest().chars().next() {
            Some(found) if found.is_ascii_graphic() => format!("\"{found}\""),
            Some(found) => format!("U+{:04X}", u32::from(found)),
            None => Token::End.to_string(),
        }
    }

    fn error(&mut self, message: impl Display) -> Refusal {
        syntax_error(message, self.locate())
    }
}

pub(super) fn syntax_error(message: impl Display, pos: Pos) -> Refusal {
    Refusal::Parse { message: format!("Syntax error: {message}."), positions: vec![pos] }
}

/// `-0` is an integer, which JSON's numbers would not make of it.
fn number(text: &str) -> Option<Number> {
    let signed = text.parse().map(|number: i64| number.into());
    let integer = signed.or_else(|_| text.parse().map(|number: u64| number.into()));
    integer.ok().or_else(|| Number::from_f64(text.parse().ok()?))
}
