//! Settings inside EXIF, for formats without text of their own: a comment that begins with our name.

/// Keyword of the text that holds the settings, as JSON.
pub const SETTINGS_KEYWORD: &str = "glow-explorer";

/// Bytes of settings for which a JPEG has room: a segment holds 65,533, with what stands round them here.
pub(super) const MAX_JPEG_SETTINGS: usize = 65_000;

/// Tags, and the types of their values.
const SOFTWARE: u16 = 0x0131;
const EXIF_DIRECTORY: u16 = 0x8769;
const USER_COMMENT: u16 = 0x9286;
const ASCII: u16 = 2;
const LONG: u16 = 4;
const UNDEFINED: u16 = 7;

/// A TIFF of two directories: who wrote the picture, and the settings as a comment.
pub(super) fn with_settings(settings: Option<&str>) -> Vec<u8> {
    let software = concat!("glow-explorer ", env!("CARGO_PKG_VERSION"), "\0");
    // Eight bytes name the character set; zeros leave it open.
    let comment = settings.map(|s| format!("\0\0\0\0\0\0\0\0{SETTINGS_KEYWORD}\0{s}"));
    let n_entries = 1 + u16::from(comment.is_some());
    let software_at = 8 + 2 + 12 * u32::from(n_entries) + 4;
    let directory_at = (software_at + software.len() as u32).next_multiple_of(2);
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend(n_entries.to_le_bytes());
    let entry = |bytes: &mut Vec<u8>, tag: u16, kind: u16, count: u32, value: u32| {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    };
    entry(
        &mut bytes,
        SOFTWARE,
        ASCII,
        software.len() as u32,
        software_at,
    );
    if comment.is_some() {
        entry(&mut bytes, EXIF_DIRECTORY, LONG, 1, directory_at);
    }
    bytes.extend([0; 4]);
    bytes.extend(software.as_bytes());
    if let Some(comment) = comment {
        bytes.resize(directory_at as usize, 0);
        bytes.extend(1u16.to_le_bytes());
        let comment_at = directory_at + 2 + 12 + 4;
        let n = comment.len() as u32;
        entry(&mut bytes, USER_COMMENT, UNDEFINED, n, comment_at);
        bytes.extend([0; 4]);
        bytes.extend(comment.as_bytes());
    }
    bytes
}

/// The settings in EXIF, wherever another program that rewrote it has put the comment.
pub(super) fn settings_in(exif: &[u8]) -> Option<String> {
    let start = format!("{SETTINGS_KEYWORD}\0");
    let at = exif
        .windows(start.len())
        .position(|w| w == start.as_bytes())?;
    let text = &exif[at + start.len()..];
    let mut values =
        serde_json::Deserializer::from_slice(text).into_iter::<serde::de::IgnoredAny>();
    values.next()?.ok()?;
    let end = values.byte_offset();
    std::str::from_utf8(&text[..end]).ok().map(str::to_owned)
}
