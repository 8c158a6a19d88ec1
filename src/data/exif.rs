//! EXIF that fits a photo again once it was turned upright and changed.
//!
//! EXIF is a TIFF file without pixels: a header, then directories of entries of twelve bytes (tag, type, count, value or
//! its place), each followed by the place of the next directory (Exif 2.32, section 4.6.2).

const WIDTH: u16 = 0x0100;
const HEIGHT: u16 = 0x0101;
const ORIENTATION: u16 = 0x0112;
const PREVIEW_START: u16 = 0x0201;
const PREVIEW_LENGTH: u16 = 0x0202;
const EXIF_DIRECTORY: u16 = 0x8769;
const PIXEL_WIDTH: u16 = 0xa002;
const PIXEL_HEIGHT: u16 = 0xa003;

/// The same EXIF for upright pixels of this size: the orientation says so, the size is the new one, and the preview,
/// which shows the photo as it was, is taken out. `None` where the bytes are no EXIF.
pub(super) fn upright(exif: &[u8], width: u32, height: u32) -> Option<Vec<u8>> {
    // Some writers keep the name that JPEG puts in front.
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let mut tiff = Tiff::new(exif.to_vec())?;
    let first = tiff.u32(4)? as usize;
    let (entries, next_at) = tiff.directory(first)?;
    for entry in entries {
        match tiff.u16(entry)? {
            ORIENTATION => tiff.set(entry, 1),
            WIDTH => tiff.set(entry, width),
            HEIGHT => tiff.set(entry, height),
            EXIF_DIRECTORY => {
                let place = tiff.u32(entry + 8)? as usize;
                let (inner, _) = tiff.directory(place).unwrap_or_default();
                for entry in inner {
                    match tiff.u16(entry)? {
                        PIXEL_WIDTH => tiff.set(entry, width),
                        PIXEL_HEIGHT => tiff.set(entry, height),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    tiff.drop_preview(next_at);
    Some(tiff.bytes)
}

struct Tiff {
    bytes: Vec<u8>,
    is_big_endian: bool,
}

impl Tiff {
    fn new(bytes: Vec<u8>) -> Option<Self> {
        let is_big_endian = match bytes.get(..4)? {
            b"MM\0\x2a" => true,
            b"II\x2a\0" => false,
            _ => return None,
        };
        Some(Self {
            bytes,
            is_big_endian,
        })
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let two = self.bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(match self.is_big_endian {
            true => u16::from_be_bytes(two),
            false => u16::from_le_bytes(two),
        })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let four = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(match self.is_big_endian {
            true => u32::from_be_bytes(four),
            false => u32::from_le_bytes(four),
        })
    }

    fn put(&mut self, at: usize, value: &[u8]) {
        if let Some(to) = self.bytes.get_mut(at..at + value.len()) {
            to.copy_from_slice(value);
        }
    }

    /// The places of a directory's entries, and of the link behind them.
    fn directory(&self, at: usize) -> Option<(Vec<usize>, usize)> {
        let n = usize::from(self.u16(at)?);
        let end = at.checked_add(2 + 12 * n)?;
        if end > self.bytes.len() {
            return None;
        }
        Some(((0..n).map(|i| at + 2 + 12 * i).collect(), end))
    }

    /// Sets an entry that holds one number, in the width that it has.
    fn set(&mut self, entry: usize, value: u32) {
        let big = self.is_big_endian;
        match self.u16(entry + 2) {
            // SHORT
            Some(3) => {
                let value = u16::try_from(value).unwrap_or(u16::MAX);
                let bytes = if big {
                    value.to_be_bytes()
                } else {
                    value.to_le_bytes()
                };
                self.put(entry + 8, &bytes);
            }
            // LONG
            Some(4) => {
                let bytes = if big {
                    value.to_be_bytes()
                } else {
                    value.to_le_bytes()
                };
                self.put(entry + 8, &bytes);
            }
            _ => {}
        }
    }

    /// Cuts off the directory that the link at `next_at` leads to, and blanks the preview in it.
    fn drop_preview(&mut self, next_at: usize) {
        let Some(second) = self.u32(next_at).filter(|&at| at != 0) else {
            return;
        };
        let (entries, _) = self.directory(second as usize).unwrap_or_default();
        let value = |tag| {
            let entry = *entries.iter().find(|&&e| self.u16(e) == Some(tag))?;
            self.u32(entry + 8).map(|v| v as usize)
        };
        if let (Some(start), Some(length)) = (value(PREVIEW_START), value(PREVIEW_LENGTH))
            && let Some(end) = start.checked_add(length)
            && let Some(preview) = self.bytes.get_mut(start..end)
        {
            preview.fill(0);
        }
        self.put(next_at, &[0; 4]);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// EXIF of a camera: orientation, a size in a directory of its own, and a preview.
    pub(in crate::data) fn camera_exif(orientation: u16, is_big_endian: bool) -> Vec<u8> {
        let mut bytes = if is_big_endian {
            b"MM\0\x2a".to_vec()
        } else {
            b"II\x2a\0".to_vec()
        };
        let short = |bytes: &mut Vec<u8>, v: u16| match is_big_endian {
            true => bytes.extend(v.to_be_bytes()),
            false => bytes.extend(v.to_le_bytes()),
        };
        let long = |bytes: &mut Vec<u8>, v: u32| match is_big_endian {
            true => bytes.extend(v.to_be_bytes()),
            false => bytes.extend(v.to_le_bytes()),
        };
        let entry = |bytes: &mut Vec<u8>, tag: u16, kind: u16, value: u32| {
            short(bytes, tag);
            short(bytes, kind);
            long(bytes, 1);
            if kind == 3 {
                short(bytes, value as u16);
                short(bytes, 0);
            } else {
                long(bytes, value);
            }
        };
        long(&mut bytes, 8);
        // The first directory: 8..38; that of the size: 38..68; that of the preview: 68..98.
        short(&mut bytes, 2);
        entry(&mut bytes, ORIENTATION, 3, orientation.into());
        entry(&mut bytes, EXIF_DIRECTORY, 4, 38);
        long(&mut bytes, 68);
        short(&mut bytes, 2);
        entry(&mut bytes, PIXEL_WIDTH, 4, 4000);
        entry(&mut bytes, PIXEL_HEIGHT, 3, 3000);
        long(&mut bytes, 0);
        short(&mut bytes, 2);
        entry(&mut bytes, PREVIEW_START, 4, 98);
        entry(&mut bytes, PREVIEW_LENGTH, 4, 5);
        long(&mut bytes, 0);
        bytes.extend(b"faces");
        bytes
    }

    #[test]
    fn orientation_size_and_preview_follow_the_pixels() {
        for big in [true, false] {
            let mut prefixed = b"Exif\0\0".to_vec();
            prefixed.extend(camera_exif(6, big));
            let exif = upright(&prefixed, 300, 400).unwrap();
            let mut expected = camera_exif(1, big);
            let tiff = Tiff::new(exif.clone()).unwrap();
            assert_eq!(tiff.u32(34), Some(0), "no preview");
            assert_eq!(&exif[98..], [0; 5]);
            assert_eq!(tiff.u32(38 + 2 + 8), Some(300));
            assert_eq!(tiff.u16(38 + 14 + 8), Some(400));
            // Everything else is as it was.
            for range in [34..38, 48..52, 60..62, 98..103] {
                expected[range.clone()].copy_from_slice(&exif[range]);
            }
            assert_eq!(exif, expected);
        }
    }

    #[test]
    fn what_is_no_exif_is_none_and_damage_is_survived() {
        assert_eq!(upright(b"", 1, 1), None);
        assert_eq!(upright(b"rubbish that is longer", 1, 1), None);
        let whole = camera_exif(6, true);
        for length in 0..whole.len() {
            let _ = upright(&whole[..length], 1, 1);
        }
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] = 0xff;
            let _ = upright(&broken, 1, 1);
        }
    }
}
