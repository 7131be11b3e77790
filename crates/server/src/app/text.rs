//! What texts that people give may be.

use std::ops::RangeInclusive;

/// Whether a text has as many bytes and stands on one line: it has no control characters.
pub fn is_line(text: &str, bytes: RangeInclusive<usize>) -> bool {
    bytes.contains(&text.len()) && !text.contains(char::is_control)
}

/// The same for a text that may have several lines.
pub fn is_text(text: &str, bytes: RangeInclusive<usize>) -> bool {
    bytes.contains(&text.len()) && !text.contains(|letter: char| letter.is_control() && letter != '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_end_of_line_and_a_text_nothing_that_moves_a_cursor() {
        for (text, line, several) in [
            ("", false, false),
            ("a", true, true),
            ("\u{e9}\u{e9}", true, true),
            ("a\nb", false, true),
            ("a\rb", false, false),
            ("\u{1b}[2J", false, false),
            ("12345", false, false),
        ] {
            assert_eq!((is_line(text, 1..=4), is_text(text, 1..=4)), (line, several), "{text:?}");
        }
    }
}
