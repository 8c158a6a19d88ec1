use image::Rgb;

use super::*;
use crate::data::crop::apply_crop;
use crate::data::{PictureSource, intake};

const SIZE: usize = 32;

/// Fine stripes over a slow gradient, with a dark disc in the middle: detail that no small picture holds.
fn photo(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let stripe = if (x / 2 + y / 3) % 2 == 0 { 12 } else { 0 };
        let (dx, dy) = (
            x as f32 - width as f32 / 2.0,
            y as f32 - height as f32 / 2.0,
        );
        let disc = (dx * dx + dy * dy).sqrt() < height as f32 / 8.0;
        let slow = (x * 60 / width + y * 40 / height) as u8;
        let base = if disc { 40 } else { 110 };
        Rgb([base + slow + stripe, base + slow, base + stripe])
    })
}

fn x_of(picture: &RgbImage) -> Vec<f32> {
    let channel = |c: usize| {
        picture
            .pixels()
            .map(move |p| (f32::from(p.0[c]) + 0.5) / 256.0 - 0.5)
    };
    (0..3).flat_map(channel).collect()
}

fn crop() -> CropSquare {
    CropSquare {
        cx: 200.0,
        cy: 150.0,
        side: 200.0,
    }
}

fn framed(photo: &RgbImage) -> RgbImage {
    apply_crop(photo, crop(), SIZE as u32)
}

/// The change that takes the framed picture to `to`.
fn change_to(framed: &RgbImage, to: &RgbImage) -> Change {
    Change::between(&x_of(framed), &x_of(to), SIZE).unwrap()
}

#[test]
fn no_change_leaves_every_byte() {
    let photo = photo(400, 300);
    let framed = framed(&photo);
    let change = change_to(&framed, &framed);
    assert!(change.is_zero());
    assert_eq!(paste_back(&photo, crop(), &framed, &change, 2), photo);
}

#[test]
fn where_nothing_changes_the_photo_keeps_every_byte() {
    let photo = photo(400, 300);
    let framed = framed(&photo);
    let mut to = framed.clone();
    for y in 12..20 {
        for x in 12..20 {
            to.get_pixel_mut(x, y).0 = [200, 90, 90];
        }
    }
    let change = change_to(&framed, &to);
    let out = paste_back(&photo, crop(), &framed, &change, 2);
    let mut n_changed = 0;
    for (x, y, pixel) in out.enumerate_pixels() {
        // The patch, in the photo, and two pixels of the model more: as far as enlargement reaches.
        let near = |v: u32, start: u32| (start + 60..start + 140).contains(&v);
        let inside = near(x, 100) && near(y, 50);
        let changed = pixel != photo.get_pixel(x, y);
        assert!(inside || !changed, "{x} {y}");
        n_changed += u32::from(changed);
    }
    assert!(n_changed > 50 * 50 / 2, "{n_changed}");
}

#[test]
fn the_result_is_the_edit_at_the_models_size_and_keeps_detail_in_the_photos() {
    let photo = photo(400, 300);
    let framed = framed(&photo);
    let mut to = framed.clone();
    for (x, y, pixel) in to.enumerate_pixels_mut() {
        let t = ((x as f32 - 16.0).powi(2) + (y as f32 - 16.0).powi(2)) / 60.0;
        let lift = (50.0 * (-t).exp()) as u8;
        pixel.0 = pixel.0.map(|v| v.saturating_add(lift));
    }
    let change = change_to(&framed, &to);
    let out = paste_back(&photo, crop(), &framed, &change, 3);
    let again = apply_crop(&out, crop(), SIZE as u32);
    let inner = |v: u32| (4..28).contains(&v);
    let mut worst = 0;
    for (x, y, pixel) in again
        .enumerate_pixels()
        .filter(|(x, y, _)| inner(*x) && inner(*y))
    {
        let wanted = to.get_pixel(x, y);
        worst = worst.max(
            (0..3)
                .map(|c| pixel.0[c].abs_diff(wanted.0[c]))
                .max()
                .unwrap(),
        );
    }
    assert!(worst <= 6, "{worst}");
    // The stripes, finer than the model's pixels, are there as before.
    let step = |p: &RgbImage, x, y| {
        i32::from(p.get_pixel(x, y).0[2]) - i32::from(p.get_pixel(x + 2, y).0[2])
    };
    for x in (216..224).step_by(2) {
        let (before, after) = (step(&photo, x, 170), step(&out, x, 170));
        assert!((before - after).abs() <= 4, "{before} {after}");
    }
}

#[test]
fn an_edge_that_the_edit_takes_away_goes_with_its_detail() {
    // A dark bar with hard edges on even ground; the edit paints it over.
    let photo = RgbImage::from_fn(400, 300, |x, y| {
        let bar = (160..240).contains(&x) && (140..157).contains(&y);
        Rgb([if bar { 50 } else { 150 }; 3])
    });
    let framed = framed(&photo);
    let to = RgbImage::from_pixel(SIZE as u32, SIZE as u32, Rgb([150; 3]));
    let change = change_to(&framed, &to);
    let out = paste_back(&photo, crop(), &framed, &change, 1);
    // Along a line across the bar's edges, where plain enlargement leaves rings of some 40 levels.
    let plain = |y: u32| {
        let axis = Extent::new(crop().cy, crop().side, SIZE, 300, FADE);
        let columns = Extent::new(crop().cx, crop().side, SIZE, 400, FADE);
        let wide = Rows::across(&change.planes, SIZE, 3, &columns, 1);
        let mut line = vec![0.0; 3 * columns.len()];
        wide.down(axis.at(y as usize).unwrap().0, &mut line);
        f32::from(photo.get_pixel(200, y).0[0]) + line[200 - columns.first()]
    };
    let worst = |of: &dyn Fn(u32) -> f32| {
        let off = (130..168).map(|y| (of(y) - 150.0).abs());
        off.fold(0.0, f32::max)
    };
    let (ours, plain) = (
        worst(&|y| f32::from(out.get_pixel(200, y).0[0])),
        worst(&plain),
    );
    assert!(plain > 25.0 && ours < 0.5 * plain, "{ours} {plain}");
}

#[test]
fn any_number_of_threads_gives_the_same_picture() {
    let photo = photo(400, 300);
    let framed = framed(&photo);
    let to = RgbImage::from_fn(32, 32, |x, y| Rgb([x as u8 * 8, y as u8 * 8, 99]));
    let change = change_to(&framed, &to);
    let one = paste_back(&photo, crop(), &framed, &change, 1);
    assert_eq!(paste_back(&photo, crop(), &framed, &change, 5), one);
}

#[test]
fn a_square_over_the_border_and_a_photo_of_the_models_size_work() {
    let photo = photo(400, 300);
    let over = CropSquare {
        cx: 390.0,
        cy: 10.0,
        side: 300.0,
    };
    let framed = apply_crop(&photo, over, SIZE as u32);
    let to = RgbImage::from_pixel(32, 32, Rgb([250; 3]));
    let out = paste_back(&photo, over, &framed, &change_to(&framed, &to), 2);
    assert_ne!(out.get_pixel(399, 0), photo.get_pixel(399, 0));
    assert_eq!(out.get_pixel(100, 200), photo.get_pixel(100, 200));

    let small = RgbImage::from_fn(32, 32, |x, y| Rgb([x as u8 * 7, y as u8 * 7, 40]));
    let whole = CropSquare::centred(32, 32);
    let out = paste_back(&small, whole, &small, &change_to(&small, &to), 1);
    assert_eq!(out, to);
}

#[test]
fn impossible_changes_are_refused() {
    let zeros = vec![0.0; 3 * 16];
    let mut broken = zeros.clone();
    broken[5] = f32::NAN;
    assert_eq!(
        Change::between(&zeros, &broken, 4),
        Err(ChangeError::NotFinite)
    );
    assert_eq!(
        Change::between(&zeros, &zeros[..9], 4),
        Err(ChangeError::Shape)
    );
    assert_eq!(Change::between(&[], &[], 0), Err(ChangeError::Shape));
    // Grey models change all three channels; what cannot be shown counts as its limit.
    let grey = Change::between(&[0.0; 16], &[9.0; 16], 4).unwrap();
    assert_eq!(grey.planes, vec![127.0; 48]);
    let photo = photo(40, 30);
    let other = RgbImage::new(5, 5);
    assert_eq!(paste_back(&photo, crop(), &other, &grey, 1), photo);
}

#[test]
fn a_file_without_a_change_is_written_as_it_is_and_keeps_the_rest_with_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.jpg");
    let pixels = photo(120, 90);
    let camera = CameraPhoto {
        pixels: &pixels,
        alpha: None,
        profile: None,
        exif: Some(b"II\x2a\0\x08\0\0\0\0\0\0\0\0\0"),
    };
    write_photo(&path, &camera, 80).unwrap();
    let original = intake::read_original(&PictureSource::Path(path.clone())).unwrap();
    let out = folder.path().join("out.jpg");
    write(&out, &original, &original.srgb, 95, 2).unwrap();
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(&path).unwrap());

    let mut edited = original.srgb.clone();
    edited.put_pixel(60, 45, Rgb([255, 0, 0]));
    write(&out, &original, &edited, 95, 2).unwrap();
    let own = write(&path, &original, &edited, 95, 2).unwrap_err();
    assert!(matches!(own, ExportError::Itself { .. }), "{own}");
    let again = intake::read_original(&PictureSource::Path(out)).unwrap();
    assert_eq!(again.exif, original.exif);
    let worst = again.srgb.iter().zip(original.srgb.iter()).take(100);
    assert!(worst.map(|(a, b)| a.abs_diff(*b)).max().unwrap() < 20);
}
