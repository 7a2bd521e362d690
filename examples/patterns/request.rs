//! A request has one span at its root; whatever serves it hangs below.
//!
//! `cargo run --example request`
//!
//! The root is of kind `server`, is named after the route and not after the address, and carries what the protocol says. Who
//! calls is in the headers: `parent = …` continues the caller's trace, or begins one where there is none.

use std::collections::HashMap;

use traced::traced;

struct Request {
    method: &'static str,
    path: String,
    headers: HashMap<String, String>,
}

#[traced(
    name = "GET /users/{id}",
    kind = server,
    parent = request.headers,
    attr("http.request.method" = request.method, "http.route" = "/users/{id}", "url.path" = request.path),
    ret(status => "http.response.status_code" = status)
)]
fn get_user(request: &Request) -> u16 {
    let Some(id) = request.path.strip_prefix("/users/").and_then(|id| id.parse().ok()) else { return 400 };
    if find_user(id).is_some() { 200 } else { 404 }
}

#[traced(kind = client, attr("db.system.name" = "postgresql", "db.operation.name" = "SELECT", "user.id" = id))]
fn find_user(id: u64) -> Option<&'static str> {
    (id == 7).then_some("ada")
}

fn main() -> Result<(), traced::SetupError> {
    let _tracing = traced::init("users")?;
    let caller = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    for (path, headers) in [("/users/7", vec![caller]), ("/users/8", vec![]), ("/users/me", vec![])] {
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        println!("{path}: {}", get_user(&Request { method: "GET", path: path.to_owned(), headers }));
    }
    Ok(())
}

#[test]
fn the_root_is_the_callers_child_and_says_how_it_ended() {
    let headers = HashMap::from([(
        "traceparent".to_owned(),
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
    )]);
    let request = Request { method: "GET", path: "/users/7".to_owned(), headers };
    let (status, trace) = traced::testing::capture(|| get_user(&request));
    assert_eq!(status, 200);
    assert_eq!(
        trace.to_string(),
        r#"GET /users/{id} (server) under a remote parent
│   http.request.method: str = "GET"
│   http.route: str = "/users/{id}"
│   url.path: str = "/users/7"
│   http.response.status_code: i64 = 200
└── find_user (client)
        db.system.name: str = "postgresql"
        db.operation.name: str = "SELECT"
        user.id: i64 = 7
"#
    );
}
