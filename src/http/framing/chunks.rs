//! Where a chunked body ends (RFC 9112, section 7.1), as strictly as hyper reads it.

/// A body in chunks that is coming in, byte by byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chunks {
    part: Part,
    /// Of the chunk whose size is being read, or whose data is coming in.
    left: u64,
}

/// What is next: the parts that hyper's decoder has, by the same names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Start,
    Size,
    SizeLws,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailer,
    TrailerLf,
    EndCr,
    EndLf,
}

/// What some bytes have made of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    More,
    /// The body is over, after this many of the bytes.
    Over(usize),
    /// These are no chunks, and nobody can say where the body ends.
    Broken,
}

impl Chunks {
    pub(super) fn see(&mut self, bytes: &[u8]) -> Progress {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.part == Part::Data {
                at += self.skip(bytes.len() - at);
                continue;
            }
            at += 1;
            match self.next(byte) {
                Some(Part::EndLf) if self.part == Part::EndLf => return Progress::Over(at),
                Some(part) => self.part = part,
                None => return Progress::Broken,
            }
        }
        Progress::More
    }

    /// Passes over data, and says how much of it.
    fn skip(&mut self, available: usize) -> usize {
        let skipped = usize::try_from(self.left).unwrap_or(usize::MAX).min(available);
        self.left -= skipped as u64;
        if self.left == 0 {
            self.part = Part::DataCr;
        }
        skipped
    }

    /// What follows a byte; `EndLf` after `EndLf` is the end, and `None` an error.
    fn next(&mut self, byte: u8) -> Option<Part> {
        Some(match (self.part, byte) {
            (Part::Start, _) => {
                self.left = 0;
                self.add_digit(byte)?
            }
            (Part::Size | Part::SizeLws, b' ' | b'\t') => Part::SizeLws,
            (Part::Size | Part::SizeLws, b';') => Part::Extension,
            (Part::Size | Part::SizeLws | Part::Extension, b'\r') => Part::SizeLf,
            (Part::Size, _) => self.add_digit(byte)?,
            // Behind some of these hyper goes on, where others see the end of a line, or of the body.
            (Part::Extension | Part::EndCr | Part::Trailer, b'\n') => return None,
            (Part::Extension, _) => Part::Extension,
            (Part::SizeLf, b'\n') if self.left == 0 => Part::EndCr,
            (Part::SizeLf, b'\n') => Part::Data,
            (Part::DataCr, b'\r') => Part::DataLf,
            (Part::DataLf, b'\n') => Part::Start,
            (Part::EndCr, b'\r') | (Part::EndLf, b'\n') => Part::EndLf,
            (Part::Trailer, b'\r') => Part::TrailerLf,
            (Part::EndCr | Part::Trailer, _) => Part::Trailer,
            (Part::TrailerLf, b'\n') => Part::EndCr,
            (
                Part::SizeLws
                | Part::SizeLf
                | Part::Data
                | Part::DataCr
                | Part::DataLf
                | Part::TrailerLf
                | Part::EndLf,
                _,
            ) => return None,
        })
    }

    fn add_digit(&mut self, byte: u8) -> Option<Part> {
        let digit = char::from(byte).to_digit(16)?;
        self.left = self.left.checked_mul(16)?.checked_add(digit.into())?;
        Some(Part::Size)
    }
}
