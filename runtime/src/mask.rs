//! Secrets, made fit to be recorded.
//!
//! Each function takes a secret and gives what may be seen of it, as an attribute's value: `attr("user.email"
//! = mask::email(&user.email))`. An input that is not what a function expects, or too short for a part of it
//! to say little, is masked whole. The mask is always `***`, whatever it hides, so that it does not tell a
//! length.
//!
//! ```
//! use traced::mask;
//!
//! assert_eq!(mask::email("jane.doe@example.com"), "j***@example.com");
//! assert_eq!(mask::last4("4111 1111 1111 1234"), "***1234");
//! assert_eq!(mask::redacted("correct horse"), "***");
//! assert_eq!(mask::length("correct horse"), 13);
//! ```
//!
//! There is no `hash` here, on purpose. Secrets worth recording are few enough to be tried one by one (every
//! telephone number, every card), so a hash without a key hides nothing, and a key that all your services
//! share is yours to choose and to keep: record the result of your own keyed hash instead.

/// What stands for the hidden part.
const MASK: &str = "***";

/// The domain of an e-mail address, and the first character of what stands before it.
///
/// ```
/// use traced::mask;
///
/// assert_eq!(mask::email("jane.doe@example.com"), "j***@example.com");
/// // Of three characters, one would say too much.
/// assert_eq!(mask::email("bob@example.com"), "***@example.com");
/// // Not an address, so perhaps a password in the wrong field.
/// assert_eq!(mask::email("p@ssw0rd"), "***");
/// ```
///
/// The domain is recorded as it is: do not use this where people have domains of their own.
pub fn email(address: impl AsRef<str>) -> String {
    let Some((local, domain)) = address.as_ref().trim().rsplit_once('@') else {
        return MASK.to_owned();
    };
    if local.is_empty() || !is_domain(domain) {
        return MASK.to_owned();
    }
    match local.chars().next() {
        Some(first) if first.is_alphanumeric() && local.chars().nth(3).is_some() => {
            format!("{first}{MASK}@{domain}")
        }
        _ => format!("{MASK}@{domain}"),
    }
}

fn is_domain(text: &str) -> bool {
    // 253 is the most a domain name can have.
    let sound = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    text.len() <= 253 && text.contains('.') && text.split('.').all(sound)
}

/// The last four letters or digits, of at least eight; spaces and signs between them do not count.
///
/// ```
/// use traced::mask;
///
/// assert_eq!(mask::last4("4111-1111-1111-1234"), "***1234");
/// assert_eq!(mask::last4("1234"), "***");
/// ```
pub fn last4(secret: impl AsRef<str>) -> String {
    // Eight are enough to know; nothing further to the front is looked at.
    let mut last: Vec<char> = secret.as_ref().chars().rev().filter(|c| c.is_alphanumeric()).take(8).collect();
    if last.len() < 8 {
        return MASK.to_owned();
    }
    last.truncate(4);
    MASK.chars().chain(last.into_iter().rev()).collect()
}

/// Nothing but that there was a value.
///
/// ```
/// use traced::mask;
///
/// struct Password(#[allow(dead_code)] String);
///
/// assert_eq!(mask::redacted(&Password("correct horse".into())), "***");
/// ```
pub fn redacted<T: ?Sized>(_: &T) -> &'static str {
    MASK
}

/// The number of characters, and none of them.
///
/// ```
/// use traced::mask;
///
/// assert_eq!(mask::length("naïve 🦀"), 7);
/// ```
///
/// Of a password, the length is already something: prefer [`redacted`].
pub fn length(secret: impl AsRef<str>) -> usize {
    secret.as_ref().chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Attribute;

    #[test]
    fn an_address_keeps_its_domain_and_one_character() {
        for (address, masked) in [
            ("jane.doe@example.com", "j***@example.com"),
            ("  jane.doe@example.com\n", "j***@example.com"),
            ("jane@mail.example.co.uk", "j***@mail.example.co.uk"),
            ("\"a@b\"@example.com", "***@example.com"),
            ("élodie@exämple.fr", "é***@exämple.fr"),
            ("🦀🦀🦀🦀@example.com", "***@example.com"),
            ("jan@example.com", "***@example.com"),
            ("j@example.com", "***@example.com"),
        ] {
            assert_eq!(email(address), masked, "{address:?}");
        }
    }

    #[test]
    fn what_is_not_an_address_is_masked_whole() {
        let long = format!("jane@{}.com", "a".repeat(260));
        for secret in [
            "",
            "@",
            "jane",
            "@example.com",
            "jane@",
            "jane@localhost",
            "jane@example.",
            "jane@.com",
            "p@ss.w0rd!",
            "jane@exa mple.com",
            "jane@example.com\r\nx: y",
            &long,
        ] {
            assert_eq!(email(secret), MASK, "{secret:?}");
        }
    }

    #[test]
    fn the_last_four_are_shown_of_at_least_eight() {
        for (secret, masked) in [
            ("4111111111111234", "***1234"),
            ("4111 1111 1111 1234", "***1234"),
            ("4111-1111-1111-12-34 ", "***1234"),
            ("DE89 3704 0044 0532 0130 00", "***3000"),
            ("12345678", "***5678"),
            ("éééé🦀ñandú", "***andú"),
            ("1234567", "***"),
            ("1 2 3 4 5 6 7 -", "***"),
            ("1234", "***"),
            ("🦀🦀🦀🦀🦀🦀🦀🦀", "***"),
            ("", "***"),
        ] {
            assert_eq!(last4(secret), masked, "{secret:?}");
        }
    }

    #[test]
    fn a_redacted_value_says_nothing() {
        assert_eq!(redacted("a"), redacted(&[1_u8; 1000]));
    }

    #[test]
    fn a_length_counts_characters() {
        assert_eq!((length(""), length("é🦀"), length(String::from("abc"))), (0, 2, 3));
    }

    #[test]
    fn every_mask_is_an_attribute() {
        let values: [&dyn Attribute; 4] = [&email("a"), &last4("a"), &redacted("a"), &length("a")];
        assert!(values.iter().all(|value| value.value().is_some()));
    }
}
