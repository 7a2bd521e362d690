//! Why a set-up cannot be made, and why spans have not been handed over.

use std::fmt;

use super::environment::EnvironmentFault;
use crate::fault::debug_as_display;
use crate::filter::ControlFault;

debug_as_display!(SetupError, ExportError);

/// Why a set-up cannot be made.
///
/// Its `Debug` is its `Display`: a `main` that returns it says what is wrong and what to do, and not how it is built.
#[non_exhaustive]
pub enum SetupError {
    /// Another set-up is in force.
    AlreadyInstalled,
    /// The thread that hands spans to an exporter could not be started.
    NoThread(std::io::Error),
    /// Variables of the environment have values that cannot be heeded; see [`Builder::read_environment`](crate::Builder::read_environment).
    Environment(Vec<EnvironmentFault>),
    /// The [filter](crate::Builder::filter) cannot be read.
    Filter(ControlFault),
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyInstalled => f.write_str(
                "tracing is set up already; keep one `traced::init` or `install`, or shut the first down before the second",
            ),
            Self::NoThread(error) => write!(f, "the exporter's thread could not be started: {error}"),
            Self::Filter(fault) => write!(f, "the filter cannot be read: {fault}"),
            Self::Environment(faults) => {
                f.write_str("the environment says what cannot be done:")?;
                let between = if faults.len() > 1 { "\n    " } else { " " };
                for fault in faults {
                    write!(f, "{between}{fault}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for SetupError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::AlreadyInstalled | Self::Environment(_) => None,
            Self::NoThread(error) => Some(error),
            Self::Filter(fault) => Some(fault),
        }
    }
}

/// Why spans have not been handed over. Its `Debug` is its `Display`.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportError {
    /// Exporters failed since the last flush; the text is the first failure's.
    Failed {
        /// How many spans were lost by it.
        spans: u64,
        /// What the exporter said.
        reason: String,
    },
    /// An exporter could not hand spans over; they are kept, and tried again.
    Kept {
        /// How many spans are waiting for it.
        waiting: u64,
        /// What the exporter said.
        reason: String,
    },
    /// Exporters were not done in time.
    TimedOut {
        /// How many spans are still waiting.
        waiting: u64,
    },
    /// This process was forked from the one that was set up, and the threads that export are not in it.
    Forked,
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { spans, reason } => write!(f, "{spans} spans were not exported: {reason}"),
            Self::Kept { waiting, reason } => {
                write!(f, "{waiting} spans are waiting to be tried again: {reason}")
            }
            Self::TimedOut { waiting } => {
                write!(f, "the exporters were not done in time; {waiting} spans are waiting")
            }
            Self::Forked => f.write_str(
                "this process was forked after the set-up, and a fork takes no exporter along; set up in the child",
            ),
        }
    }
}

impl std::error::Error for ExportError {}
