use std::sync::Arc;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{DynamicImage, ImageEncoder, Rgb, Rgba, RgbaImage};

use super::super::exif::tests::camera_exif;
use super::super::intake::{self, read_original};
use super::super::{PictureSource, exif};
use super::*;

fn picture() -> RgbImage {
    RgbImage::from_fn(24, 16, |x, y| {
        Rgb([x as u8 * 10, y as u8 * 15, 128 + (x + y) as u8])
    })
}

/// Colours that both sRGB and wider spaces have, with room on either side.
fn muted() -> RgbImage {
    RgbImage::from_fn(24, 16, |x, y| {
        Rgb([110 + x as u8 * 2, 100 + y as u8 * 2, 120])
    })
}

fn bytes_of(name: &str, bytes: Vec<u8>) -> PictureSource {
    let bytes = Arc::from(bytes);
    let name = name.to_owned();
    PictureSource::Bytes { name, bytes }
}

fn png(picture: &DynamicImage, profile: Option<Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = PngEncoder::new(&mut bytes);
    if let Some(profile) = profile {
        encoder.set_icc_profile(profile).unwrap();
    }
    picture.write_with_encoder(encoder).unwrap();
    bytes
}

fn read_png(picture: impl Into<DynamicImage>, profile: Option<Vec<u8>>) -> Original {
    read_original(&bytes_of("a.png", png(&picture.into(), profile))).unwrap()
}

fn wide_gamut() -> Option<Vec<u8>> {
    Some(ColorProfile::new_display_p3().encode().unwrap())
}

#[test]
fn the_picture_is_what_the_intake_gives_and_the_turn_is_in_its_exif() {
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 95);
    encoder.set_exif_metadata(camera_exif(6, true)).unwrap();
    let picture = picture();
    encoder
        .write_image(picture.as_raw(), 24, 16, image::ExtendedColorType::Rgb8)
        .unwrap();
    let source = bytes_of("a.jpg", jpeg);
    let original = read_original(&source).unwrap();
    assert_eq!(original.srgb, intake::read(&source).unwrap().rgb);
    assert_eq!(original.srgb.dimensions(), (16, 24));
    assert_eq!(original.name, "a.jpg");
    // Turned: the file cannot stand for it any more.
    assert!(original.file_as(Path::new("b.jpg")).is_none());
    let exif = original.exif.unwrap();
    assert_eq!(exif::upright(&camera_exif(6, true), 16, 24).unwrap(), exif);
}

#[test]
fn an_upright_file_stands_for_itself_in_its_own_format_alone() {
    let bytes = png(&picture().into(), None);
    let original = read_original(&bytes_of("a.png", bytes.clone())).unwrap();
    assert_eq!(original.file_as(Path::new("x.PNG")), Some(&bytes[..]));
    assert_eq!(original.file_as(Path::new("x.jpg")), None);
    assert_eq!(original.with_edit(&picture(), 2).0, picture());
}

#[test]
fn unchanged_pixels_keep_their_bytes_in_their_own_colours() {
    let original = read_png(muted(), wide_gamut());
    assert_ne!(original.srgb, muted(), "the profile changes colours");
    assert!(original.profile.is_some());
    let mut edited = original.srgb.clone();
    for y in 4..12 {
        for x in 6..18 {
            for v in &mut edited.get_pixel_mut(x, y).0 {
                *v = if *v < 128 { *v + 20 } else { *v - 20 };
            }
        }
    }
    let (result, notes) = original.with_edit(&edited, 3);
    assert!(notes.is_empty(), "{notes:?}");
    for (x, y, pixel) in result.enumerate_pixels() {
        let inside = (6..18).contains(&x) && (4..12).contains(&y);
        assert_eq!(*pixel == *muted().get_pixel(x, y), !inside, "{x} {y}");
    }
    // Seen through the profile again it is what was asked for.
    let again = read_png(result, wide_gamut());
    let pairs = again.srgb.iter().zip(edited.iter());
    let worst = pairs.map(|(a, e)| a.abs_diff(*e)).max().unwrap();
    assert!(worst <= 2, "{worst}");
}

#[test]
fn transparency_stays() {
    let rgba = RgbaImage::from_fn(8, 8, |x, y| {
        let alpha = if x < 4 { 0 } else { 255 };
        Rgba([x as u8 * 20, y as u8 * 20, 9, alpha])
    });
    let original = read_png(rgba.clone(), None);
    let alpha = original.alpha.as_ref().unwrap();
    assert_eq!(alpha.iter().filter(|&&a| a == 0).count(), 32);
    // What lies under the transparent half is not lost either.
    let (result, _) = original.with_edit(&original.srgb, 1);
    assert_eq!(result, DynamicImage::from(rgba).to_rgb8());
}

#[test]
fn what_is_not_kept_is_said() {
    let grey = DynamicImage::from(picture()).to_luma8();
    let profile = ColorProfile::new_gray_with_gamma(2.2).encode().unwrap();
    let original = read_png(grey, Some(profile));
    assert!(original.profile.is_none());
    assert!(original.notes[0].contains("grey"), "{:?}", original.notes);
    let deep = DynamicImage::from(picture()).to_rgb16();
    let original = read_png(deep, None);
    assert!(original.notes[0].contains("8"), "{:?}", original.notes);
}
