//! Names of picture files.

use std::path::Path;

/// Names that end in one of these are taken for pictures; files with other names where they begin like one.
const EXTENSIONS: [&str; 19] = [
    "jpg", "jpeg", "jpe", "jfif", "jif", "png", "apng", "webp", "gif", "bmp", "dib", "tif", "tiff",
    "tga", "qoi", "ppm", "pgm", "pnm", "pam",
];

/// Whether a file is taken for a picture, by the ending of its name.
pub(super) fn has_picture_name(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(e)))
}
