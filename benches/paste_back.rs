//! `cargo bench --bench paste_back`: an edit brought back into a photo of 12 megapixels, on one and on two threads; apart,
//! what reading and writing that photo as JPEG takes. Prints one JSON object a line; figures are medians.

use std::time::Instant;

use glow_explorer::data::crop::apply_crop;
use glow_explorer::data::{CropSquare, PictureSource, intake};
use glow_explorer::paste::{self, Change, paste_back};
use image::{Rgb, RgbImage};

const RUNS: usize = 9;

fn median(mut run: impl FnMut()) -> f64 {
    let mut seconds: Vec<f64> = (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[RUNS / 2]
}

fn main() {
    let (width, height) = (3000, 4000);
    let photo = RgbImage::from_fn(width, height, |x, y| {
        let grain = (x * 7 + y * 13) % 23;
        Rgb([
            (x / 16 + grain) as u8,
            (y / 20 + grain) as u8,
            100 + grain as u8,
        ])
    });
    let folder = std::env::temp_dir().join(format!("glow-explorer-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the folder for temporary files can be written");
    let (file, out) = (folder.join("in.jpg"), folder.join("out.jpg"));
    photo.save(&file).expect("the bench's photo can be written");
    let source = PictureSource::Path(file);
    let read_s = median(|| drop(intake::read_original(&source)));
    let photo = intake::read_original(&source).expect("the bench's photo can be read");
    // A face that fills half of the width, and the whole of it.
    for (size, side) in [(64, 1500.0), (64, 3000.0), (256, 3000.0)] {
        let crop = CropSquare {
            cx: 1500.0,
            cy: 1700.0,
            side,
        };
        let framed = apply_crop(&photo.srgb, crop, size);
        let n = 3 * (size * size) as usize;
        let before = vec![0.0; n];
        let after: Vec<f32> = (0..n).map(|i| (i % 97) as f32 / 400.0 - 0.1).collect();
        let change = Change::between(&before, &after, size as usize).expect("pictures of one size");
        for threads in [1, 2] {
            let paste_s = median(|| {
                paste_back(&photo.srgb, crop, &framed, &change, threads);
            });
            let edited = paste_back(&photo.srgb, crop, &framed, &change, threads);
            let write_s = median(|| {
                paste::write(&out, &photo, &edited, 95, threads)
                    .expect("the bench's photo can be written");
            });
            println!(
                "{{\"size\":{size},\"side\":{side},\"threads\":{threads},\"paste_s\":{paste_s:.4},\"read_s\":{read_s:.4},\"write_s\":{write_s:.4}}}"
            );
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
}
