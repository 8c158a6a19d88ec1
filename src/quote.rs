//! Text of others, such as names and values from files, made fit to be shown: nothing in it acts on a terminal, and it
//! ends.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The longest piece of somebody else's text in a message, in characters.
pub const MAX_PIECE: usize = 300;

/// Whether a character acts on a terminal, hides, or turns the text round it.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Text of several lines with everything escaped that acts on a terminal, but for line ends and tabs.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |c| acts(c) && c != '\n' && c != '\t')
}

/// The same in one line.
pub fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, acts)
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_escaped(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// JSON with everything escaped that acts on a terminal; the same JSON.
pub fn printable_json(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| acts(c) && c != '\n') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut units = [0; 2];
    for c in text.chars() {
        if !acts(c) || c == '\n' {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut units) {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    Cow::Owned(out)
}

/// At most `max` characters of a text: the start and the end, where messages have what they are about.
pub fn cut(text: &str, max: usize) -> Cow<'_, str> {
    let n = text.chars().count();
    if n <= max {
        return Cow::Borrowed(text);
    }
    let (head, tail) = (max - max / 3, max / 3);
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(n - tail).collect();
    Cow::Owned(format!("{start} … ({} left out) … {end}", n - max))
}

/// A piece of somebody else's text inside a message: one line, of at most [`MAX_PIECE`] characters.
pub fn piece(text: &str) -> String {
    one_line(&cut(text, MAX_PIECE)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_the_terminal() {
        let text = "a\u{1b}[2J\u{9b}31m\0\u{202e}b\nc\té 顔";
        assert_eq!(
            printable(text),
            "a\\u{1b}[2J\\u{9b}31m\\u{0}\\u{202e}b\nc\té 顔"
        );
        assert_eq!(one_line("a\nb\r\tc"), "a\\nb\\r\\tc");
        assert!(matches!(printable("plain\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = serde_json::json!({ "a": "x\u{9b}y\u{7f}\u{feff} \u{1b}" });
        let text = serde_json::to_string_pretty(&value).unwrap();
        let shown = printable_json(&text);
        assert!(shown.chars().all(|c| c == '\n' || !acts(c)), "{shown}");
        let back: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(back, value);
    }

    #[test]
    fn long_texts_keep_both_ends() {
        assert_eq!(cut("short", 5), "short");
        let long = format!("start{}end", "x".repeat(10_000));
        let text = cut(&long, 300);
        assert!(text.starts_with("start") && text.ends_with("end"));
        assert!(text.chars().count() < 340);
        assert!(text.contains("9708 left out"), "{text}");
    }
}
