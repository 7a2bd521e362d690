//! HTTP, and what its answers mean.

use std::io::{ErrorKind, Read as _};
use std::time::{Duration, SystemTime};

use ureq::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body};

use super::names::Names;
use super::{AGENT, Address, Content, Format, Misconfigured, Options, taken};
use crate::export::Sent;
use crate::setup::clean;

/// What is read of an answer; who says more is not listened to.
const LONGEST_ANSWER: u64 = 64 << 10;

/// A place that takes spans.
pub(super) struct Http {
    agent: Agent,
    names: Names,
    url: String,
    headers: HeaderMap,
    timeout: Duration,
    hint: Hint,
}

/// What to say where HTTP is not spoken.
struct Hint {
    text: &'static str,
    /// Whether the port alone makes one think so.
    is_likely: bool,
}

impl Http {
    pub(super) fn new(
        address: &Address,
        options: &Options,
        content: Content,
        hint: &'static str,
    ) -> Result<Self, Misconfigured> {
        let mut headers = HeaderMap::new();
        for (name, value) in options.headers(address) {
            let (Ok(name), Ok(mut value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) else {
                return Err(Misconfigured(format!("the header `{}` cannot be sent", clean(name))));
            };
            value.set_sensitive(true);
            headers.append(name, value);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content.name()));
        if options.gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let config = Agent::config_builder()
            .timeout_global(Some(options.patience()))
            .http_status_as_error(false)
            // Spans, and keys, go where one was told to send them, and nowhere else.
            .max_redirects(0)
            .max_redirects_will_error(false)
            // It would be asked for by the environment, whoever set up, and for loopback as well.
            .proxy(None)
            .user_agent(AGENT);
        #[cfg(feature = "tls")]
        let config = if address.is_encrypted {
            config.tls_config(options.tls.clone().unwrap_or_default().config()?)
        } else {
            config
        };
        let hint = Hint { text: hint, is_likely: address.port == Some(4317) };
        let names = Names::default();
        Ok(Self {
            agent: Agent::with_parts(config.build(), DefaultConnector::new(), names.clone()),
            names,
            url: address.url(),
            headers,
            timeout: options.patience(),
            hint,
        })
    }

    pub(super) fn send(&self, body: &[u8], limit: Duration, format: &dyn Format) -> Sent {
        let mut request = self.agent.post(&self.url);
        if let Some(headers) = request.headers_mut() {
            headers.clone_from(&self.headers);
        }
        if limit < self.timeout {
            request = request.config().timeout_global(Some(limit)).build();
        }
        let sent = match request.send(body) {
            Ok(answer) => read(answer, format),
            Err(error) => failed(&error, limit, &self.hint),
        };
        if !matches!(sent, Sent::Taken | Sent::Partly { .. }) {
            // It may be somewhere else by now.
            self.names.forget();
        }
        sent
    }
}

fn read(answer: Response<Body>, format: &dyn Format) -> Sent {
    let status = answer.status();
    let after = answer.headers().get(header::RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?));
    let elsewhere = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let elsewhere = elsewhere.map(Address::shown);
    let is_html = |kind: &HeaderValue| kind.as_bytes().to_ascii_lowercase().starts_with(b"text/html");
    let is_html = answer.headers().get(header::CONTENT_TYPE).is_some_and(is_html);
    let mut body = Vec::new();
    // Whether it was taken is told before the body: one that breaks off tells no more.
    let is_whole = answer.into_body().into_reader().take(LONGEST_ANSWER).read_to_end(&mut body).is_ok();
    // A user interface, a login, a gateway: whatever it is, nobody has kept the spans.
    let is_page = is_html && !body.is_empty();
    match status.as_u16() {
        200..300 if is_page => Sent::Refused(format!(
            "answered {status} with a page of HTML, as no receiver of spans does; give the address that takes them"
        )),
        200..300 if is_whole => taken(format.partial(&body)),
        200..300 => Sent::Taken,
        429 | 502..=504 => Sent::Again { reason: said(status, &body), after },
        300..400 => {
            let elsewhere = elsewhere.map(|place| format!(" to `{place}`")).unwrap_or_default();
            Sent::Refused(format!("answered {status} and redirects{elsewhere}; give the address itself"))
        }
        _ => Sent::Refused(said(status, &body)),
    }
}

/// A status, with what the receiver has to say to it.
fn said(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    // What is no text would be noise.
    let is_text = !text.is_empty()
        && !text.contains(|c: char| c == '\u{fffd}' || (c.is_control() && !c.is_whitespace()));
    if is_text { format!("answered {status}: {}", clean(text)) } else { format!("answered {status}") }
}

/// A failure without an answer.
fn failed(error: &ureq::Error, limit: Duration, hint: &Hint) -> Sent {
    use ureq::Error;

    match error {
        Error::Timeout(_) => {
            Sent::Again { reason: format!("has not answered within {limit:?}"), after: None }
        }
        Error::Io(error) => {
            let is_cut = matches!(
                error.kind(),
                ErrorKind::ConnectionReset
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::BrokenPipe
                    | ErrorKind::UnexpectedEof
            );
            // A receiver of gRPC may well hang up without a word.
            let hint = if is_cut && hint.is_likely { hint.text } else { "" };
            Sent::Again { reason: format!("cannot be reached: {error}{hint}"), after: None }
        }
        // Names come and go where services do, and certificates are renewed.
        Error::HostNotFound => {
            Sent::Again { reason: "cannot be reached: nobody knows the host".to_owned(), after: None }
        }
        Error::ConnectionFailed | Error::ConnectProxyFailed(_) | Error::Tls(_) => {
            Sent::Again { reason: format!("cannot be reached: {error}"), after: None }
        }
        #[cfg(feature = "tls")]
        Error::Rustls(error) => Sent::Again { reason: format!("cannot be reached: {error}"), after: None },
        Error::RedirectFailed | Error::TooManyRedirects => {
            Sent::Refused("redirects; give the address itself".to_owned())
        }
        _ => {
            let error = clean(&error.to_string());
            Sent::Refused(format!("gave no answer of HTTP's: {error}{}", hint.text))
        }
    }
}

/// How long to wait: seconds, or a date.
fn retry_after(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text.trim()).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_wait_is_seconds_or_a_date() {
        assert_eq!(retry_after("7"), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(30));
        let told = retry_after(&soon).unwrap();
        assert!(told > Duration::from_secs(25) && told <= Duration::from_secs(30), "{told:?}");
        for wrong in ["", "-1", "soon", "1.5"] {
            assert_eq!(retry_after(wrong), None, "{wrong}");
        }
    }
}
