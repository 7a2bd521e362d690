//! Where a receiver is, asked once and not for every request.
//!
//! `ureq` looks a name up before it looks for a connection that it has, and on a thread of its own for each, to be able to
//! give up. What was found serves until spans are not taken there, and for a minute at most: who waits for them may move.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// How long an answer serves.
const SERVES: Duration = Duration::from_secs(60);

/// The addresses of the one place that an exporter sends to.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(Arc<Mutex<Option<Found>>>);

#[derive(Debug)]
struct Found {
    addresses: ResolvedSocketAddrs,
    at: Instant,
}

impl Names {
    /// Asks again for the next request.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn known(&self) -> Option<ResolvedSocketAddrs> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Found { addresses, at } = found.as_ref()?;
        (at.elapsed() < SERVES).then(|| addresses.clone())
    }
}

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        if let Some(addresses) = self.known() {
            return Ok(addresses);
        }
        let addresses = DefaultResolver::default().resolve(uri, config, timeout)?;
        let found = Found { addresses: addresses.clone(), at: Instant::now() };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_asked_once_until_a_request_fails() {
        let names = Names::default();
        let resolve = |uri: &'static str| {
            names.resolve(&Uri::from_static(uri), &Config::default(), NextTimeout::default()).unwrap()[0]
                .port()
        };
        // What was found is given whatever is asked: an exporter has one place.
        assert_eq!([resolve("http://127.0.0.1:1"), resolve("http://127.0.0.1:2")], [1, 1]);
        names.forget();
        assert_eq!(resolve("http://127.0.0.1:2"), 2);
    }
}
