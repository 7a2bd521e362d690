//! Two processes and real HTTP between them: one trace.
//!
//! `cargo run --example two_services`
//!
//! The shop starts the warehouse as a second process, asks it over HTTP, and sends the trace along in the headers; each process
//! prints its own part, and both parts have the same trace id. Here the caller sends with ureq and the other side serves with
//! axum: whatever has a header map goes.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use traced::traced;

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    if std::env::args().nth(1).as_deref() == Some("warehouse") {
        return warehouse();
    }
    let _tracing = traced::init("shop")?;
    let warehouse = Warehouse::start()?;
    println!("tea: {}", order(&warehouse, "tea")?);
    println!("moon: {}", order(&warehouse, "moon").expect_err("nobody has a moon"));
    Ok(())
}

#[traced(name = "POST /orders", kind = server, attr(item))]
fn order(warehouse: &Warehouse, item: &str) -> Result<u32, String> {
    stock(warehouse.address, item)
}

#[traced(
    name = "GET /stock/{item}",
    kind = client,
    attr("http.request.method" = "GET", "server.address" = %address.ip(), "server.port" = address.port())
)]
fn stock(address: SocketAddr, item: &str) -> Result<u32, String> {
    let mut request = ureq::get(format!("http://{address}/stock/{item}"));
    traced::inject(request.headers_mut().ok_or("no such address")?);
    let mut answer = request.call().map_err(|error| error.to_string())?;
    traced::set!("http.response.status_code" = answer.status().as_u16());
    let text = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

/// The other process, ended with this one.
struct Warehouse {
    child: Child,
    address: SocketAddr,
}

impl Warehouse {
    fn start() -> Result<Self, Error> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg("warehouse").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        Ok(Self { child, address: line.trim().parse()? })
    }
}

impl Drop for Warehouse {
    fn drop(&mut self) {
        // The end of its input is the end of its work: it prints its part, and goes.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn warehouse() -> Result<(), Error> {
    let _tracing = traced::init("warehouse")?;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?);
    let router = Router::new().route("/stock/{item}", get(get_stock));
    axum::serve(listener, router).with_graceful_shutdown(end_of_input()).await?;
    Ok(())
}

async fn end_of_input() {
    let read = || std::io::stdin().read_line(&mut String::new());
    let _ = tokio::task::spawn_blocking(read).await;
}

#[traced(
    name = "GET /stock/{item}",
    kind = server,
    parent = headers,
    attr(item, "http.request.method" = "GET", "http.route" = "/stock/{item}"),
    ret(answer => "http.response.status_code" = answer.0.as_u16())
)]
async fn get_stock(headers: HeaderMap, Path(item): Path<String>) -> (StatusCode, String) {
    match count(&item).await {
        Some(count) => (StatusCode::OK, count.to_string()),
        None => (StatusCode::NOT_FOUND, format!("there is no {item}")),
    }
}

#[traced(attr(item))]
async fn count(item: &str) -> Option<u32> {
    (item == "tea").then_some(12)
}

#[tokio::test]
async fn what_the_caller_sends_is_what_the_other_side_continues() {
    let (headers, caller) = traced::testing::capture(|| {
        let mut headers = HeaderMap::new();
        traced::span!("call").run(|| traced::inject(&mut headers));
        headers
    });
    let (answer, trace) = traced::testing::capture(get_stock(headers, Path("tea".to_owned()))).await;
    assert_eq!(answer, (StatusCode::OK, "12".to_owned()));
    let (caller, served) = (caller.span("call"), trace.span("GET /stock/{item}"));
    assert_eq!(served.trace_id(), caller.trace_id());
    assert_eq!(served.data().parent_span_id, caller.span_id());
}
