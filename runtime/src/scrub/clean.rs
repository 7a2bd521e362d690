//! Texts that were looked through lately, and in which there was nothing.
//!
//! Most texts of a program's spans are constants, which stand where they stood, span after span: to compare one with what
//! stood there last is a fraction of looking it through.

/// Texts, each at a place that where it stands in memory leads to; the latest is kept.
#[derive(Debug, Default)]
pub(super) struct Clean(Vec<String>);

const PLACES: usize = 256;
/// A longer text is looked through each time.
const LONGEST: usize = 128;

impl Clean {
    /// One with room; a default one has none, and keeps nothing.
    pub(super) fn new() -> Self {
        Self(vec![String::new(); PLACES])
    }

    /// What `look` finds in a text.
    pub(super) fn look<T>(&mut self, text: &str, look: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let known = self.0.get_mut(place(text));
        if known.as_ref().is_some_and(|known| *known == text) {
            return None;
        }
        let found = look(text);
        if found.is_none()
            && text.len() <= LONGEST
            && let Some(known) = known
        {
            known.clear();
            known.push_str(text);
        }
        found
    }
}

/// Where a text is kept. Constants stand one behind the other, some bytes long: an odd factor spreads them.
fn place(text: &str) -> usize {
    text.as_ptr().addr().wrapping_mul(0x9e37_79b9) >> 16 & (PLACES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_clean_is_looked_through_once_and_what_was_not_again() {
        let mut clean = Clean::new();
        let mut looks = 0;
        for _ in 0..3 {
            assert_eq!(
                clean.look("orders", |_| -> Option<()> {
                    looks += 1;
                    None
                }),
                None
            );
        }
        assert_eq!(looks, 1);
        for _ in 0..3 {
            assert_eq!(
                clean.look("secret", |_| {
                    looks += 1;
                    Some(looks)
                }),
                Some(looks)
            );
        }
        assert_eq!(looks, 4);
    }

    #[test]
    fn another_text_at_the_same_place_is_another_text() {
        let mut clean = Clean::new();
        let mut text = String::from("first");
        assert_eq!(clean.look(&text, |_| None::<()>), None);
        text.replace_range(.., "token");
        assert_eq!(clean.look(&text, |text| Some(text.to_owned())), Some("token".to_owned()));
        text.truncate(2);
        assert_eq!(clean.look(&text, |text| Some(text.len())), Some(2));
    }

    #[test]
    fn a_long_text_is_not_kept() {
        let mut clean = Clean::new();
        let text = "x".repeat(LONGEST + 1);
        let mut looks = 0;
        for _ in 0..2 {
            clean.look(&text, |_| {
                looks += 1;
                None::<()>
            });
        }
        assert_eq!(looks, 2);
        assert!(clean.0.iter().all(String::is_empty));
    }
}
