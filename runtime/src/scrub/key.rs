//! Keys that name a secret, known by their words.
//!
//! Knows nothing of values. What `#[traced]` refuses to record in plain, this hides: `runtime/tests/scrub.rs` holds the two
//! lists together.

/// What a word says about the value of the key it stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    /// The name of a secret.
    Secret(&'static str),
    /// A secret, unless the word before makes it a place in a list or a sign to others.
    Token,
    Tokens,
    /// A secret as the last word.
    Auth,
    /// A secret behind a word that says which one.
    Key,
    Number,
    Code,
    Pass,
    /// Words that say which one.
    OfKey(&'static str),
    OfToken,
    OfPass,
    Card,
    Credit,
    Social,
    Security,
    Pin,
    /// The token behind it is none.
    Cursor,
    /// What is said about a secret, and tells nothing of it.
    About,
    Other,
}

/// The longest word that counts.
const LONGEST: usize = 16;

/// What a key that names a secret has in it, whatever its words are: its letters at least.
const NEEDED: [u32; 14] = [
    letters(b"pass"),
    letters(b"pwd"),
    letters(b"secret"),
    letters(b"credential"),
    letters(b"auth"),
    letters(b"cookie"),
    letters(b"jwt"),
    letters(b"token"),
    letters(b"key"),
    letters(b"cv"),
    letters(b"card"),
    letters(b"ssn"),
    letters(b"pincode"),
    letters(b"socialsecurity"),
];

/// The letters of a text as bits, large and small ones alike.
const fn letters(text: &[u8]) -> u32 {
    let (mut letters, mut place) = (0, 0);
    while place < text.len() {
        letters |= LETTER[text[place] as usize];
        place += 1;
    }
    letters
}

/// The bit of each byte that is a letter.
const LETTER: [u32; 256] = {
    let mut bits = [0; 256];
    let mut letter = 0;
    while letter < 26 {
        bits[b'a' as usize + letter] = 1 << letter;
        bits[b'A' as usize + letter] = 1 << letter;
        letter += 1;
    }
    bits
};

/// Whether a key may name a secret. Most have not even the letters for it.
fn may_be_secret(key: &str) -> bool {
    let letters = letters(key.as_bytes());
    NEEDED.iter().any(|needed| letters & needed == *needed)
}

/// Which secret the value of such a key is, if it is one.
///
/// The words stand apart by signs or as `camelCase`. A secret's name counts wherever it stands, unless the word behind it
/// says that it is not the secret itself: `token_count`, `password.length`.
pub(crate) fn secret(key: &str) -> Option<&'static str> {
    debug_assert!(may_be_secret(key) || by_words(key).is_none(), "{key}");
    if may_be_secret(key) { by_words(key) } else { None }
}

fn by_words(key: &str) -> Option<&'static str> {
    let (mut before, mut found) = (Word::Other, None);
    let mut rest = key.as_bytes();
    while let Some((word, behind)) = next(rest) {
        rest = behind;
        let word = meaning(word);
        if found.is_some() && word != Word::About {
            return found;
        }
        found = match (before, word) {
            (_, Word::Secret(name)) | (Word::OfKey(name), Word::Key) => Some(name),
            (Word::Cursor, Word::Token) => None,
            (_, Word::Token) | (Word::OfToken | Word::OfKey(_), Word::Tokens) => Some("token"),
            (Word::Card, Word::Number) | (Word::Credit, Word::Card) => Some("card number"),
            (Word::Pin, Word::Code) => Some("pin code"),
            (Word::Social, Word::Security) => Some("social security number"),
            (Word::OfPass, Word::Pass) => Some("password"),
            (_, Word::Auth) if rest.is_empty() => Some("authorization"),
            _ => None,
        };
        before = word;
    }
    found
}

/// The next word, and what is behind it.
fn next(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = key.iter().position(u8::is_ascii_alphanumeric)?;
    let key = &key[start..];
    let mut end = 1;
    while let Some(&byte) = key.get(end) {
        let (last, after) = (key[end - 1], key.get(end + 1));
        let is_new = byte.is_ascii_uppercase()
            // `accessToken`, and the `K` of `APIKey`.
            && (!last.is_ascii_uppercase() || after.is_some_and(u8::is_ascii_lowercase));
        if is_new || !byte.is_ascii_alphanumeric() {
            break;
        }
        end += 1;
    }
    Some(key.split_at(end))
}

fn meaning(word: &[u8]) -> Word {
    let digits = word.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let word = &word[..word.len() - digits];
    if word.len() > LONGEST {
        return Word::Other;
    }
    let mut lower = [0; LONGEST];
    let lower = &mut lower[..word.len()];
    lower.copy_from_slice(word);
    lower.make_ascii_lowercase();
    match &*lower {
        b"password" | b"passwords" | b"passwd" | b"passphrase" | b"passcode" | b"pwd" => {
            Word::Secret("password")
        }
        word if word.ends_with(b"password") || word.ends_with(b"passwd") => Word::Secret("password"),
        b"secret" | b"secrets" | b"clientsecret" | b"secretkey" => Word::Secret("secret"),
        b"credential" | b"credentials" => Word::Secret("credentials"),
        b"authorization" => Word::Secret("authorization"),
        b"cookie" | b"cookies" => Word::Secret("cookie"),
        b"jwt" | b"accesstoken" | b"refreshtoken" | b"authtoken" | b"bearertoken" | b"sessiontoken"
        | b"idtoken" => Word::Secret("token"),
        b"apikey" | b"apikeys" => Word::Secret("api key"),
        b"privatekey" => Word::Secret("private key"),
        b"accesskey" => Word::Secret("access key"),
        b"cvv" | b"cvc" => Word::Secret("card verification"),
        b"cardnumber" | b"creditcard" => Word::Secret("card number"),
        b"ssn" => Word::Secret("social security number"),
        b"pincode" => Word::Secret("pin code"),
        b"token" => Word::Token,
        b"tokens" => Word::Tokens,
        b"auth" => Word::Auth,
        b"key" | b"keys" => Word::Key,
        b"number" => Word::Number,
        b"code" => Word::Code,
        b"pass" => Word::Pass,
        b"api" => Word::OfKey("api key"),
        b"private" => Word::OfKey("private key"),
        b"access" => Word::OfKey("access key"),
        b"encryption" | b"signing" | b"master" => Word::OfKey("key"),
        b"refresh" | b"bearer" | b"csrf" | b"xsrf" => Word::OfToken,
        b"db" | b"database" | b"user" | b"admin" | b"root" | b"mysql" | b"redis" | b"smtp" => Word::OfPass,
        b"card" => Word::Card,
        b"credit" | b"debit" => Word::Credit,
        b"social" => Word::Social,
        b"security" => Word::Security,
        b"pin" => Word::Pin,
        b"page" | b"next" | b"continuation" | b"cursor" | b"cancellation" | b"idempotency" | b"resume"
        | b"sync" => Word::Cursor,
        b"count" | b"counts" | b"length" | b"len" | b"size" | b"limit" | b"total" | b"max" | b"min"
        | b"type" | b"kind" | b"name" | b"names" | b"id" | b"ids" | b"ttl" | b"expiry" | b"expires"
        | b"expired" | b"expiration" | b"age" | b"valid" | b"invalid" | b"policy" | b"strength"
        | b"required" | b"present" | b"missing" | b"provider" | b"version" | b"source" | b"method"
        | b"algorithm" | b"alg" | b"issuer" | b"status" | b"state" | b"result" | b"decision" | b"error"
        | b"errors" | b"reason" | b"reset" | b"changed" | b"budget" | b"usage" | b"used" | b"rate"
        | b"attempts" | b"enabled" | b"rotation" | b"rotated" | b"created" | b"updated" | b"scope"
        | b"scopes" | b"endpoint" | b"consent" | b"store" | b"manager" | b"duration" => Word::About,
        _ => Word::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::{by_words, may_be_secret, secret};

    #[test]
    fn no_key_that_names_a_secret_is_without_its_letters() {
        let words = "password passwd pwd passphrase passcode secret secretkey credential credentials authorization cookie jwt \
            accesstoken idtoken apikey privatekey accesskey cvv cvc cardnumber creditcard ssn pincode token tokens auth key keys \
            number code pass api private access encryption refresh csrf db user card credit debit social security pin page \
            count order id";
        let words: Vec<_> = words.split_whitespace().collect();
        for one in &words {
            for other in &words {
                for key in
                    [format!("{one}.{other}"), format!("{}{}", one.to_uppercase(), other), format!("x-{one}")]
                {
                    assert!(by_words(&key).is_none() || may_be_secret(&key), "{key}");
                }
            }
        }
        assert!(!may_be_secret("http.request.method"));
    }

    #[test]
    fn a_secret_is_known_by_its_words() {
        for key in [
            "password",
            "auth.token",
            "user.password",
            "user_password",
            "http.request.header.authorization",
            "http.response.header.set-cookie",
            "accessToken",
            "APIKey",
            "apiKey",
            "api-key",
            "x-api-key",
            "X_API_KEY",
            "apikey",
            "aws_secret_access_key",
            "private_key",
            "privateKey",
            "client.secret",
            "db.pass",
            "DB_PASS",
            "user.password.old",
            "password_hash",
            "userpassword",
            "DbPasswd",
            "password2",
            "cvv",
            "card.number",
            "card_number",
            "cardNumber",
            "credit_card",
            "pin_code",
            "ssn",
            "social_security_number",
            "x-auth",
            "access_tokens",
            "csrf_token",
            "password_reset_token",
            "user credentials",
            "SSHPrivateKey",
            "Пользователь.password",
        ] {
            assert!(secret(key).is_some(), "{key}");
        }
    }

    #[test]
    fn what_is_about_a_secret_is_none() {
        for key in [
            "",
            ".",
            "author",
            "authority",
            "authors",
            "auth.method",
            "auth.user",
            "token_count",
            "tokens",
            "gen_ai.usage.input_tokens",
            "gen_ai.token.type",
            "max_tokens",
            "page_token",
            "nextPageToken",
            "password_length",
            "password.policy",
            "passport",
            "secretary",
            "secret.name",
            "session.id",
            "session.token_count",
            "session.tokens",
            "code.function.name",
            "code.line.number",
            "http.route",
            "url.path",
            "order.key",
            "key",
            "keys",
            "cache.key",
            "primary_key",
            "pin",
            "pass",
            "render.pass",
            "card.kind",
            "monkey",
            "tokenizer",
            "cookiecutter",
            "access_key_id",
        ] {
            assert_eq!(secret(key), None, "{key}");
        }
    }
}
