//! The program's own reader and exporter, behind the worker's seams.

use std::path::Path;

use image::RgbImage;

use super::message::{CropSquare, PictureSource};
use super::seams::{Cancelled, Exporter, GridLayout, Pasting, PictureReader, ReadPicture};
use crate::data::{crop, intake};
use crate::export::layout::enlarge;
use crate::export::{ExportError, Film, FrameFolder, compose, write_film, write_png};
use crate::paste::{self, paste_back};

/// Threads for work on whole photos.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Between the cells of a grid.
const BACKGROUND: [u8; 3] = [255; 3];

/// Pictures as `data` reads and frames them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pictures;

impl PictureReader for Pictures {
    fn read(&self, source: &PictureSource) -> Result<ReadPicture, String> {
        let picture = intake::read(source).map_err(|e| e.to_string())?;
        Ok(ReadPicture {
            name: picture.name,
            pixels: picture.rgb,
        })
    }

    fn propose_crop(&self, pixels: &RgbImage, size: u32) -> (CropSquare, bool) {
        crop::framing(pixels, size)
    }

    fn apply_crop(&self, pixels: &RgbImage, crop: CropSquare, size: u32) -> RgbImage {
        crop::apply_crop(pixels, crop, size)
    }
}

/// Files as `export` writes them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files;

impl Exporter for Files {
    fn grid(
        &self,
        pictures: &[RgbImage],
        layout: GridLayout<'_>,
        settings: &str,
        path: &Path,
    ) -> Result<(), String> {
        let GridLayout {
            columns,
            gap,
            labels,
            scale,
        } = layout;
        let labels = (!labels.is_empty()).then_some(labels);
        compose(pictures, columns, gap, scale, labels, BACKGROUND)
            .and_then(|sheet| write_png(path, &sheet, Some(settings)))
            .map_err(text)
    }

    fn frame(
        &self,
        picture: &RgbImage,
        index: usize,
        total: usize,
        scale: u32,
        settings: &str,
        folder: &Path,
    ) -> Result<(), String> {
        FrameFolder::create(folder, total)
            .and_then(|frames| frames.write(index, &enlarge(picture, scale), Some(settings)))
            .map(drop)
            .map_err(text)
    }

    fn photo(&self, pasting: &Pasting, quality: u8, path: &Path) -> Result<Vec<String>, String> {
        let original = intake::read_original(&pasting.source).map_err(|e| e.to_string())?;
        let Pasting {
            crop,
            framed,
            change,
            ..
        } = pasting;
        let edited = paste_back(&original.srgb, *crop, framed, change, threads());
        let written = paste::write(path, &original, &edited, quality, threads());
        let mut notes = original.notes;
        notes.extend(written.map_err(text)?);
        Ok(notes)
    }

    fn film(
        &self,
        film: &Film<'_>,
        settings: &str,
        path: &Path,
        cancelled: Cancelled<'_>,
    ) -> Result<(), String> {
        write_film(path, film, Some(settings), &mut |_| !cancelled()).map_err(text)
    }
}

fn text(error: ExportError) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::{Rate, read_settings};

    fn pictures() -> Vec<RgbImage> {
        let one = |grey| RgbImage::from_pixel(8, 8, image::Rgb([grey; 3]));
        vec![one(10), one(200), one(90)]
    }

    #[test]
    fn a_picture_comes_back_with_its_settings_and_can_be_read_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.png");
        let layout = GridLayout {
            columns: 2,
            gap: 4,
            labels: &[],
            scale: 2,
        };
        Files.grid(&pictures(), layout, "{\"a\":1}", &path).unwrap();
        assert_eq!(read_settings(&path).as_deref(), Some("{\"a\":1}"));
        let read = Pictures.read(&PictureSource::Path(path)).unwrap();
        assert_eq!(read.name, "grid.png");
        let (crop, face_found) = Pictures.propose_crop(&read.pixels, 16);
        assert!(!face_found);
        assert_eq!(
            Pictures.apply_crop(&read.pixels, crop, 16).dimensions(),
            (16, 16)
        );
        let missing = PictureSource::Path(folder.path().join("none.png"));
        assert!(Pictures.read(&missing).unwrap_err().contains("none.png"));
    }

    #[test]
    fn frames_are_numbered_and_animations_go_by_their_extension() {
        let folder = tempfile::tempdir().unwrap();
        let frames = folder.path().join("frames");
        for (i, picture) in pictures().iter().enumerate() {
            Files.frame(picture, i, 3, 1, "{}", &frames).unwrap();
        }
        assert_eq!(std::fs::read_dir(&frames).unwrap().count(), 3);
        let pictures = pictures();
        let film = Film {
            pictures: &pictures,
            order: &[0, 1, 2, 1],
            rate: Rate::per_second(20),
            scale: 2,
            labels: &[],
        };
        for (name, magic) in [
            ("a.gif", &b"GIF8"[..]),
            ("a.png", b"\x89PNG"),
            ("a.webp", b"RIFF"),
        ] {
            let path = folder.path().join(name);
            Files.film(&film, "{}", &path, &|| false).unwrap();
            assert!(std::fs::read(&path).unwrap().starts_with(magic));
        }
        let path = folder.path().join("b.gif");
        assert!(Files.film(&film, "{}", &path, &|| true).is_err());
        assert!(!path.exists());
    }
}
