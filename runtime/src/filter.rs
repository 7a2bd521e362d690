//! Which call sites make spans: rules by module path and by span name.
//!
//! Reads what an operator wrote and answers for one name at a time. Who asks, how often, and what is remembered of the
//! answer is the pipeline's.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::fault::debug_as_display;

/// What an operator wrote, understood.
#[derive(Debug)]
pub(crate) struct Filter {
    /// As it was written.
    text: String,
    /// What holds where no rule does.
    otherwise: bool,
    /// Longest first.
    paths: Vec<(String, Switch)>,
    names: HashMap<String, Switch>,
}

/// What a rule says, and whether it has decided about anything yet.
#[derive(Debug)]
struct Switch {
    on: bool,
    has_decided: AtomicBool,
}

impl Switch {
    fn decide(&self) -> bool {
        // Many threads may ask at once; it is written once.
        if !self.has_decided.load(Ordering::Relaxed) {
            self.has_decided.store(true, Ordering::Relaxed);
        }
        self.on
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self { text: String::new(), otherwise: true, paths: Vec::new(), names: HashMap::new() }
    }
}

/// What a [`Control`](crate::Control) was told, and cannot heed.
#[derive(Clone, PartialEq, Eq)]
pub struct ControlFault {
    given: String,
    reason: &'static str,
}

impl ControlFault {
    pub(crate) fn new(given: &str, reason: &'static str) -> Self {
        // It may come from anywhere, and is shown to somebody.
        let shown: String = given.chars().take(100).flat_map(char::escape_debug).collect();
        Self { given: shown, reason }
    }
}

impl fmt::Display for ControlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.given, self.reason)
    }
}

impl Error for ControlFault {}

debug_as_display!(ControlFault);

const EXPECTED: &str = "expected `path=on` or `path=off`, `\"span name\"=on` or `\"span name\"=off`, or `on` or `off` for all others";

impl Filter {
    /// Reads `orders=on,orders::cache=off,"GET /health"=off,off`.
    pub(crate) fn read(text: &str) -> Result<Self, ControlFault> {
        const LONGEST: usize = 16 * 1024;

        let text = text.trim();
        if text.len() > LONGEST {
            return Err(ControlFault::new(text, "expected no more than 16384 bytes"));
        }
        let mut filter = Self { text: text.to_owned(), ..Self::default() };
        let mut otherwise = None;
        let mut paths = HashMap::new();
        for rule in rules(text)? {
            let is_new = match rule.subject {
                Subject::All => otherwise.replace(rule.on).is_none(),
                Subject::Path(path) => put(&mut paths, path, rule.on),
                Subject::Name(name) => put(&mut filter.names, name, rule.on),
            };
            if !is_new {
                return Err(ControlFault::new(rule.text, "is said twice; keep one"));
            }
        }
        filter.otherwise = otherwise.unwrap_or(true);
        filter.paths = paths.into_iter().collect();
        filter.paths.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        Ok(filter)
    }

    /// Whether a span of that name is made in that module; the scope stands for the module of other code.
    pub(crate) fn admits(&self, module: &str, name: &str) -> bool {
        if let Some(rule) = self.names.get(name) {
            return rule.decide();
        }
        let rule = self.paths.iter().find(|(path, _)| is_inside(module, name, path));
        rule.map_or(self.otherwise, |(_, rule)| rule.decide())
    }

    /// Whether all spans of a scope are made, whatever their names are; `None` where the names count.
    pub(crate) fn admits_scope(&self, scope: &str) -> Option<bool> {
        let names_count = !self.names.is_empty()
            || self.paths.iter().any(|(path, _)| inside(path, scope).is_some_and(|name| !name.is_empty()));
        if names_count {
            return None;
        }
        let rule = self.paths.iter().find(|(path, _)| inside(scope, path).is_some());
        Some(rule.map_or(self.otherwise, |(_, rule)| rule.decide()))
    }

    /// Whether it lets all through.
    pub(crate) fn is_open(&self) -> bool {
        self.otherwise && self.paths.is_empty() && self.names.is_empty()
    }

    /// The rules that have decided about nothing yet, in the order of the alphabet.
    pub(crate) fn idle(&self) -> Vec<String> {
        let is_idle = |rule: &Switch| !rule.has_decided.load(Ordering::Relaxed);
        let paths = self.paths.iter().filter(|(_, rule)| is_idle(rule)).map(|(path, _)| path.clone());
        let names = self.names.iter().filter(|(_, rule)| is_idle(rule)).map(|(name, _)| format!("{name:?}"));
        let mut idle: Vec<_> = paths.chain(names).collect();
        idle.sort();
        idle
    }

    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

fn put(rules: &mut HashMap<String, Switch>, subject: String, on: bool) -> bool {
    match rules.entry(subject) {
        Entry::Occupied(_) => false,
        Entry::Vacant(vacant) => {
            vacant.insert(Switch { on, has_decided: AtomicBool::new(false) });
            true
        }
    }
}

/// Whether `module::name` is `path` or inside of it.
fn is_inside(module: &str, name: &str, path: &str) -> bool {
    inside(module, path).is_some() || inside(path, module).is_some_and(|rest| inside(name, rest).is_some())
}

/// What is left of a path inside of another one: nothing, if it is the same.
fn inside<'a>(path: &'a str, outer: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(outer)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix("::") }
}

struct Rule<'a> {
    text: &'a str,
    subject: Subject,
    on: bool,
}

enum Subject {
    All,
    Path(String),
    Name(String),
}

/// The rules between the commas; a comma in a quoted name separates nothing.
fn rules(text: &str) -> Result<Vec<Rule<'_>>, ControlFault> {
    let mut rules = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let length = end_of_rule(rest).ok_or_else(|| ControlFault::new(rest, "expected a closing `\"`"))?;
        let (rule, behind) = rest.split_at(length);
        rules.push(self::rule(rule.trim())?);
        rest = behind.strip_prefix(',').unwrap_or(behind);
        // A comma at the end has nothing behind it, and is no fault.
        if rest.trim().is_empty() {
            break;
        }
    }
    Ok(rules)
}

/// Where the first comma stands that is in no quotes; `None` where quotes are left open.
fn end_of_rule(text: &str) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (place, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => return Some(place),
            _ => {}
        }
    }
    (!is_quoted).then_some(text.len())
}

fn rule(text: &str) -> Result<Rule<'_>, ControlFault> {
    let fault = |reason| Err(ControlFault::new(text, reason));
    // No value has a `=`, and a quoted name may.
    let Some((subject, value)) = text.rsplit_once('=') else {
        return match text {
            "on" | "off" => Ok(Rule { text, subject: Subject::All, on: text == "on" }),
            _ => fault(EXPECTED),
        };
    };
    let (subject, value) = (subject.trim(), value.trim());
    let on = match value {
        "on" => true,
        "off" => false,
        _ => return fault("expected `on` or `off` behind the `=`"),
    };
    if let Some(quoted) = subject.strip_prefix('"') {
        return match unquoted(quoted) {
            Some(name) if !name.is_empty() => Ok(Rule { text, subject: Subject::Name(name), on }),
            _ => fault("expected a span's name between two `\"`"),
        };
    }
    if !is_path(subject) {
        return fault(
            "expected a path such as `orders::cache` before the `=`, or a span's name in quotes; there are no wildcards",
        );
    }
    Ok(Rule { text, subject: Subject::Path(subject.to_owned()), on })
}

/// What stands before the closing quote, which must be the last.
fn unquoted(text: &str) -> Option<String> {
    let mut name = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(name),
            '\\' => name.push(chars.next()?),
            c => name.push(c),
        }
    }
}

/// Whether it is a path of Rust's, or a scope's name as libraries have them.
fn is_path(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@'))
    };
    text.split("::").all(is_word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn admits(filter: &str, module: &str, name: &str) -> bool {
        Filter::read(filter).unwrap().admits(module, name)
    }

    #[test]
    fn the_longest_path_wins_on_boundaries() {
        let filter = "orders=on,orders::cache=off, orders::cache::warm = on,off,";
        for (module, name, expected) in [
            ("orders", "place", true),
            ("orders::stock", "place", true),
            ("orders::cache", "get", false),
            ("orders::cache::disk", "get", false),
            ("orders::cache", "warm", true),
            ("orders::cache::warm", "any", true),
            ("orders::cache", "warmer", false),
            ("orders::cached", "get", true),
            ("orders_archive", "get", false),
            ("payments", "pay", false),
        ] {
            assert_eq!(admits(filter, module, name), expected, "{module}::{name}");
        }
        assert!(admits("", "any", "any") && admits("orders=off", "any", "any"));
        assert!(!admits("shop::Cart=off", "shop", "Cart::total"));
        assert!(!admits("shop::Cart::total=off", "shop", "Cart::total"));
        assert!(admits("shop::Cart::total=off", "shop", "Cart::totals"));
        assert!(!admits("aws-sdk.s3/v2=off", "aws-sdk.s3/v2", "PutObject"));
    }

    #[test]
    fn a_name_in_quotes_is_a_spans_name_and_stands_above_paths() {
        let filter = r#"off,shop=on,"GET /health"=off,"a, \"b\" = c\\"=on"#;
        assert!(!admits(filter, "shop", "GET /health"));
        assert!(admits(filter, "shop", "GET /healthy"));
        assert!(admits(filter, "elsewhere", r#"a, "b" = c\"#));
        assert!(!admits(filter, "elsewhere", "a"));
    }

    #[test]
    fn of_a_scope_one_knows_what_no_name_can_change() {
        for (filter, scope, expected) in [
            ("", "any", Some(true)),
            ("off", "any", Some(false)),
            ("client=off", "client", Some(false)),
            ("client=off,client::pool=on", "client::pool::idle", Some(true)),
            ("client=off", "clients", Some(true)),
            ("client::get=off", "client", None),
            ("client::get=off", "client::get", Some(false)),
            ("\"get\"=off", "any", None),
        ] {
            assert_eq!(Filter::read(filter).unwrap().admits_scope(scope), expected, "{filter} {scope}");
        }
    }

    #[test]
    fn rules_that_have_decided_about_nothing_are_known() {
        let filter =
            Filter::read("shop=on,shop::cart=off,shop::Cart::add=off,\"a \\\"b\"=off,client=off").unwrap();
        assert_eq!(filter.idle(), [r#""a \"b""#, "client", "shop", "shop::Cart::add", "shop::cart"]);
        filter.admits("shop::cart", "any");
        filter.admits("shop", "add");
        filter.admits("client::pool", "idle");
        assert_eq!(filter.idle(), [r#""a \"b""#, "shop::Cart::add"]);
        filter.admits("shop", r#"a "b"#);
        assert_eq!(filter.idle(), ["shop::Cart::add"]);
        let filter = Filter::read("client=off,shop=off").unwrap();
        filter.admits_scope("client::pool");
        assert_eq!(filter.idle(), ["shop"], "a whole scope counts as well");
    }

    #[test]
    fn a_fault_says_what_is_wrong_and_what_is_allowed() {
        for (filter, fault) in [
            ("orders", format!("`orders`: {EXPECTED}")),
            (",", format!("``: {EXPECTED}")),
            ("orders=on,,shop=on", format!("``: {EXPECTED}")),
            ("orders=maybe", "`orders=maybe`: expected `on` or `off` behind the `=`".to_owned()),
            ("orders=ON", "`orders=ON`: expected `on` or `off` behind the `=`".to_owned()),
            ("=on", "`=on`: expected a path such as `orders::cache` before the `=`, or a span's name in quotes; there are no wildcards".to_owned()),
            ("orders::*=off", "`orders::*=off`: expected a path such as `orders::cache` before the `=`, or a span's name in quotes; there are no wildcards".to_owned()),
            ("GET /health=off", "`GET /health=off`: expected a path such as `orders::cache` before the `=`, or a span's name in quotes; there are no wildcards".to_owned()),
            ("orders:cache=off", "`orders:cache=off`: expected a path such as `orders::cache` before the `=`, or a span's name in quotes; there are no wildcards".to_owned()),
            ("\"a=off", "`\\\"a=off`: expected a closing `\\\"`".replace("`\\\"`", "`\"`")),
            ("\"a\"b=off", "`\\\"a\\\"b=off`: expected a span's name between two `\"`".to_owned()),
            ("\"\"=off", "`\\\"\\\"=off`: expected a span's name between two `\"`".to_owned()),
            ("a=on, a=off", "`a=off`: is said twice; keep one".to_owned()),
            ("on,off", "`off`: is said twice; keep one".to_owned()),
        ] {
            assert_eq!(Filter::read(filter).unwrap_err().to_string(), fault, "{filter}");
        }
        let hostile = Filter::read(&"a\u{1b}[2J".repeat(10_000)).unwrap_err().to_string();
        assert!(hostile.len() < 1_500 && hostile.ends_with("expected no more than 16384 bytes"), "{hostile}");
        assert!(!hostile.contains('\u{1b}'));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-c:=,\"\\\\ onf]{0,40}", module: String, name: String) {
            if let Ok(filter) = Filter::read(&text) {
                filter.admits(&module, &name);
            }
        }

        #[test]
        fn what_is_known_of_a_scope_is_what_each_of_its_names_gets(
            rules in proptest::collection::btree_map("[ab](::[ab]){0,2}", any::<bool>(), 0..4),
            otherwise: bool,
            scope in "[ab](::[ab]){0,2}",
            name in "[ab](::[ab]){0,1}",
        ) {
            let word = |on: bool| if on { "on" } else { "off" };
            let rules = rules.into_iter().map(|(path, on)| format!("{path}={},", word(on)));
            let filter = Filter::read(&format!("{}{}", rules.collect::<String>(), word(otherwise))).unwrap();
            if let Some(admits) = filter.admits_scope(&scope) {
                prop_assert_eq!(filter.admits(&scope, &name), admits, "{:?}", filter);
            }
        }
    }
}
