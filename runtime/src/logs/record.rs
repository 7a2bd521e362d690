//! Records of `log`, with the ids as key-values.

use log::kv::{Error, Key, Source, Value, VisitSource};
use log::{Log, Metadata, Record};

/// A logger of `log` that hands each record on to another, with `trace_id` and `span_id` as key-values where it is written
/// inside of a span.
///
/// ```no_run
/// let logger = env_logger::Builder::from_default_env().build();
/// log::set_max_level(logger.filter());
/// log::set_boxed_logger(Box::new(traced::logs::Logger::new(logger)))?;
/// # Ok::<(), log::SetLoggerError>(())
/// ```
///
/// How they look is the other logger's affair. `env_logger`, with its feature `kv`, writes
/// `… charged trace_id=0af7651916cd43dd8448eb211c80319c span_id=b7ad6b7169203331`; one that knows no key-values writes what it
/// always has.
#[derive(Debug, Clone)]
pub struct Logger<L>(L);

impl<L: Log> Logger<L> {
    /// Hands on to `logger`.
    pub fn new(logger: L) -> Self {
        Self(logger)
    }
}

impl<L: Log> Log for Logger<L> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        let Some((trace, span)) = super::ids().filter(|_| self.0.enabled(record.metadata())) else {
            return self.0.log(record);
        };
        let (trace, span) = (trace.to_string(), span.to_string());
        let with_ids =
            WithIds { record: record.key_values(), ids: [("trace_id", &trace), ("span_id", &span)] };
        self.0.log(&record.to_builder().key_values(&with_ids).build());
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// The key-values of a record, and behind them the ids.
struct WithIds<'a> {
    record: &'a dyn Source,
    ids: [(&'static str, &'a str); 2],
}

impl Source for WithIds<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), Error> {
        self.record.visit(visitor)?;
        for (key, id) in &self.ids {
            visitor.visit_pair(Key::from_str(key), Value::from(*id))?;
        }
        Ok(())
    }

    fn count(&self) -> usize {
        self.record.count() + self.ids.len()
    }
}
