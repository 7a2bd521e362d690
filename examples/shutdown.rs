//! A service that is asked to end, as Kubernetes asks: it takes no more requests, finishes those it has, and loses no span.
//!
//! `cargo run --example shutdown`, and then `kill -TERM` it or press Ctrl-C
//!
//! The guard lives in `main` for as long as requests do, and is dropped after them. Who ends with `std::process::exit` drops
//! nothing, and loses what waits.

use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use traced::traced;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tracing = traced::init("shop")?;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("http://{}/", listener.local_addr()?);

    let router = Router::new().route("/", get(front));
    axum::serve(listener, router).with_graceful_shutdown(asked_to_end()).await?;

    // Without this line, dropping the guard does the same and waits five seconds at most.
    tracing.shutdown(Duration::from_secs(10))?;
    Ok(())
}

#[traced(name = "GET /", kind = server, attr("http.route" = "/"))]
async fn front() -> &'static str {
    tokio::time::sleep(Duration::from_millis(200)).await;
    "welcome\n"
}

#[cfg(unix)]
async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};

    // Who cannot listen for the signal is ended by it at once, as ever.
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(not(unix))]
async fn asked_to_end() {
    let _ = tokio::signal::ctrl_c().await;
}
