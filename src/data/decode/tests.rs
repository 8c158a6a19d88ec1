use image::codecs::gif::GifEncoder;
use image::{Frame, GrayImage, ImageBuffer, Rgb, Rgba, RgbaImage};
use moxcms::ColorProfile;

use super::*;

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Red on the left, blue on the right; wider than high.
fn two_halves() -> DynamicImage {
    RgbImage::from_fn(32, 16, |x, _| {
        Rgb(if x < 16 { [220, 10, 10] } else { [10, 10, 220] })
    })
    .into()
}

/// Puts a segment behind the start of a JPEG.
fn with_segment(jpeg: &[u8], marker: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() + 2) as u16;
    let mut bytes = jpeg[..2].to_vec();
    bytes.extend([0xff, marker]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(payload);
    bytes.extend(&jpeg[2..]);
    bytes
}

fn exif_orientation(value: u16) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01".to_vec();
    exif.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1]);
    exif.extend(value.to_be_bytes());
    exif.extend([0; 6]);
    exif
}

fn icc_segment(profile: &[u8]) -> Vec<u8> {
    let mut payload = b"ICC_PROFILE\0\x01\x01".to_vec();
    payload.extend(profile);
    payload
}

fn decode_good(bytes: &[u8]) -> (RgbImage, Vec<String>) {
    decode("picture", bytes).unwrap()
}

#[track_caller]
fn assert_near(pixel: &Rgb<u8>, expected: [u8; 3], tolerance: u8) {
    let worst = pixel.0.iter().zip(expected).map(|(a, b)| a.abs_diff(b));
    assert!(
        worst.max().unwrap() <= tolerance,
        "{pixel:?} is not near {expected:?}"
    );
}

#[test]
fn exif_orientation_is_applied() {
    let jpeg = encoded(&two_halves(), ImageFormat::Jpeg);
    // 6: the top of the scene is on the right of the stored picture.
    let turned = with_segment(&jpeg, 0xe1, &exif_orientation(6));
    let (rgb, notes) = decode_good(&turned);
    assert_eq!(rgb.dimensions(), (16, 32));
    assert_near(rgb.get_pixel(8, 2), [220, 10, 10], 12);
    assert_near(rgb.get_pixel(8, 30), [10, 10, 220], 12);
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn a_colour_profile_is_converted_to_srgb() {
    let grey_and_red: DynamicImage = RgbImage::from_fn(32, 16, |x, _| {
        Rgb(if x < 16 {
            [128, 128, 128]
        } else {
            [200, 60, 60]
        })
    })
    .into();
    let jpeg = encoded(&grey_and_red, ImageFormat::Jpeg);
    let plain = decode_good(&jpeg).0;
    let p3 = ColorProfile::new_display_p3().encode().unwrap();
    let (rgb, notes) = decode_good(&with_segment(&jpeg, 0xe2, &icc_segment(&p3)));
    assert!(notes.is_empty(), "{notes:?}");
    // Grey stays grey; the wider gamut's red is a stronger red in sRGB.
    assert_near(rgb.get_pixel(4, 8), plain.get_pixel(4, 8).0, 2);
    assert!(rgb.get_pixel(28, 8).0[0] > plain.get_pixel(28, 8).0[0] + 8);

    let srgb = ColorProfile::new_srgb().encode().unwrap();
    let (rgb, _) = decode_good(&with_segment(&jpeg, 0xe2, &icc_segment(&srgb)));
    assert_near(rgb.get_pixel(28, 8), plain.get_pixel(28, 8).0, 1);
}

#[test]
fn a_broken_colour_profile_is_ignored_with_a_note() {
    let jpeg = encoded(&two_halves(), ImageFormat::Jpeg);
    let plain = decode_good(&jpeg).0;
    let (rgb, notes) = decode_good(&with_segment(&jpeg, 0xe2, &icc_segment(&[7; 300])));
    assert_eq!(rgb, plain);
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("ignored"), "{notes:?}");
}

#[test]
fn a_grey_picture_with_a_grey_profile() {
    let jpeg = encoded(
        &GrayImage::from_pixel(16, 16, image::Luma([128])).into(),
        ImageFormat::Jpeg,
    );
    let gamma = ColorProfile::new_gray_with_gamma(2.2).encode().unwrap();
    let (rgb, notes) = decode_good(&with_segment(&jpeg, 0xe2, &icc_segment(&gamma)));
    assert!(notes.is_empty(), "{notes:?}");
    assert_near(rgb.get_pixel(8, 8), [128; 3], 3);
}

#[test]
fn every_depth_and_layout_becomes_rgb() {
    let deep: ImageBuffer<Rgb<u16>, Vec<u16>> =
        ImageBuffer::from_pixel(4, 4, Rgb([0xffff, 0x8080, 0]));
    let (rgb, _) = decode_good(&encoded(&deep.into(), ImageFormat::Png));
    assert_eq!(rgb.get_pixel(0, 0).0, [255, 128, 0]);

    let grey = GrayImage::from_pixel(4, 4, image::Luma([77]));
    let (rgb, _) = decode_good(&encoded(&grey.into(), ImageFormat::Png));
    assert_eq!(rgb.get_pixel(0, 0).0, [77; 3]);

    for format in [
        ImageFormat::Bmp,
        ImageFormat::Tiff,
        ImageFormat::Qoi,
        ImageFormat::WebP,
    ] {
        let (rgb, _) = decode_good(&encoded(&two_halves(), format));
        assert_eq!(rgb.get_pixel(31, 0).0, [10, 10, 220], "{format:?}");
    }
    let tga = encoded(&two_halves(), ImageFormat::Tga);
    assert_eq!(decode("a.tga", &tga).unwrap().0.dimensions(), (32, 16));
}

#[test]
fn a_palette_becomes_rgb() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette([1, 2, 3, 200, 100, 50].as_slice());
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[1, 0]).unwrap();
    writer.finish().unwrap();
    let (rgb, _) = decode_good(&bytes);
    assert_eq!(rgb.as_raw(), &[200, 100, 50, 1, 2, 3]);
}

#[test]
fn transparent_pixels_are_mid_grey() {
    let rgba = RgbaImage::from_fn(3, 1, |x, _| Rgba([255, 0, 0, [0, 255, 128][x as usize]]));
    let (rgb, _) = decode_good(&encoded(&rgba.into(), ImageFormat::Png));
    assert_eq!(rgb.get_pixel(0, 0).0, [128; 3]);
    assert_eq!(rgb.get_pixel(1, 0).0, [255, 0, 0]);
    assert_near(rgb.get_pixel(2, 0), [192, 64, 64], 1);
}

#[test]
fn the_first_frame_of_an_animation_is_used() {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for v in [0, 255] {
        let frame = RgbaImage::from_pixel(8, 8, Rgba([v, v, v, 255]));
        encoder.encode_frame(Frame::new(frame)).unwrap();
    }
    drop(encoder);
    let (rgb, notes) = decode_good(&bytes);
    assert_eq!(rgb.get_pixel(0, 0).0, [0; 3]);
    assert!(notes[0].starts_with("animated"), "{notes:?}");
    // One frame is no animation.
    let still = encoded(&two_halves(), ImageFormat::Gif);
    assert!(decode_good(&still).1.is_empty());
}

/// A baseline JPEG of 8x8 pixels with four components as Adobe writes CMYK (inverted): full cyan.
fn cmyk_jpeg() -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8];
    bytes.extend(b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0");
    // One quantisation table: 64 for the mean, which so counts in eighths of a block's sum.
    bytes.extend([0xff, 0xdb, 0, 67, 0, 64]);
    bytes.extend([1; 63]);
    bytes.extend([0xff, 0xc0, 0, 20, 8, 0, 8, 0, 8, 4]);
    for id in 1..=4 {
        bytes.extend([id, 0x11, 0]);
    }
    // Means: categories 0, 4 and 5 as 00, 01, 10. The rest: end of block as 0.
    bytes.extend([0xff, 0xc4, 0, 22, 0x00, 0, 3]);
    bytes.extend([0; 14]);
    bytes.extend([0, 4, 5]);
    bytes.extend([0xff, 0xc4, 0, 20, 0x10, 1]);
    bytes.extend([0; 15]);
    bytes.push(0);
    bytes.extend([0xff, 0xda, 0, 14, 4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0]);
    // Means of 0 (cyan ink) and three times 248 (no ink): -16 and 15 in eights from 128.
    bytes.extend([0b1001_1110, 0b0111_1100, 0b1111_1001, 0b1111_0111]);
    bytes.extend([0xff, 0xd9]);
    bytes
}

#[test]
fn cmyk_is_converted_with_a_note() {
    let (rgb, notes) = decode_good(&cmyk_jpeg());
    assert_near(rgb.get_pixel(4, 4), [0, 241, 241], 12);
    assert!(notes[0].starts_with("CMYK"), "{notes:?}");
}

#[test]
fn files_cut_short_are_told_apart_from_broken_ones() {
    for format in [
        ImageFormat::Jpeg,
        ImageFormat::Png,
        ImageFormat::WebP,
        ImageFormat::Qoi,
    ] {
        let noise = RgbImage::from_fn(64, 64, |x, y| Rgb([(x * y) as u8, (x * 7) as u8, y as u8]));
        let bytes = encoded(&noise.into(), format);
        let error = decode("half", &bytes[..bytes.len() / 2]).unwrap_err();
        assert!(
            matches!(error, DataError::Truncated { .. }),
            "{format:?}: {error}"
        );
    }
    let mut png = encoded(&two_halves(), ImageFormat::Png);
    png[20] ^= 0x55;
    let error = decode("broken", &png).unwrap_err();
    assert!(matches!(error, DataError::Damaged { .. }), "{error}");
}

#[test]
fn other_files_with_the_name_of_a_picture_are_named() {
    let message = |bytes: &[u8]| decode("a.jpg", bytes).unwrap_err().to_string();
    assert!(message(b"<!DOCTYPE html><html>404").contains("web page"));
    assert!(message(b"  <svg xmlns=''/>").contains("SVG"));
    assert!(message(b"\0\0\0\x18ftypheic\0\0\0\0").contains("HEIC"));
    assert!(message(b"%PDF-1.7").contains("PDF"));
    assert!(message(&[0; 64]).contains("zeros"));
    assert!(message(b"hello").contains("not a picture but a text"));
    assert!(message(b"").contains("empty"));
}

#[test]
fn huge_pictures_are_refused_by_their_header() {
    // A PNG header that promises 30,000 x 30,000 pixels.
    let mut bytes = Vec::new();
    let mut writer = png::Encoder::new(&mut bytes, 30_000, 30_000)
        .write_header()
        .unwrap();
    writer.write_chunk(png::chunk::IDAT, &[0; 8]).unwrap();
    drop(writer);
    let error = decode("bomb", &bytes).unwrap_err();
    assert!(
        matches!(error, DataError::TooManyPixels { width: 30_000, .. }),
        "{error}"
    );
    assert!(check_size("wide", 20_000, 20_000).is_err());
    assert!(check_size("wide", 20_000, 10_000).is_ok());
    assert!(check_size("none", 0, 10).is_err());
}

#[test]
fn hostile_bytes_give_errors_not_panics() {
    // Every kind of file, with bytes flipped and cut off by a fixed pattern.
    let mut state = 1u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize
    };
    let formats = [
        ImageFormat::Jpeg,
        ImageFormat::Png,
        ImageFormat::Gif,
        ImageFormat::WebP,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
        ImageFormat::Qoi,
        ImageFormat::Tga,
    ];
    for format in formats {
        let good = encoded(&two_halves(), format);
        for _ in 0..60 {
            let mut bytes = good.clone();
            for _ in 0..1 + next() % 4 {
                let at = next() % bytes.len();
                bytes[at] = next() as u8;
            }
            bytes.truncate(bytes.len() - next() % (bytes.len() / 2));
            // Either is fine; returning at all is what is tested.
            let _ = decode("a.tga", &bytes);
        }
    }
}

/// A TIFF of 2 by 1 pixels with `samples` a pixel, and these entries more: tag, type, bytes.
fn tiff(samples: u16, pixels: &[u8], more: &[(u16, u16, &[u8])], next: u32) -> Vec<u8> {
    let short = |v: u16| v.to_le_bytes().to_vec();
    let long = |v: u32| v.to_le_bytes().to_vec();
    let bits: Vec<u8> = (0..samples).flat_map(|_| short(8)).collect();
    let mut entries: Vec<(u16, u16, Vec<u8>)> = vec![
        (256, 3, short(2)),
        (257, 3, short(1)),
        (258, 3, bits),
        (259, 3, short(1)),
        (262, 3, short(2)),
        (273, 4, long(8)),
        (277, 3, short(samples)),
        (278, 3, short(1)),
        (279, 4, long(pixels.len() as u32)),
    ];
    entries.extend(
        more.iter()
            .map(|(tag, kind, bytes)| (*tag, *kind, bytes.to_vec())),
    );
    entries.sort();
    let mut file = b"II*\0\0\0\0\0".to_vec();
    file.extend(pixels);
    let mut directory = (entries.len() as u16).to_le_bytes().to_vec();
    for (tag, kind, bytes) in &entries {
        let width = match kind {
            3 => 2,
            4 => 4,
            _ => 1,
        };
        directory.extend(tag.to_le_bytes());
        directory.extend(kind.to_le_bytes());
        directory.extend(((bytes.len() / width) as u32).to_le_bytes());
        if bytes.len() > 4 {
            directory.extend((file.len() as u32).to_le_bytes());
            file.extend(bytes);
        } else {
            let mut value = bytes.clone();
            value.resize(4, 0);
            directory.extend(value);
        }
    }
    directory.extend(next.to_le_bytes());
    let at = file.len() as u32;
    file[4..8].copy_from_slice(&at.to_le_bytes());
    file.extend(directory);
    file
}

#[test]
fn the_colour_profile_of_a_tiff_is_applied() {
    let pixels = [200, 60, 60, 128, 128, 128];
    let (plain, notes) = decode_good(&tiff(3, &pixels, &[], 0));
    assert_eq!((plain.as_raw().as_slice(), notes.len()), (&pixels[..], 0));
    let p3 = ColorProfile::new_display_p3().encode().unwrap();
    // As bytes of no type, which is what scanners write, and as bytes.
    for kind in [7, 1] {
        let (rgb, notes) = decode_good(&tiff(3, &pixels, &[(34_675, kind, &p3)], 0));
        assert!(notes.is_empty(), "{notes:?}");
        assert!(rgb.get_pixel(0, 0).0[0] > 208, "{rgb:?}");
        assert_near(rgb.get_pixel(1, 0), [128; 3], 2);
    }
    let (rgb, notes) = decode_good(&tiff(3, &pixels, &[(34_675, 7, &[9; 300])], 0));
    assert_eq!(rgb, plain);
    assert!(notes[0].contains("ignored"), "{notes:?}");
    // A second picture is not read, and that is said.
    let (_, notes) = decode_good(&tiff(3, &pixels, &[], 8));
    assert!(notes[0].contains("pages"), "{notes:?}");
}

#[test]
fn colours_that_were_multiplied_by_their_alpha_are_not_multiplied_again() {
    // Full red at half alpha, and nothing.
    let multiplied = [128, 0, 0, 128, 0, 0, 0, 0];
    let straight = [255, 0, 0, 128, 0, 0, 0, 0];
    let of = |pixels: &[u8], kind: u16| {
        let extra = kind.to_le_bytes();
        decode_good(&tiff(4, pixels, &[(338, 3, &extra)], 0)).0
    };
    let expected = of(&straight, 2);
    assert_near(expected.get_pixel(0, 0), [192, 64, 64], 1);
    let found = of(&multiplied, 1);
    assert_near(found.get_pixel(0, 0), expected.get_pixel(0, 0).0, 1);
    assert_eq!(found.get_pixel(1, 0).0, [128; 3]);
}

/// A PNG of one pixel, with code points of primaries and transfer, and more of its header set.
fn png_of(
    pixel: [u8; 3],
    coding: Option<[u8; 2]>,
    prepare: impl FnOnce(&mut png::Info<'static>),
) -> Vec<u8> {
    let mut info = png::Info::with_size(1, 1);
    info.color_type = png::ColorType::Rgb;
    prepare(&mut info);
    let mut bytes = Vec::new();
    let encoder = png::Encoder::with_info(&mut bytes, info).unwrap();
    let mut writer = encoder.write_header().unwrap();
    if let Some([primaries, transfer]) = coding {
        let kind = png::chunk::ChunkType(*b"cICP");
        writer
            .write_chunk(kind, &[primaries, transfer, 0, 1])
            .unwrap();
    }
    writer.write_image_data(&pixel).unwrap();
    writer.finish().unwrap();
    bytes
}

#[test]
fn what_a_png_says_of_its_colours_is_applied() {
    let red = [200, 60, 60];
    let coding = |primaries, transfer| png_of(red, Some([primaries, transfer]), |_| {});
    let near = |bytes: &[u8], expected: [u8; 3], tolerance| {
        let (rgb, notes) = decode_good(bytes);
        assert!(notes.is_empty(), "{notes:?}");
        assert_near(rgb.get_pixel(0, 0), expected, tolerance);
    };
    near(&png_of(red, None, |_| {}), red, 0);
    // BT.709 with sRGB's curve is sRGB; 12 are the primaries of Display P3.
    near(&coding(1, 13), red, 1);
    let (p3, notes) = decode_good(&coding(12, 13));
    assert!(notes.is_empty(), "{notes:?}");
    assert!(p3.get_pixel(0, 0).0[0] > 208, "{p3:?}");
    let (_, notes) = decode_good(&coding(99, 13));
    assert!(notes[0].contains("99"), "{notes:?}");

    let scaled = png::ScaledFloat::new;
    near(
        &png_of(red, None, |info| info.source_gamma = Some(scaled(0.45455))),
        red,
        0,
    );
    // Linear light of a half is 188 in sRGB.
    let linear = png_of([128; 3], None, |info| info.source_gamma = Some(scaled(1.0)));
    near(&linear, [188; 3], 2);
    let wide = png_of(red, None, |info| {
        let pair = |x, y| (scaled(x), scaled(y));
        info.source_chromaticities = Some(png::SourceChromaticities {
            white: pair(0.3127, 0.3290),
            red: pair(0.680, 0.320),
            green: pair(0.265, 0.690),
            blue: pair(0.150, 0.060),
        });
    });
    near(&wide, p3.get_pixel(0, 0).0, 3);
}

/// Pixels in which every block differs.
fn noise() -> DynamicImage {
    RgbImage::from_fn(64, 64, |x, y| {
        Rgb([(x * y) as u8, (x * 7) as u8, (y * 11) as u8])
    })
    .into()
}

#[test]
fn a_picture_that_lacks_only_its_end_mark_is_whole() {
    let jpeg = encoded(&noise(), ImageFormat::Jpeg);
    let whole = decode_good(&jpeg).0;
    let without = &jpeg[..jpeg.len() - 2];
    for bytes in [without, &jpeg[..jpeg.len() - 1]] {
        let (rgb, notes) = decode_good(bytes);
        assert_eq!(rgb, whole);
        assert!(notes[0].contains("end mark"), "{notes:?}");
    }
    // A tenth of the scan is not only the mark.
    let cut = decode("cut", &jpeg[..jpeg.len() * 9 / 10]).unwrap_err();
    assert!(matches!(cut, DataError::Truncated { .. }), "{cut}");

    let png = encoded(&noise(), ImageFormat::Png);
    let (rgb, notes) = decode_good(&png[..png.len() - 12]);
    assert_eq!(rgb, noise().to_rgb8());
    assert!(notes[0].contains("end mark"), "{notes:?}");
    let cut = decode("cut", &png[..png.len() - 40]).unwrap_err();
    assert!(matches!(cut, DataError::Truncated { .. }), "{cut}");
}
