//! The smallest OTLP/HTTP receiver that tells the truth: it decodes every request and counts the spans in it.
//!
//! Runs as a child of `process`: its address is the first line it prints. When its standard input ends, it prints how
//! many spans have come, and ends.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

static SPANS: AtomicUsize = AtomicUsize::new(0);

pub fn run() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(|| serve(stream).unwrap_or_else(|error| eprintln!("receiver: {error}")));
        }
    });
    io::copy(&mut io::stdin(), &mut io::sink())?;
    println!("{}", SPANS.load(Ordering::Relaxed));
    Ok(())
}

/// Answers the requests of one connection until it is closed.
fn serve(stream: TcpStream) -> io::Result<()> {
    let mut answers = stream.try_clone()?;
    let mut requests = BufReader::new(stream);
    while let Some(length) = content_length(&mut requests)? {
        let mut body = vec![0; length];
        requests.read_exact(&mut body)?;
        let request = ExportTraceServiceRequest::decode(body.as_slice())?;
        let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        SPANS.fetch_add(scopes.map(|scope| scope.spans.len()).sum(), Ordering::Relaxed);
        answers.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
        )?;
    }
    Ok(())
}

/// Reads a request's head; `None` at the end of the connection.
fn content_length(requests: &mut impl BufRead) -> io::Result<Option<usize>> {
    let mut length = 0;
    let mut line = String::new();
    while requests.read_line(&mut line)? > 0 {
        if line == "\r\n" {
            return Ok(Some(length));
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        line.clear();
    }
    Ok(None)
}
