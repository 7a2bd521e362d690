//! An error as a call hands it to its span. What it says is written out only when it is recorded.

use std::error::Error;
use std::fmt::{self, Debug, Display};

/// What `error_if` said of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The call failed, unless the error itself says otherwise.
    Fault,
    /// The error is an answer, not an outage.
    Expected,
}

/// An error.
#[derive(Debug)]
pub struct Failed<'a> {
    /// Its type.
    pub error_type: ErrorType<'a>,
    /// Its text.
    pub message: Message<'a>,
    /// The error underneath.
    pub source: Option<&'a (dyn Error + 'static)>,
}

/// The type of an error: its path, or what it says itself.
#[derive(Debug, Clone, Copy)]
pub enum ErrorType<'a> {
    /// The path of the type.
    Path(&'static str),
    /// What the error says.
    Said(&'a str),
}

/// Where the text of an error comes from.
pub enum Message<'a> {
    /// From its `Display`.
    Display(&'a dyn Display),
    /// From its `Debug`.
    Debug(&'a dyn Debug),
    /// It says this itself.
    Said(String),
    /// It can say nothing; this is its type.
    Path(&'static str),
}

impl Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Display(_) => "Display",
            Self::Debug(_) => "Debug",
            Self::Said(_) => "Said",
            Self::Path(_) => "Path",
        })
    }
}
