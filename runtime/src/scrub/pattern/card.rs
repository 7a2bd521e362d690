//! Card numbers: digits in groups, as many as an issuer's cards have, that pass the check of Luhn.

use super::Parts;

/// The fewest and the most digits.
pub(super) const SHORTEST: usize = 13;
const LONGEST: usize = 19;

pub(super) fn find(bytes: &[u8], parts: &mut Parts) {
    let mut from = 0;
    while let Some(found) = bytes[from..].iter().position(u8::is_ascii_digit) {
        let start = from + found;
        let before = start.checked_sub(1).map(|before| bytes[before]);
        // Digits of a longer name, or behind the point of a number.
        let stands = !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
        match if stands { card(bytes, start) } else { None } {
            Some(end) => {
                parts.add(start..end, "card number");
                from = end;
            }
            None => from = super::end(bytes, start, |byte| byte.is_ascii_digit()),
        }
    }
}

/// Where the card number ends that begins here. Its groups stand apart by one space or dash.
fn card(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut digits, mut count, mut end, mut found) = ([0; LONGEST], 0, start, None);
    loop {
        let byte = bytes.get(end).copied();
        match byte {
            Some(digit @ b'0'..=b'9') => {
                *digits.get_mut(count)? = digit - b'0';
                count += 1;
                end += 1;
                let is_over = bytes.get(end).is_none_or(|next| !next.is_ascii_alphanumeric());
                if is_over && is_number(&digits[..count]) {
                    found = Some(end);
                }
            }
            // A text does not end in a group of one kind of sign and begin in another.
            Some(b' ' | b'-') if bytes.get(end + 1).is_some_and(u8::is_ascii_digit) => end += 1,
            _ => return found,
        }
        if count == LONGEST {
            return found;
        }
    }
}

/// Where a number begins that ends with the text, and may have gone on to be one. The first digits tell the issuer alone.
pub(super) fn begins(bytes: &[u8]) -> Option<usize> {
    const ISSUER: usize = 6;
    let start = super::ending::last(bytes, |byte| byte.is_ascii_digit() || matches!(byte, b' ' | b'-'));
    let start = super::end(bytes, start, |byte| !byte.is_ascii_digit());
    let digits = bytes[start..].iter().filter(|byte| byte.is_ascii_digit()).count();
    (digits >= ISSUER && matches!(bytes.get(start), Some(b'2'..=b'6'))).then_some(start)
}

/// Whether a number is one of a card.
pub(in crate::scrub) fn is_card(number: i64) -> bool {
    // The least number of thirteen digits.
    if number < 1_000_000_000_000 {
        return false;
    }
    let (mut digits, mut place, mut rest) = ([0; LONGEST], LONGEST, number);
    while rest > 0 {
        place -= 1;
        digits[place] = u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
    is_number(&digits[place..])
}

fn is_number(digits: &[u8]) -> bool {
    let begins =
        |length: usize| digits[..length].iter().fold(0_u16, |sum, digit| sum * 10 + u16::from(*digit));
    if digits.len() < SHORTEST {
        return false;
    }
    let lengths = match begins(4) {
        // Visa.
        4000..=4999 => &[13, 16, 19][..],
        // American Express.
        3400..=3499 | 3700..=3799 => &[15],
        // Mastercard.
        5100..=5599 | 2221..=2720 => &[16],
        // Diners Club.
        3000..=3059 | 3600..=3699 | 3800..=3999 => &[14, 16],
        // JCB; Discover and UnionPay.
        3528..=3589 | 6000..=6999 => &[16, 17, 18, 19],
        // Maestro, as it is still in use.
        5000..=5099 | 5600..=5899 => &[13, 14, 15, 16, 17, 18, 19],
        _ => &[],
    };
    lengths.contains(&digits.len()) && passes_luhn(digits)
}

fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| {
            let digit = u32::from(digit) << (place % 2);
            if digit > 9 { digit - 9 } else { digit }
        })
        .sum();
    sum.is_multiple_of(10)
}
