//! Rows of a quick read, column by column, and what is made of them.

use chrono::{DateTime, Utc};
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, Type, ValueRef};
use uuid::Uuid;

use super::access::{OrganizationRole, Role, TokenMode};
use super::rfc3339;

/// A row, read column by column in the order of its projection's fields.
pub struct Columns<'a> {
    row: &'a Row<'a>,
    next: usize,
}

impl<'a> Columns<'a> {
    /// From the first one on.
    #[must_use]
    pub fn of(row: &'a Row<'a>) -> Self {
        Self { row, next: 0 }
    }

    fn take<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        let value = self.row.get(self.next)?;
        self.next += 1;
        Ok(value)
    }

    /// The next column, by what its text says.
    pub fn parse<T>(&mut self, parse: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
        let text = self.row.get_ref(self.next)?.as_str()?;
        let unreadable = || {
            let cause = Box::new(FromSqlError::InvalidType);
            rusqlite::Error::FromSqlConversionFailure(self.next, Type::Text, cause)
        };
        let value = parse(text).ok_or_else(unreadable)?;
        self.next += 1;
        Ok(value)
    }
}

/// What can be read from one or more columns.
pub trait FromColumns: Sized {
    /// Reads as many columns as it consists of.
    fn read(columns: &mut Columns<'_>) -> rusqlite::Result<Self>;
}

macro_rules! plain {
    ($($type:ty),*) => {$(
        impl FromColumns for $type {
            fn read(columns: &mut Columns<'_>) -> rusqlite::Result<Self> {
                columns.take()
            }
        }
    )*};
}

plain!(bool, i32, i64, String, Uuid, Vec<u8>);

macro_rules! named {
    ($($type:ty),*) => {$(
        impl FromColumns for $type {
            fn read(columns: &mut Columns<'_>) -> rusqlite::Result<Self> {
                columns.parse(|name| name.parse().ok())
            }
        }
    )*};
}

named!(Role, OrganizationRole, TokenMode);

impl FromColumns for DateTime<Utc> {
    fn read(columns: &mut Columns<'_>) -> rusqlite::Result<Self> {
        columns.parse(rfc3339::parse)
    }
}

/// Of a single column.
impl<T: FromColumns> FromColumns for Option<T> {
    fn read(columns: &mut Columns<'_>) -> rusqlite::Result<Self> {
        if columns.row.get_ref(columns.next)? == ValueRef::Null {
            columns.next += 1;
            return Ok(None);
        }
        T::read(columns).map(Some)
    }
}

/// Reads a projection by its fields, which stand here in the order they are declared in: that is the
/// order of its columns.
#[macro_export]
macro_rules! read_by_fields {
    ($type:ident { $($field:ident),* $(,)? }) => {
        impl $crate::columns::FromColumns for $type {
            fn read(columns: &mut $crate::columns::Columns<'_>) -> $crate::rusqlite::Result<Self> {
                Ok(Self { $($field: $crate::columns::FromColumns::read(columns)?),* })
            }
        }
    };
}
