use super::*;
use crate::data::test_pictures;

fn gradient(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 60])
    })
}

fn source(rgb: RgbImage) -> SourcePicture {
    SourcePicture {
        name: "picture".into(),
        rgb,
        notes: Vec::new(),
    }
}

#[test]
fn without_a_face_the_middle_is_taken() {
    let (crop, face_found) = propose_crop(&gradient(300, 200), &[]);
    assert!(!face_found);
    let middle = CropSquare {
        cx: 150.0,
        cy: 100.0,
        side: 200.0,
    };
    assert_eq!(crop, middle);
}

#[test]
fn a_picture_of_the_models_size_is_taken_as_it_is() {
    let Some(pictures) = test_pictures(8) else {
        return;
    };
    let mut faces = 0;
    for picture in pictures {
        let side = picture.width();
        let whole = (CropSquare::centred(side, side), false);
        assert_eq!(framing(&picture, side), whole);
        faces += usize::from(framing(&picture, side - 1).1);
    }
    assert!(faces > 0);
}

#[test]
fn a_face_lands_where_the_training_pictures_have_it() {
    let face = FaceBox {
        x: 300.0,
        y: 200.0,
        side: 140.0,
        score: 9.0,
    };
    let (crop, face_found) = propose_crop(&gradient(1000, 800), &[face]);
    assert!(face_found);
    let share = |v: f32, centre: f32| (v - (centre - crop.side / 2.0)) / crop.side;
    assert!((share(370.0, crop.cx) - FACE_CENTRE.0).abs() < 1e-5);
    assert!((share(270.0, crop.cy) - FACE_CENTRE.1).abs() < 1e-5);
    assert!((140.0 / crop.side - FACE_SIDE).abs() < 1e-5);
}

#[test]
fn mad_squares_become_sane() {
    let mad = CropSquare {
        cx: f32::NAN,
        cy: 1e30,
        side: f32::INFINITY,
    };
    let sane = CropSquare {
        cx: 50.0,
        cy: 60.0,
        side: 60.0,
    };
    assert_eq!(mad.clamped(100, 60), sane);
    let tiny = CropSquare { side: -3.0, ..sane };
    assert_eq!(tiny.clamped(100, 60).side, CropSquare::MIN_SIDE);
    let huge = CropSquare { side: 1e9, ..sane };
    assert_eq!(huge.clamped(100, 60).side, 400.0);
    // Even a picture of one pixel gives a picture.
    assert_eq!(apply_crop(&gradient(1, 1), huge, 16).dimensions(), (16, 16));
}

#[test]
fn a_picture_of_the_size_of_the_model_is_taken_as_it_is() {
    let picture = gradient(64, 64);
    let (framed, crop, face_found) = frame_for_model(&source(picture.clone()), 64, false).unwrap();
    assert_eq!(framed, picture);
    assert_eq!(crop, CropSquare::centred(64, 64));
    assert!(!face_found);
}

#[test]
fn no_crop_takes_the_middle() {
    let (framed, crop, _) = frame_for_model(&source(gradient(400, 200)), 64, true).unwrap();
    assert_eq!(crop.side, 200.0);
    // Red runs over the whole width: a quarter is cut on the left.
    assert!(framed.get_pixel(0, 0).0[0].abs_diff(65) < 3);
    assert!(frame_for_model(&source(RgbImage::new(0, 0)), 64, true).is_err());
    assert!(frame_for_model(&source(gradient(9, 9)), 0, true).is_err());
}

#[test]
fn training_pictures_are_framed_as_they_are() {
    let Some(pictures) = test_pictures(30) else {
        return;
    };
    let mut offsets = Vec::new();
    for picture in pictures {
        let (crop, face_found) = propose_crop(&picture, &faces::detect(&picture));
        if face_found {
            offsets.push([
                (crop.cx - 100.0) / 200.0,
                (crop.cy - 100.0) / 200.0,
                crop.side / 200.0 - 1.0,
            ]);
        }
    }
    assert!(offsets.len() >= 20, "{} of 30 faces found", offsets.len());
    for i in 0..3 {
        let mean = offsets.iter().map(|o| o[i]).sum::<f32>() / offsets.len() as f32;
        assert!(mean.abs() < 0.06, "offset {i} is {mean}");
    }
}

#[test]
#[ignore = "measures the constants of this module, minutes"]
fn measure_the_training_framing() {
    let Some(pictures) = test_pictures(400) else {
        return;
    };
    let n = pictures.len();
    let mut columns = [const { Vec::new() }; 4];
    for picture in &pictures {
        if let Some(&face) = faces::detect(picture).first() {
            let face = faces::refine(picture, face);
            let (cx, cy) = face.centre();
            let row = [cx / 200.0, cy / 200.0, face.side / 200.0, face.score];
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value);
            }
        }
    }
    println!("faces in {} of {n}", columns[0].len());
    for (name, column) in ["cx", "cy", "side", "score"].iter().zip(&mut columns) {
        column.sort_by(f32::total_cmp);
        let at = |share: f32| column[(share * (column.len() - 1) as f32) as usize];
        println!(
            "{name}: 5% {}, median {}, 95% {}",
            at(0.05),
            at(0.5),
            at(0.95)
        );
    }
    let at_64 = pictures
        .iter()
        .filter(|p| faces::has_face(&apply_crop(p, CropSquare::centred(200, 200), 64)))
        .count();
    println!("at 64 pixels faces in {at_64} of {n}");
}
