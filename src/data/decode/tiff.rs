//! What the first directory of a TIFF says that the decoder does not tell.

/// Tags of the directory's entries.
const PHOTOMETRIC: u64 = 262;
const EXTRA_SAMPLES: u64 = 338;
const ICC_PROFILE: u64 = 34_675;

/// What [`EXTRA_SAMPLES`] says of colours that have been multiplied by their alpha.
const ASSOCIATED_ALPHA: u64 = 1;
/// What [`PHOTOMETRIC`] says of inks.
const SEPARATED: u64 = 5;

/// See the module.
#[derive(Debug, Default, PartialEq)]
pub(super) struct TiffFacts {
    /// The colour profile.
    pub(super) profile: Option<Vec<u8>>,
    /// Colours have been multiplied by their alpha.
    pub(super) is_premultiplied: bool,
    /// Inks.
    pub(super) is_cmyk: bool,
    /// There are pictures behind the first.
    pub(super) has_more_pages: bool,
}

impl TiffFacts {
    /// `None` where the file is damaged before its end of the directory; the decoder says more of that.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let file = TiffBytes {
            bytes,
            is_little: bytes.starts_with(b"II"),
        };
        // Version 43 has eight bytes where 42 has four.
        let wide = match file.at(2, 2)? {
            42 => false,
            43 => true,
            _ => return None,
        };
        let (word, size) = if wide { (8, 20) } else { (4, 12) };
        let directory = file.at(if wide { 8 } else { 4 }, word)? as usize;
        let n = file.at(directory, if wide { 8 } else { 2 })? as usize;
        let first = directory.checked_add(if wide { 8 } else { 2 })?;
        let mut facts = Self::default();
        // More entries than the file has room for end at its end.
        for entry in (0..n.min(1 << 16)).map(|i| first + i * size) {
            let (tag, kind) = (file.at(entry, 2)?, file.at(entry + 2, 2)?);
            let count = file.at(entry + 4, word)? as usize;
            let value = entry + 4 + word;
            match tag {
                PHOTOMETRIC => facts.is_cmyk = file.at(value, 2)? == SEPARATED,
                // The first is the alpha, where there is one.
                EXTRA_SAMPLES if kind == 3 => {
                    let at = match 2 * count > word {
                        true => file.at(value, word)? as usize,
                        false => value,
                    };
                    facts.is_premultiplied = file.at(at, 2)? == ASSOCIATED_ALPHA;
                }
                // Bytes, or bytes of no type.
                ICC_PROFILE if matches!(kind, 1 | 7) && count > word => {
                    let at = file.at(value, word)? as usize;
                    facts.profile = bytes.get(at..at.checked_add(count)?).map(<[u8]>::to_vec);
                }
                _ => {}
            }
        }
        facts.has_more_pages = file.at(first + n.min(1 << 16) * size, word) > Some(0);
        Some(facts)
    }
}

struct TiffBytes<'a> {
    bytes: &'a [u8],
    is_little: bool,
}

impl TiffBytes<'_> {
    /// The number of `n` bytes at a place.
    fn at(&self, at: usize, n: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(n)?)?.iter();
        let push = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
        Some(match self.is_little {
            true => bytes.rev().fold(0, push),
            false => bytes.fold(0, push),
        })
    }
}
