//! A film to a file, in the format that the file's name says.

use std::path::Path;

use super::film::{Film, FilmFormat};
use super::{ExportError, gif, mp4, png_file, webp};

/// Writes a film in the format that its name says. `settings` go in where the format has a place for text; `proceed` is
/// asked before each frame, with its number, and `false` cancels.
///
/// Errors: another ending, ffmpeg missing for an MP4, frames that no film can have, all that can go wrong with a file.
pub fn write_film(
    path: &Path,
    film: &Film<'_>,
    settings: Option<&str>,
    proceed: &mut dyn FnMut(usize) -> bool,
) -> Result<(), ExportError> {
    match FilmFormat::of_path(path)? {
        FilmFormat::Gif => gif::write_gif(path, film, proceed),
        FilmFormat::Apng => png_file::write_apng(path, film, settings, proceed),
        FilmFormat::WebP => webp::write_webp(path, film, proceed),
        FilmFormat::Mp4 => mp4::write_mp4(path, film, proceed),
    }
}
