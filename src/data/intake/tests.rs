use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use image::Rgb;

use super::*;

fn read_path(path: PathBuf) -> Result<SourcePicture, DataError> {
    read(&PictureSource::Path(path))
}

#[test]
fn reads_a_file_and_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("face one.png");
    RgbImage::from_pixel(5, 4, Rgb([1, 2, 3]))
        .save(&path)
        .unwrap();
    let picture = read_path(path).unwrap();
    assert_eq!(picture.name, "face one.png");
    assert_eq!(picture.rgb.dimensions(), (5, 4));
    assert!(picture.notes.is_empty());
}

#[test]
fn each_wrong_path_has_its_own_error() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("empty.jpg"), b"").unwrap();
    fs::write(at("page.jpg"), b"<html>").unwrap();
    fs::File::create(at("large.jpg"))
        .unwrap()
        .set_len(MAX_FILE_BYTES + 1)
        .unwrap();
    assert!(matches!(
        read_path(at("none.jpg")),
        Err(DataError::Missing { .. })
    ));
    assert!(matches!(
        read_path(folder.path().to_owned()),
        Err(DataError::IsFolder { .. })
    ));
    assert!(matches!(
        read_path(at("empty.jpg")),
        Err(DataError::Empty { .. })
    ));
    assert!(matches!(
        read_path(at("large.jpg")),
        Err(DataError::TooLarge { .. })
    ));
    let error = read_path(at("page.jpg")).unwrap_err();
    assert!(matches!(error, DataError::NotAPicture { .. }));
    // The path is in the message.
    assert!(
        error
            .to_string()
            .ends_with(&at("page.jpg").display().to_string())
    );
}

#[cfg(unix)]
#[test]
fn a_device_is_not_waited_for() {
    let error = read_path("/dev/zero".into()).unwrap_err();
    assert!(matches!(error, DataError::NotAFile { .. }), "{error}");
}

#[test]
fn reads_dropped_bytes_and_clipboard_pixels() {
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::from_pixel(2, 2, Rgb([9, 8, 7]))
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    let dropped = PictureSource::Bytes {
        name: "dropped.png".into(),
        bytes: Arc::from(bytes.into_inner()),
    };
    let picture = read(&dropped).unwrap();
    assert_eq!(
        (picture.name.as_str(), picture.rgb.get_pixel(1, 1).0),
        ("dropped.png", [9, 8, 7])
    );

    let pixels = |n: usize| PictureSource::Rgba {
        size: [2, 1],
        pixels: Arc::from(vec![0; n]),
    };
    assert_eq!(read(&pixels(8)).unwrap().rgb.as_raw(), &[128; 6]);
    assert!(read(&pixels(7)).is_err());
    assert!(read(&pixels(12)).is_err());
    let endless = PictureSource::Rgba {
        size: [u32::MAX, u32::MAX],
        pixels: Arc::from(vec![0; 4]),
    };
    assert!(read(&endless).is_err());
}

#[test]
fn previews_keep_the_shape() {
    let picture = |width, height| SourcePicture {
        name: String::new(),
        rgb: RgbImage::from_pixel(width, height, Rgb([50, 60, 70])),
        notes: Vec::new(),
    };
    let preview = picture(4000, 1000).preview(1024);
    assert_eq!(preview.dimensions(), (1024, 256));
    assert_eq!(preview.get_pixel(500, 100).0, [50, 60, 70]);
    assert_eq!(picture(1100, 900).preview(1024).dimensions().0, 1024);
    assert_eq!(picture(30, 20).preview(1024).dimensions(), (30, 20));
    assert_eq!(picture(5000, 1).preview(100).dimensions(), (100, 1));
}
