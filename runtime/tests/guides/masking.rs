//! The gateway's patterns, tried on texts: what they mask, and what they leave. Go's expressions and those of the `regex` crate
//! are of one family, and these use nothing that differs.

use regex::Regex;

use crate::collector::configuration;
use crate::yaml::texts;

fn patterns(of: &str) -> Vec<Regex> {
    let gateway = configuration("gateway.yaml");
    let patterns: Vec<_> = texts(&gateway["processors"]["redaction"][of])
        .into_iter()
        .map(|text| Regex::new(text).unwrap())
        .collect();
    assert!(!patterns.is_empty());
    patterns
}

/// Texts in which secrets hide, and what of them must be gone.
const SECRETS: [(&str, &str); 6] = [
    ("Authorization: Bearer 9f8e7d6c5b4a39281706", "9f8e7d6c5b4a39281706"),
    ("sent basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA=="),
    ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P", "eyJzdWIiOiIxIn0"),
    ("card 4111 1111 1111 1111 declined", "4111 1111 1111 1111"),
    ("5555-5555-5555-4444", "5555-5555-5555-4444"),
    ("378282246310005", "378282246310005"),
];

/// What is no secret, though it is long or has such a word in it.
const HARMLESS: [&str; 6] = [
    "the bearer of bad news",
    "trace 4bf92f3577b34da6a3ce929d0e0e4736",
    "2026-11-21T14:58:37.123456789Z",
    "order 1002, 3 items",
    "SELECT name FROM users WHERE id = $1",
    "https://shop.example.com/items/41111111",
];

#[test]
fn values_that_look_like_secrets_are_masked_and_others_are_not() {
    let blocked = patterns("blocked_values");
    let masked = |text: &str| {
        blocked.iter().fold(text.to_owned(), |text, pattern| pattern.replace_all(&text, "****").into_owned())
    };
    for (text, secret) in SECRETS {
        assert!(!masked(text).contains(secret), "{text}");
    }
    for text in HARMLESS {
        assert_eq!(masked(text), text);
    }
}

#[test]
fn keys_that_name_secrets_are_masked_and_others_are_not() {
    let blocked = patterns("blocked_key_patterns");
    let masks = |key: &str| blocked.iter().any(|pattern| pattern.is_match(key));
    for key in [
        "user.password",
        "auth.token",
        "x-api-key",
        "apiKey",
        "http.request.header.authorization",
        "session_token",
        "client_secret",
        "db.credentials",
        "PASSWORD",
    ] {
        assert!(masks(key), "{key}");
    }
    for key in [
        "user.id",
        "http.route",
        "author",
        "tokens.used",
        "llm.token_count",
        "db.query.text",
        "key",
        "secretary",
    ] {
        assert!(!masks(key), "{key}");
    }
}

#[test]
fn headers_with_credentials_are_deleted() {
    let gateway = configuration("gateway.yaml");
    let action = &gateway["processors"]["attributes/headers"]["actions"][0];
    assert_eq!(action["action"].as_str(), Some("delete"));
    let pattern = Regex::new(action["pattern"].as_str().unwrap()).unwrap();
    for key in [
        "http.request.header.authorization",
        "http.request.header.cookie",
        "rpc.grpc.request.metadata.x-api-key",
    ] {
        assert!(pattern.is_match(key), "{key}");
    }
    assert!(!pattern.is_match("http.request.header.accept"));
}

/// The pattern of each `replace_pattern(path, "pattern", "****")` for a path, read as OTTL reads it.
fn statements(path: &str) -> Vec<Regex> {
    let gateway = configuration("gateway.yaml");
    let groups = gateway["processors"]["transform/texts"]["trace_statements"].as_vec().unwrap().clone();
    let mut patterns = Vec::new();
    for group in &groups {
        let context = group["context"].as_str().unwrap();
        for statement in texts(&group["statements"]) {
            let inside =
                statement.strip_prefix("replace_pattern(").and_then(|rest| rest.strip_suffix(", \"****\")"));
            let (of, pattern) =
                inside.and_then(|inside| inside.split_once(", \"")).unwrap_or_else(|| panic!("{statement}"));
            assert_eq!(of.split('.').next(), Some(context), "{statement}");
            let pattern = pattern.strip_suffix('"').unwrap().replace("\\\\", "\\");
            if of == path {
                patterns.push(Regex::new(&pattern).unwrap());
            }
        }
    }
    patterns
}

#[test]
fn status_texts_lose_what_attributes_lose() {
    let of_status: Vec<_> = statements("span.status.message").iter().map(Regex::to_string).collect();
    let of_values: Vec<_> = patterns("blocked_values").iter().map(Regex::to_string).collect();
    assert_eq!(of_status, of_values);
    for path in ["span.name", "spanevent.name"] {
        assert!(statements(path).iter().any(|pattern| pattern.is_match("pay 4111 1111 1111 1111")), "{path}");
    }
}
