use std::time::{Duration, Instant};

use opentelemetry::{Array, KeyValue, Value};
use proptest::prelude::*;

use super::{Scrubber, pattern};

fn shown(text: &str) -> String {
    pattern::clean(text, true).unwrap_or_else(|| text.to_owned())
}

#[test]
fn secrets_in_texts_are_known_by_their_form() {
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
    for (text, expected) in [
        ("Bearer abc123def456", "Bearer [redacted: bearer token]"),
        ("Bearer: abc123def456", "Bearer: [redacted: bearer token]"),
        ("bearer\tabc123def456", "bearer\t[redacted: bearer token]"),
        ("sent bearer mF_9.B5f-4.1JqM, refused", "sent bearer [redacted: bearer token], refused"),
        ("Basic dXNlcjpwYXNz", "Basic [redacted: basic auth]"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic [redacted: authorization]"),
        ("authorization: Bearer hunter", "authorization: Bearer [redacted: authorization]"),
        ("Authorization: Bearer", "Authorization: Bearer"),
        (jwt, "[redacted: jwt]"),
        (&format!("got {jwt}."), "got [redacted: jwt]"),
        ("postgres://app:hunter2@db:5432/shop", "postgres://[redacted: userinfo]@db:5432/shop"),
        (
            "a https://u:p@h/x, b https://v:q@i",
            "a https://[redacted: userinfo]@h/x, b https://[redacted: userinfo]@i",
        ),
        ("https://x.com/?token=k7&page=2", "https://x.com/?token=[redacted: token]&page=2"),
        ("/p?X-Amz-Signature=9f&n=1", "/p?X-Amz-Signature=[redacted: signature]&n=1"),
        ("/p?sv=1&sig=a%2Fb", "/p?sv=1&sig=[redacted: signature]"),
        (
            "Login { user: \"bob\", password: \"hun\\\"ter2\" }",
            "Login { user: \"bob\", password: \"[redacted: password]\" }",
        ),
        ("password: Some(\"hunter2\")", "password: Some(\"[redacted: password]\")"),
        ("Password(\"hunter2\")", "Password(\"[redacted: password]\")"),
        ("{\"api_key\":\"k\",\"n\":1}", "{\"api_key\":\"[redacted: api key]\",\"n\":1}"),
        ("{\\\"token\\\": \\\"k\\\"}", "{\\\"token\\\": \\\"[redacted: token]\\\"}"),
        ("Server=db;Password=hunter2;Port=1", "Server=db;Password=[redacted: password];Port=1"),
        ("mysql --password=hunter2 shop", "mysql --password=[redacted: password] shop"),
        ("password: hunter2", "password: [redacted: password]"),
        ("WHERE token = 'abc' AND id = 1", "WHERE token = '[redacted: token]' AND id = 1"),
        ("Cookie: a=b; c=d", "Cookie: [redacted: cookie]"),
        ("paid with 4111 1111 1111 1111 today", "paid with [redacted: card number] today"),
        ("4111-1111-1111-1111", "[redacted: card number]"),
        ("order 12 4111111111111111", "order 12 [redacted: card number]"),
        ("(378282246310005)", "([redacted: card number])"),
        ("key AKIAIOSFODNN7EXAMPLE found", "key [redacted: aws access key] found"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[redacted: github token]"),
        ("from jané.doe+x@mail.example.com.", "from [redacted: e-mail address]."),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nrest",
            "[redacted: private key]\nrest",
        ),
        ("x -----BEGIN PRIVATE KEY-----\nMIIE", "x [redacted: private key]"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
        let twice = shown(expected);
        assert_eq!(twice, expected, "a second time");
    }
}

#[test]
fn what_only_looks_like_a_secret_is_left() {
    for text in [
        "",
        "ok",
        "GET /orders/{id}",
        "orders::Shop::place",
        "examples/orders.rs",
        "unexpected token: `}`",
        "expected a token (see docs)",
        "basic authentication failed",
        "bearer authentication failed",
        "the bearer of this",
        "authorization: denied for user 7",
        "password: must be 8 characters",
        "WHERE password = $1",
        "WHERE password = ?",
        "password=None",
        "password == other",
        "token::parse",
        "tokens=17",
        "4111 1111 1111 1112",
        "0.4111111111111111",
        "trace 4111111111111111ab",
        "1700000000000000000",
        "c0ffee00-4111-1111-1111-111111111111",
        "https://example.com/@user",
        "ssh key in /etc",
        "eyJhbGci is a beginning",
        "a@b",
        "@traced",
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
        "AKIAIOSFODNN7EXAMPL",
        "SELECT * FROM orders WHERE id = 7",
        "author=jane",
    ] {
        assert_eq!(shown(text), text);
    }
}

#[test]
fn a_value_keeps_its_type_unless_it_is_hidden() {
    let scrubber = Scrubber::new();
    let shown = |key: &'static str, value: Value| scrubber.shown(KeyValue::new(key, value)).value;
    assert_eq!(shown("rows", 7.into()), 7.into());
    assert_eq!(shown("pin_code", 1234.into()), "[redacted: pin code]".into());
    assert_eq!(shown("number", 4_111_111_111_111_111.into()), "[redacted: card number]".into());
    assert_eq!(shown("number", i64::MIN.into()), i64::MIN.into());
    assert_eq!(shown("has_password", true.into()), true.into());
    assert_eq!(shown("password", "***".into()), "***".into());
    assert_eq!(shown("card_number", "***1234".into()), "***1234".into());
    assert_eq!(shown("password", "***12345".into()), "[redacted: password]".into());
    let texts = |texts: [&'static str; 2]| Value::Array(Array::String(texts.map(Into::into).to_vec()));
    assert_eq!(
        shown("arguments", texts(["--password=x", "go"])),
        texts(["--password=[redacted: password]", "go"])
    );
    assert_eq!(shown("passwords", texts(["a", "b"])), "[redacted: password]".into());
}

#[test]
fn a_rule_that_panics_hides_the_value() {
    let scrubber = Scrubber::new().rule(|key, _| panic!("{key}"));
    assert_eq!(scrubber.shown(KeyValue::new("x", "y")).value.as_str(), "[redacted: a rule panicked]");
    assert_eq!(Scrubber::off().shown(KeyValue::new("password", "y")).value.as_str(), "y");
}

#[test]
fn hostile_texts_take_linear_time() {
    const SIZE: usize = 1 << 20;
    for piece in [
        "eyJ",
        "eyJ.",
        "a.",
        "password=",
        "password=\"",
        "password:\"\\",
        "://",
        "://@",
        "@",
        "a@a.",
        "a@",
        "é@é.",
        "4",
        "4 ",
        "41-1 ",
        "-----BEGIN PRIVATE KEY",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN ",
        "Bearer ",
        "Basic dXNl ",
        "=",
        ":",
        "(",
        " ",
        "ghp_",
        "\\\"",
        "Cookie: a=b",
        "authorization: bearer ",
        "Some(",
        "_",
        "é",
        "\"",
    ] {
        let text = piece.repeat(SIZE / piece.len());
        let begun = Instant::now();
        let _ = shown(&text);
        // Without optimisation, on a machine that is busy; what is quadratic takes hours.
        assert!(begun.elapsed() < Duration::from_secs(10), "{piece:?} took {:?}", begun.elapsed());
    }
}

proptest! {
    #[test]
    fn no_text_breaks_it(text in "\\PC*|(password|token|[=:\"'\\\\ @.é(]|://|eyJ|4111|Bearer |[a-z]){0,30}") {
        let _ = shown(&text);
    }

    #[test]
    fn a_card_is_found_between_any_words(before in "[a-z ]{0,20} ", behind in " [a-z ]{0,20}") {
        let text = format!("{before}5555 5555 5555 4444{behind}");
        prop_assert_eq!(shown(&text), format!("{before}[redacted: card number]{behind}"));
    }

    #[test]
    fn no_password_stays_that_a_text_names(secret in "[a-zA-Z0-9]{6,30}", quote in "[\"']") {
        for text in [
            format!("failed: password={secret}"),
            format!("{{{quote}password{quote}: {quote}{secret}{quote}}}"),
            format!("https://bob:{secret}@example.com/x"),
            format!("https://example.com/x?access_token={secret}&y=1"),
        ] {
            prop_assume!(!["None", "null", "true", "false", "undefined"].contains(&secret.as_str()) && !"failed example https access redacted password token userinfo".contains(&secret));
            prop_assert!(!shown(&text).contains(&secret), "{}", shown(&text));
        }
    }
}

#[test]
fn with_a_list_nothing_else_is_shown_but_what_is_ours() {
    let scrubber = Scrubber::new().only(["order.id"]).only(["order.password"]).allow("raw");
    let shown = |key: &'static str, value: Value| scrubber.shown(KeyValue::new(key, value)).value.to_string();
    assert_eq!(shown("order.id", 7.into()), "7");
    assert_eq!(shown("order.password", "x".into()), "[redacted: password]");
    assert_eq!(shown("raw", "Bearer abc123def456".into()), "Bearer abc123def456");
    assert_eq!(shown("order.total", 7.into()), "[redacted: key]");
    assert_eq!(shown("paid", true.into()), "[redacted: key]");
    assert_eq!(shown("error.type", "Declined".into()), "Declined");
    assert_eq!(scrubber.to_string(), "secret keys, patterns, 1 key allowed, 2 keys and no others");
    let resource = opentelemetry_sdk::Resource::builder_empty().with_service_name("shop").build();
    assert_eq!(scrubber.resource(&resource), resource);
}
