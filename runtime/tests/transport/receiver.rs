//! A receiver that does with each request what it is told, and remembers it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Queue, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is done with a request.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    /// An answer: status, headers, body.
    Answers(&'static str, Vec<String>, Vec<u8>),
    /// What is no HTTP.
    Says(Vec<u8>),
    /// The connection is closed before all of the request is read.
    Hangs,
    /// Promises more than it sends, and closes.
    BreaksOff(&'static str),
    /// Nothing, for so long; then it closes.
    Sleeps(Duration),
    /// A good answer, one byte in a while.
    Trickles(Duration),
    /// A good answer that never ends.
    Floods,
}

impl Manner {
    pub(crate) fn takes() -> Self {
        Self::Answers("200 OK", Vec::new(), Vec::new())
    }

    pub(crate) fn status(status: &'static str) -> Self {
        Self::Answers(status, Vec::new(), Vec::new())
    }

    pub(crate) fn header(status: &'static str, header: &str) -> Self {
        Self::Answers(status, vec![header.to_owned()], Vec::new())
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// In small letters.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// What a connection is to the receiver: a socket, or TLS on one.
pub(crate) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

type Accept = Arc<dyn Fn(TcpStream) -> Option<Box<dyn Stream>> + Send + Sync>;

/// Listens until it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Queue<Request>,
    _gone: Sender<()>,
}

/// The manners, in turn; the last one for good.
pub(crate) fn receiver(manners: impl IntoIterator<Item = Manner>) -> Receiver {
    on(TcpListener::bind("127.0.0.1:0").unwrap(), manners, Arc::new(|stream| Some(Box::new(stream) as _)))
}

pub(crate) fn receiver_at(address: SocketAddr, manners: impl IntoIterator<Item = Manner>) -> Receiver {
    on(TcpListener::bind(address).unwrap(), manners, Arc::new(|stream| Some(Box::new(stream) as _)))
}

pub(crate) fn on(
    listener: TcpListener,
    manners: impl IntoIterator<Item = Manner>,
    accept: Accept,
) -> Receiver {
    let address = listener.local_addr().unwrap();
    let manners = Arc::new(Mutex::new(manners.into_iter().collect::<Vec<_>>()));
    let (came, requests) = channel();
    let (gone, is_gone) = channel::<()>();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        while is_gone.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
            let Ok((stream, _)) = listener.accept() else {
                std::thread::sleep(Duration::from_millis(2));
                continue;
            };
            stream.set_nonblocking(false).unwrap();
            let (manners, came, accept) = (Arc::clone(&manners), came.clone(), Arc::clone(&accept));
            std::thread::spawn(move || {
                if let Some(stream) = accept(stream) {
                    // Whoever goes, goes.
                    let _ = serve(stream, &manners, &came);
                }
            });
        }
    });
    Receiver { address, requests, _gone: gone }
}

fn serve(
    stream: Box<dyn Stream>,
    manners: &Mutex<Vec<Manner>>,
    came: &Sender<Request>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let head = head.to_lowercase();
        let manner = {
            let mut manners = manners.lock().unwrap();
            if manners.len() > 1 { manners.remove(0) } else { manners[0].clone() }
        };
        if matches!(manner, Manner::Hangs) {
            let _ = came.send(Request { head, body: Vec::new() });
            return Ok(());
        }
        // What is no HTTP of this version has none.
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body)?;
        let _ = came.send(Request { head, body });
        let out = stream.get_mut();
        match manner {
            Manner::Answers(status, headers, body) => {
                let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
                let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
                out.write_all(&[head.into_bytes(), body].concat())?;
                out.flush()?;
            }
            Manner::Says(bytes) => return out.write_all(&bytes),
            Manner::Hangs => return Ok(()),
            Manner::BreaksOff(status) => {
                return write!(out, "HTTP/1.1 {status}\r\ncontent-length: 100\r\n\r\nhalf of it");
            }
            Manner::Sleeps(time) => {
                std::thread::sleep(time);
                return Ok(());
            }
            Manner::Trickles(pause) => {
                for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" {
                    out.write_all(&[*byte])?;
                    out.flush()?;
                    std::thread::sleep(pause);
                }
            }
            Manner::Floods => {
                write!(out, "HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n")?;
                loop {
                    out.write_all(&[b'x'; 65_536])?;
                }
            }
        }
    }
}
