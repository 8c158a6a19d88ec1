//! What the segments of a JPEG say, and one that lacks nothing but its end marker.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, ImageReader};

/// What the segments of a JPEG say, beyond what the decoder tells.
#[derive(Default)]
pub(super) struct JpegFacts {
    /// The scan data has no end marker: decoders paint the missing part grey without a word.
    pub(super) is_cut_off: bool,
    /// Four components.
    pub(super) is_cmyk: bool,
}

impl JpegFacts {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut facts = Self::default();
        let mut at = 2;
        // Walk the segments: a thumbnail inside one of them may hold an end marker of its own.
        while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
            match marker {
                // A fill byte before the marker proper.
                0xff => at += 1,
                0x01 | 0xd0..=0xd8 => at += 2,
                0xd9 => return facts,
                0xda => {
                    facts.is_cut_off = !bytes[at..].windows(2).any(|w| w == [0xff, 0xd9]);
                    return facts;
                }
                _ => {
                    // A frame header; its ninth byte counts the components.
                    let is_frame =
                        matches!(marker, 0xc0..=0xcf) && ![0xc4, 0xc8, 0xcc].contains(&marker);
                    facts.is_cmyk |= is_frame && bytes.get(at + 9) == Some(&4);
                    at += 2 + usize::from(u16::from_be_bytes([high, low]));
                }
            }
        }
        // Garbage between segments is the decoder's to judge; running off the end is not.
        facts.is_cut_off = at + 4 > bytes.len();
        facts
    }
}

/// The marker of the end.
const EOI: [u8; 2] = [0xff, 0xd9];

/// A JPEG that is cut off with its end marker, if nothing else is missing.
///
/// No decoder tells whether the scan is complete: it paints what is missing. So the picture is decoded twice, with two
/// different fillings behind what is there: where both give the same, none of the filling was needed.
pub(super) fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    // Half of a marker is none.
    let bytes = bytes.strip_suffix(&[0xff]).unwrap_or(bytes);
    if !has_all_scans(bytes) {
        return None;
    }
    let decoded = |filling: &[u8]| -> Option<DynamicImage> {
        let bytes = [bytes, filling, &EOI].concat();
        let reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Jpeg);
        reader.decode().ok()
    };
    // A byte of ones would be a marker; a block takes a few bits at least.
    let (a, b) = (decoded(&[0x55; 4096])?, decoded(&[0xb2; 4096])?);
    (a == b).then(|| [bytes, &EOI].concat())
}

/// Whether the scans that begin cover every coefficient to its last bit: a progressive picture brings them one after the
/// other, and looks whole, if blurred, without the last ones.
fn has_all_scans(bytes: &[u8]) -> bool {
    let (mut n_components, mut is_progressive) = (0, false);
    // By component: the coefficients that came with their last bit.
    let mut done: Vec<(u8, [bool; 64])> = Vec::new();
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
        match marker {
            0xff => at += 1,
            // Restarts stand among the data; a stuffed zero is data.
            0x00 | 0x01 | 0xd0..=0xd8 => at += 2,
            _ => {
                let len = usize::from(u16::from_be_bytes([high, low]));
                let segment = bytes.get(at + 4..at + 2 + len).unwrap_or_default();
                if matches!(marker, 0xc0..=0xc2) {
                    n_components = usize::from(segment.get(5).copied().unwrap_or(0));
                    is_progressive = marker == 0xc2;
                }
                at += 2 + len;
                if marker == 0xda {
                    scan(segment, &mut done);
                    let data = bytes.get(at..).unwrap_or_default();
                    let is_marker = |w: &[u8]| w[0] == 0xff && !matches!(w[1], 0 | 0xd0..=0xd7);
                    let end = data.windows(2).position(is_marker);
                    at += end.unwrap_or(data.len());
                }
            }
        }
    }
    let all = done.iter().filter(|(_, c)| c.iter().all(|&v| v)).count();
    match is_progressive {
        true => n_components > 0 && all == n_components,
        false => !done.is_empty(),
    }
}

/// Notes what a scan's header says that it brings.
fn scan(segment: &[u8], done: &mut Vec<(u8, [bool; 64])>) {
    let n = usize::from(segment.first().copied().unwrap_or(0));
    let Some(&[start, end, bits]) = segment.get(1 + 2 * n..).and_then(<[u8]>::first_chunk::<3>)
    else {
        return;
    };
    for component in segment[1..].chunks(2).take(n).map(|c| c[0]) {
        let known = done.iter().position(|(c, _)| *c == component);
        let known = known.unwrap_or_else(|| {
            done.push((component, [false; 64]));
            done.len() - 1
        });
        for k in start.min(63)..=end.min(63) {
            // The lower half says how many bits are still to come.
            done[known].1[usize::from(k)] |= bits & 0xf == 0;
        }
    }
}
