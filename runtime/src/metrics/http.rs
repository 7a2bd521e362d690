//! As much of HTTP as a scrape needs, on one thread: a request's first line in, one answer out, and the connection ends.
//!
//! Whoever connects may be slow, silent, talk nonsense or come ten thousand times at once: there is a limit on how many are
//! served together, on what each may send and on its time, and where there is no room it is made by those who have not
//! asked for anything yet. Knows nothing of metrics.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use opentelemetry::Context;

use crate::value::survive;

/// How many connections are served at once.
const MOST: usize = 32;
/// How long one may take, from the first byte to the last.
const TIME: Duration = Duration::from_secs(10);
/// How long a request may be, and how much more is read, and thrown away, from somebody who goes on.
const LONGEST: usize = 8 << 10;
const THROWN_AWAY: usize = 256 << 10;
/// When a listener is asked again that could not accept.
const AGAIN: Duration = Duration::from_millis(100);
/// How long an end waits for the thread.
const PATIENCE: Duration = Duration::from_secs(1);

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);

/// What is answered on a path; `None` where there is nothing.
pub(super) type Answer = Box<dyn Fn(&str) -> Option<Text> + Send>;

/// A text that many may be sent at once.
pub(super) type Text = Arc<[u8]>;

/// A thread that answers. Dropping it closes the port.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    stop: Arc<AtomicBool>,
    waker: Waker,
    over: Receiver<()>,
}

impl Server {
    pub(super) fn start(addresses: impl ToSocketAddrs, answer: Answer) -> io::Result<Self> {
        // The standard library tries one address after the other.
        let listener = std::net::TcpListener::bind(addresses)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let mut listener = TcpListener::from_std(listener);
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (ended, over) = channel();
        let mut work = Work {
            poll,
            listener,
            answer,
            stop: Arc::clone(&stop),
            connections: BTreeMap::new(),
            next: WAKER.0 + 1,
            backlog: Backlog::More,
        };
        std::thread::Builder::new().name("traced-metrics".to_owned()).spawn(move || {
            // What is asked for here must not be traced in its turn.
            let _quiet = Context::enter_telemetry_suppressed_scope();
            work.run();
            drop(work);
            drop(ended);
        })?;
        Ok(Self { address, stop, waker, over })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = self.waker.wake();
        // The answer is the end of the channel. Whoever answers may take longer, and is not waited for.
        let _ = self.over.recv_timeout(PATIENCE);
    }
}

struct Work {
    poll: Poll,
    listener: TcpListener,
    answer: Answer,
    stop: Arc<AtomicBool>,
    /// By age.
    connections: BTreeMap<usize, Connection>,
    next: usize,
    backlog: Backlog,
}

/// Who waits at the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backlog {
    Nobody,
    /// Perhaps more than were taken.
    More,
    /// They could not be taken, and nobody will tell when they can.
    Stuck,
}

impl Work {
    fn run(&mut self) {
        let mut events = Events::with_capacity(2 * MOST);
        while !self.stop.load(Ordering::Acquire) {
            let oldest = self.connections.values().next();
            let wait = match self.backlog {
                Backlog::Nobody => {
                    oldest.map(|oldest| oldest.until.saturating_duration_since(Instant::now()))
                }
                Backlog::More => Some(Duration::ZERO),
                Backlog::Stuck => Some(AGAIN),
            };
            match self.poll.poll(&mut events, wait) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return,
            }
            for event in &events {
                match event.token() {
                    WAKER => {}
                    LISTENER => self.backlog = Backlog::More,
                    Token(number) => self.go(number),
                }
            }
            if self.backlog != Backlog::Nobody {
                self.backlog = self.accept();
            }
            let now = Instant::now();
            self.connections.retain(|_, connection| connection.until > now);
        }
    }

    /// Takes as many as are there, but not without looking after those who are in.
    fn accept(&mut self) -> Backlog {
        for _ in 0..MOST {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    self.make_room();
                    let number = self.next;
                    self.next += 1;
                    let both = Interest::READABLE | Interest::WRITABLE;
                    if self.poll.registry().register(&mut stream, Token(number), both).is_ok() {
                        self.connections.insert(number, Connection::new(stream));
                        self.go(number);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Backlog::Nobody,
                Err(error)
                    if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                // Such as too many open files.
                Err(_) => return Backlog::Stuck,
            }
        }
        Backlog::More
    }

    /// Whoever has not asked goes first, the oldest of them; else the oldest.
    fn make_room(&mut self) {
        if self.connections.len() < MOST {
            return;
        }
        let silent = self.connections.iter().find(|(_, connection)| connection.answer.is_none());
        let goes = silent.or_else(|| self.connections.iter().next()).map(|(number, _)| *number);
        goes.map(|number| self.connections.remove(&number));
    }

    fn go(&mut self, number: usize) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        if connection.go(&self.answer).is_none() {
            self.connections.remove(&number);
        }
    }
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Option<Response>,
    thrown_away: usize,
    /// Whether the other side has said all it will.
    is_heard: bool,
    until: Instant,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        let until = Instant::now() + TIME;
        Self { stream, request: Vec::new(), answer: None, thrown_away: 0, is_heard: false, until }
    }

    /// Goes on as far as it can; `None` when it is over.
    fn go(&mut self, answer: &Answer) -> Option<()> {
        if self.answer.is_none() {
            self.read()?;
            let Some(response) = self.respond(answer) else { return (!self.is_heard).then_some(()) };
            self.answer = Some(response);
            self.request = Vec::new();
        }
        if let Some(response) = &mut self.answer
            && !response.is_sent
        {
            while let Some(rest) = response.rest() {
                match self.stream.write(rest) {
                    Ok(0) => return None,
                    Ok(count) => response.sent += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(()),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => return None,
                }
            }
            response.is_sent = true;
            // Closed while the other side still sends, the answer might not arrive.
            self.stream.shutdown(Shutdown::Write).ok()?;
        }
        self.read()?;
        (!self.is_heard).then_some(())
    }

    /// Reads what there is; `None` from somebody who sends too much, or is gone.
    fn read(&mut self) -> Option<()> {
        let mut bytes = [0; 4096];
        while !self.is_heard {
            match self.stream.read(&mut bytes) {
                Ok(0) => self.is_heard = true,
                Ok(count) if self.answer.is_none() && self.request.len() <= LONGEST => {
                    self.request.extend_from_slice(&bytes[..count]);
                }
                Ok(count) => {
                    self.thrown_away += count;
                    if self.thrown_away > THROWN_AWAY {
                        return None;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        Some(())
    }

    /// The answer to a request that is whole.
    fn respond(&self, answer: &Answer) -> Option<Response> {
        let ends = |end: &[u8]| self.request.windows(end.len()).any(|window| window == end);
        if ends(b"\r\n\r\n") || ends(b"\n\n") {
            return Some(respond(&self.request, answer));
        }
        (self.request.len() > LONGEST)
            .then(|| plain("431 Request Header Fields Too Large", "", "the request is too long\n"))
    }
}

/// What is sent.
struct Response {
    head: Vec<u8>,
    body: Text,
    sent: usize,
    is_sent: bool,
}

impl Response {
    fn new(status: &str, headers: &str, kind: &str, body: Text) -> Self {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n"
        );
        Self { head: head.into_bytes(), body, sent: 0, is_sent: false }
    }

    /// What is still to be sent, as far as it lies together.
    fn rest(&self) -> Option<&[u8]> {
        let rest = match self.sent.checked_sub(self.head.len()) {
            None => &self.head[self.sent..],
            Some(of_body) => &self.body[of_body..],
        };
        (!rest.is_empty()).then_some(rest)
    }
}

fn respond(request: &[u8], answer: &Answer) -> Response {
    let line = request.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = str::from_utf8(line).unwrap_or_default().trim_end_matches('\r');
    let mut words = line.split(' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    let (Some(method), Some(target), Some("HTTP/1.0" | "HTTP/1.1"), None) =
        (method, target, version, words.next())
    else {
        return plain("400 Bad Request", "", "this is no HTTP request\n");
    };
    if !["GET", "HEAD"].contains(&method) {
        return plain("405 Method Not Allowed", "Allow: GET, HEAD\r\n", "only GET and HEAD are answered\n");
    }
    let path = target.split('?').next().unwrap_or_default();
    let mut response = match survive(|| answer(path)) {
        Some(Some(text)) => Response::new("200 OK", "", "text/plain; version=0.0.4; charset=utf-8", text),
        Some(None) => plain("404 Not Found", "", "nothing is here; metrics are at /metrics\n"),
        None => plain("500 Internal Server Error", "", "a metric's callback panicked\n"),
    };
    if method == "HEAD" {
        response.body = Text::default();
    }
    response
}

fn plain(status: &str, headers: &str, text: &str) -> Response {
    Response::new(status, headers, "text/plain; charset=utf-8", text.as_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(request: &[u8]) -> String {
        let answer: Answer = Box::new(|path| match path {
            "/metrics" => Some(b"one 1\n"[..].into()),
            "/panics" => panic!("on purpose"),
            _ => None,
        });
        let response = respond(request, &answer);
        String::from_utf8([&response.head[..], &response.body].concat()).unwrap()
    }

    #[test]
    fn an_answer_says_what_it_is_and_how_long() {
        assert_eq!(
            answered(b"GET /metrics?name[]=one HTTP/1.1\r\nHost: x\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: 6\r\n\
             Connection: close\r\n\r\none 1\n"
        );
        let head = answered(b"HEAD /metrics HTTP/1.0\r\n\r\n");
        assert!(head.contains("Content-Length: 6\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    }

    #[test]
    fn what_is_not_understood_has_its_number() {
        for (request, number) in [
            (&b"GET / HTTP/1.1\n\n"[..], 404),
            (b"GET /metrics/ HTTP/1.1\r\n\r\n", 404),
            (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
            (b"GET /panics HTTP/1.1\r\n\r\n", 500),
            (b"\r\n\r\n", 400),
            (b"GET /metrics\r\n\r\n", 400),
            (b"GET  /metrics HTTP/1.1\r\n\r\n", 400),
            (b"GET /metrics HTTP/2\r\n\r\n", 400),
            (b"GET /metrics HTTP/1.1 more\r\n\r\n", 400),
            (b"\x16\x03\x01\xff\xfe\n\n", 400),
        ] {
            let answer = answered(request);
            assert!(answer.starts_with(&format!("HTTP/1.1 {number} ")), "{request:?}: {answer}");
        }
    }
}
