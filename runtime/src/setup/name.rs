//! The nearest name, or the list of names; never both. The macro's `suggest`, for the words of an environment: a crate of
//! macros can give nothing else away.

/// "did you mean `name`?", or "expected one of …".
pub(super) fn remedy(given: &str, names: &[&str]) -> String {
    match within(given.chars().count() / 3 + 1, given, names) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("expected one of {}", list(names)),
    }
}

/// The nearest of long names, most of whose letters are the same anyway: two slips, or three in a very long one.
pub(super) fn nearest<'a>(given: &str, names: &[&'a str]) -> Option<&'a str> {
    within(if given.len() > 24 { 3 } else { 2 }, given, names)
}

fn within<'a>(tolerance: usize, given: &str, names: &[&'a str]) -> Option<&'a str> {
    // So many letters are missing at least: no need to count the others.
    let near = names.iter().filter(|name| given.len().abs_diff(name.len()) <= 4 * tolerance);
    // Who shouts means the same.
    let given = given.to_lowercase();
    let nearest = near.map(|name| (distance(&given, &name.to_lowercase()), *name)).min();
    nearest.filter(|(distance, _)| *distance <= tolerance).map(|(_, name)| name)
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// How many letters to add, drop or change.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, a) in a.chars().enumerate() {
        let mut before = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in b.chars().enumerate() {
            let change = before + usize::from(a != b);
            before = row[j + 1];
            row[j + 1] = change.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::remedy;

    #[test]
    fn a_slip_finds_its_name_and_a_stranger_gets_the_list() {
        let names = ["always_on", "always_off", "traceidratio"];
        assert_eq!(remedy("alwys_of", &names), "did you mean `always_off`?");
        assert_eq!(remedy("AlwaysOn", &["always_on"]), "did you mean `always_on`?");
        assert_eq!(remedy("OTLP", &["console", "otlp", "otlp/stdout"]), "did you mean `otlp`?");
        assert_eq!(remedy("xray", &names), "expected one of `always_on`, `always_off`, `traceidratio`");
        assert_eq!(remedy("", &["a", "none"]), "did you mean `a`?");
    }
}
