//! How faults look where nobody has formatted them: as they are said.
//!
//! A `main` that returns an error prints its `Debug`, and so does `unwrap`; whoever reads that looks for what to do about it,
//! and not for the names of our fields. What the faults are is their own modules'.

/// Makes `{:?}` of these types what `{}` is.
macro_rules! debug_as_display {
    ($($fault:ty),+ $(,)?) => {$(
        impl std::fmt::Debug for $fault {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    )+};
}

pub(crate) use debug_as_display;

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};

    use crate::memory::Query;
    use crate::propagation::Propagator;
    use crate::{EnvironmentFault, ExportError, SetupError};

    #[test]
    fn a_fault_that_is_unwrapped_says_what_is_to_be_done() {
        #[track_caller]
        fn says(fault: &(impl Debug + Display), expected: &str) {
            let said = [format!("{fault:?}"), format!("{fault:#?}"), fault.to_string()];
            assert!(said.iter().all(|said| said.contains(expected)), "{said:?}");
            assert!(said.iter().all(|other| *other == said[0]), "{said:?}");
        }
        let ratio = EnvironmentFault {
            variable: "TRACING_SAMPLE_RATE",
            value: "2".to_owned(),
            reason: "expected a number from 0 to 1".to_owned(),
        };
        let said = "`TRACING_SAMPLE_RATE` is `2`; expected a number from 0 to 1";
        says(&ratio, said);
        says(&SetupError::Environment(vec![ratio]), said);
        says(&SetupError::AlreadyInstalled, "tracing is set up already");
        says(&ExportError::TimedOut { waiting: 7 }, "7 spans are waiting");
        let filter = crate::filter::Filter::read("orders=maybe").unwrap_err();
        says(&filter, "expected `on` or `off` behind the `=`");
        says(&SetupError::Filter(filter), "expected `on` or `off` behind the `=`");
        says(&"nonsense".parse::<Propagator>().unwrap_err(), "expected one of `tracecontext`");
        says(&"limit=none".parse::<Query>().unwrap_err(), "`limit`");
        #[cfg(feature = "otlp")]
        says(&crate::otlp::Otlp::http("nowhere").build().unwrap_err(), "the address `nowhere`");
    }
}
