//! The program's icon, drawn by code: a grid of cells that glow from the centre.

use image::{Rgba, RgbaImage};

/// Draws the icon: a rounded dark tile with a warm disc that dissolves into a grid of cells, one
/// corner still in noise.
pub fn draw(side: u32) -> RgbaImage {
    const CELLS: f32 = 8.0;
    const SUPERSAMPLING: u32 = 4;
    let shade = |u: f32, v: f32| -> [f32; 4] {
        // Rounded square as a distance field.
        let (qx, qy) = ((u - 0.5).abs() - 0.28, (v - 0.5).abs() - 0.28);
        let outside = qx.max(0.0).hypot(qy.max(0.0)) + qx.max(qy).min(0.0) - 0.2;
        if outside > 0.0 {
            return [0.0; 4];
        }
        let (cx, cy) = ((u * CELLS).floor(), (v * CELLS).floor());
        let (fx, fy) = (u * CELLS - cx, v * CELLS - cy);
        // Left of the diagonal the disc is smooth, right of it each cell has one value.
        let mix = ((u + v - 0.85) / 0.5).clamp(0.0, 1.0);
        let (sx, sy) = (
            u + mix * ((cx + 0.5) / CELLS - u),
            v + mix * ((cy + 0.5) / CELLS - v),
        );
        let distance = (sx - 0.5).hypot(sy - 0.5);
        let jitter = ((cx * 12.9898 + cy * 78.233).sin() * 43_758.547).fract() * 0.5;
        let glow = (1.25 - distance * 3.1 + mix * jitter).clamp(0.0, 1.0);
        let glow = glow * glow * (3.0 - 2.0 * glow);
        let gutter = if mix > 0.4 && (fx < 0.07 || fy < 0.07) {
            0.45
        } else {
            1.0
        };
        let dark = [0.085, 0.09, 0.11];
        let warm = [0.96, 0.63, 0.26];
        let light = [1.0, 0.93, 0.78];
        let core = ((glow - 0.55) / 0.45).clamp(0.0, 1.0);
        let mut rgba = [0.0, 0.0, 0.0, 1.0];
        for (i, value) in rgba.iter_mut().take(3).enumerate() {
            let lit: f32 = warm[i] + core * (light[i] - warm[i]);
            *value = dark[i] + glow * gutter * (lit - dark[i]);
        }
        rgba
    };
    RgbaImage::from_fn(side, side, |x, y| {
        let mut sum = [0.0f32; 4];
        for j in 0..SUPERSAMPLING {
            for i in 0..SUPERSAMPLING {
                let at = |p: u32, k: u32| {
                    (p as f32 + (k as f32 + 0.5) / SUPERSAMPLING as f32) / side as f32
                };
                let [r, g, b, a] = shade(at(x, i), at(y, j));
                for (total, value) in sum.iter_mut().zip([r * a, g * a, b * a, a]) {
                    *total += value;
                }
            }
        }
        let alpha = sum[3].max(1e-6);
        let n_samples = (SUPERSAMPLING * SUPERSAMPLING) as f32;
        let byte = |v: f32| (v * 255.0).round().clamp(0.0, 255.0) as u8;
        Rgba([
            byte(sum[0] / alpha),
            byte(sum[1] / alpha),
            byte(sum[2] / alpha),
            byte(sum[3] / n_samples),
        ])
    })
}

/// The icon as the window system wants it.
pub fn icon_data() -> egui::IconData {
    let icon = draw(128);
    egui::IconData {
        width: icon.width(),
        height: icon.height(),
        rgba: icon.into_raw(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_are_clear_and_the_middle_glows() {
        let icon = draw(64);
        assert_eq!(icon.get_pixel(0, 0)[3], 0);
        let middle = icon.get_pixel(30, 30);
        assert!(middle[0] > 220 && middle[3] == 255, "{middle:?}");
    }

    /// Run with `--ignored` after a change of the drawing.
    #[test]
    #[ignore = "writes assets/icon.png"]
    fn write_icon() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/icon.png");
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/assets")).unwrap();
        draw(256).save(path).unwrap();
    }

    #[test]
    fn the_file_is_what_the_code_draws() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/icon.png");
        let file = image::open(path).unwrap().into_rgba8();
        assert_eq!(file.dimensions(), (256, 256));
        // sin and friends may differ in the last bit between platforms.
        let drawn = draw(256);
        let differing = (file.pixels().zip(drawn.pixels()))
            .filter(|(a, b)| a.0.iter().zip(b.0).any(|(&a, b)| a.abs_diff(b) > 2))
            .count();
        assert!(differing < 200, "{differing} pixels differ; run write_icon");
    }
}
