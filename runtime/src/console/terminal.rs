//! What the terminal can show: its width, and whether colours are wanted.
//!
//! Environment and terminal are asked through closures, so that the rules can be tested without changing them.

use std::ffi::OsString;
use std::io::{self, IsTerminal};

use terminal_size::{Width, terminal_size_of};

use super::text::Ink;

/// Without a better reason a line may be this long.
const DEFAULT_WIDTH: usize = 100;
/// Room for a trace id, which is never cut. Narrower than this nothing can be read anyway.
const LEAST_WIDTH: usize = 44;
/// No terminal is wider; a larger number is a mistake, and would only make lines of megabytes.
const MOST_WIDTH: usize = 1_000;

/// The page a trace is drawn on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    pub(super) width: usize,
    pub(super) palette: Palette,
}

/// The colours by what they say.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Palette {
    pub(super) plain: Ink,
    /// Names of spans.
    pub(super) name: Ink,
    /// Service and kind.
    pub(super) kind: Ink,
    /// What is there to be found, not to be read: guides, keys, ids.
    pub(super) faint: Ink,
    /// Bars of time.
    pub(super) bar: Ink,
    pub(super) failed: Ink,
    pub(super) failed_name: Ink,
    /// Cancelled spans, and notes on what is missing.
    pub(super) warning: Ink,
}

impl Palette {
    const COLOURED: Self = Self {
        plain: Ink(""),
        name: Ink("\x1b[1m"),
        kind: Ink("\x1b[36m"),
        faint: Ink("\x1b[2m"),
        bar: Ink("\x1b[34m"),
        failed: Ink("\x1b[31m"),
        failed_name: Ink("\x1b[1;31m"),
        warning: Ink("\x1b[33m"),
    };
}

impl Page {
    pub(super) fn new(width: Option<usize>, colour: bool) -> Self {
        let width = width.unwrap_or(DEFAULT_WIDTH).clamp(LEAST_WIDTH, MOST_WIDTH);
        Self { width, palette: if colour { Palette::COLOURED } else { Palette::default() } }
    }

    /// What stderr is now; `width` and `colour` as far as they were said in code.
    pub(super) fn stderr(width: Option<usize>, colour: Option<bool>) -> Self {
        let environment = |name: &str| std::env::var_os(name);
        let terminal = || terminal_size_of(io::stderr()).map(|(Width(columns), _)| columns.into());
        let width = width.or_else(|| columns(environment, terminal));
        let colour = colour.unwrap_or_else(|| wants_colour(environment, io::stderr().is_terminal()));
        Self::new(width, colour)
    }
}

/// The width by `COLUMNS`, else by the terminal.
pub(super) fn columns(
    environment: impl Fn(&str) -> Option<OsString>,
    terminal: impl FnOnce() -> Option<usize>,
) -> Option<usize> {
    let said = environment("COLUMNS").and_then(|value| value.to_str()?.trim().parse().ok());
    said.filter(|&columns| columns > 0).or_else(terminal)
}

/// Whether to colour: `NO_COLOR` forbids, `CLICOLOR_FORCE` and `FORCE_COLOR` force, else the terminal decides.
pub(super) fn wants_colour(environment: impl Fn(&str) -> Option<OsString>, is_terminal: bool) -> bool {
    let said = |name: &str| environment(name).filter(|value| !value.is_empty());
    let forced = |name: &str| said(name).is_some_and(|value| value != "0" && value != "false");
    if said("NO_COLOR").is_some() {
        return false;
    }
    if forced("CLICOLOR_FORCE") || forced("FORCE_COLOR") {
        return true;
    }
    is_terminal && said("TERM").is_none_or(|term| term != "dumb")
}
