//! What bytes look like that are not what they were taken for.

/// How much of a file is looked at.
const START: usize = 512;

/// Text that files of other kinds start with, in lower case, and what they are.
const TEXTS: [(&str, &str); 9] = [
    (
        "version https://git-lfs",
        "a Git LFS pointer, a text in the file's place; fetch the file itself with `git lfs pull`",
    ),
    ("<!doctype html", PAGE),
    ("<html", PAGE),
    ("<head", PAGE),
    ("<body", PAGE),
    ("<svg", "an SVG drawing; export it as PNG"),
    ("<?xml", "an XML document"),
    ("{\"", "a JSON text"),
    ("#!", "a script"),
];
const PAGE: &str = "a web page under the file's name; download the file itself";

/// Bytes that they start with, and what they are.
const SIGNATURES: [(&[u8], &str); 11] = [
    (b"%PDF", "a PDF document; export the picture as PNG"),
    (b"PK\x03\x04", "a ZIP archive; unpack it first"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive; unpack it first"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
];

/// What a file's first bytes look like, and what to do about it; `None` where they say nothing.
pub fn looks_like(bytes: &[u8]) -> Option<&'static str> {
    let start = &bytes[..bytes.len().min(START)];
    if start.is_empty() {
        return Some("an empty file; copy or download it again");
    }
    if start.iter().all(|&b| b == 0) {
        return Some("a file of zeros; copy or download it again");
    }
    if let Some((_, what)) = SIGNATURES.iter().find(|(s, _)| start.starts_with(s)) {
        return Some(what);
    }
    if start.get(4..8) == Some(b"ftyp") {
        return Some("a HEIC, AVIF or video file; export it as JPEG or PNG");
    }
    let text = String::from_utf8_lossy(start).to_lowercase();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with("<?xml") && text.contains("<svg") {
        return Some("an SVG drawing; export it as PNG");
    }
    let known = TEXTS.iter().find(|(s, _)| text.starts_with(s));
    let is_plain = |b: &u8| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7e);
    match known {
        Some((_, what)) => Some(what),
        None if start.iter().all(is_plain) => Some("a text"),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_often_under_a_wrong_name_is_told() {
        let told = |bytes: &[u8], word: &str| {
            let what = looks_like(bytes);
            assert!(what.is_some_and(|w| w.contains(word)), "{what:?}");
        };
        told(b"version https://git-lfs.github.com/spec/v1\noid", "LFS");
        told(b"\xef\xbb\xbf  <!DOCTYPE html><html>", "web page");
        told(b"<?xml version=\"1.0\"?><svg>", "SVG");
        told(b"<?xml version=\"1.0\"?><a>", "XML");
        told(b"PK\x03\x04rest", "ZIP");
        told(b"\0\0\0\x18ftypheic", "HEIC");
        told(b"file,age\n", "text");
        told(&[0; 900], "zeros");
        told(b"", "empty");
        assert_eq!(looks_like(&[0x10, 0, 0, 0, 0, 0, 0, 0, b'{']), None);
    }
}
