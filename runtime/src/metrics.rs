//! Metrics from spans: request rate, errors and duration of every traced function, and what became of the spans.
//!
//! [`SpanMetrics`] is an exporter that counts and measures what passes; [`Tracing::observe`](crate::Tracing::observe) tells
//! what [`stats`](crate::Tracing::stats) tells. Both speak to any meter of OpenTelemetry's. With the feature `prometheus`,
//! [`serve`] is a meter with an endpoint that Prometheus reads; `docs/prometheus/alerts.yml` has rules for what it prints.

#[cfg(feature = "prometheus")]
mod endpoint;
mod health;
#[cfg(feature = "prometheus")]
mod http;
mod spans;

#[cfg(feature = "prometheus")]
pub use endpoint::{Endpoint, serve};
pub(crate) use health::observe;
pub use spans::SpanMetrics;
