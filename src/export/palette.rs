//! 256 colours for many pictures, and pictures in them.

use image::{Rgb, RgbImage};

/// Colours of a palette.
const N_COLOURS: usize = 256;
/// Bits of each channel by which colours are counted and looked up.
const BITS: usize = 7;
const N_CELLS: usize = 1 << (3 * BITS);
/// Rounds of k-means after the splitting; more change nothing that is seen.
const ROUNDS: usize = 4;
/// Bayer's matrix of 8 x 8 thresholds has every 64th once.
const BAYER_BITS: u32 = 3;

type Colour = [f32; 3];

/// A palette, and the entry for each colour once it was looked for.
pub(super) struct Palette {
    colours: Vec<Colour>,
    /// By cell: the nearest entry, or `UNKNOWN`.
    nearest: Vec<u16>,
}

const UNKNOWN: u16 = u16::MAX;

/// The colours that fall into one cell of colour space.
#[derive(Clone, Copy, Default)]
struct ColourCell {
    n: f32,
    mean: Colour,
}

impl Palette {
    /// The colours that these pictures are drawn in with the least squared error: colour space is split where the error
    /// is largest, across its widest side at its mean (after Wu 1991), and k-means settles the rest. With `ink`, black
    /// and white are among them, for text.
    pub(super) fn of(pictures: &[RgbImage], ink: bool) -> Self {
        let mut cells = cells_of(pictures);
        if ink {
            // As much as a line of text covers.
            let total: f32 = cells.iter().map(|c| c.n).sum();
            let cell = |grey| ColourCell {
                n: 0.02 * total.max(1.0),
                mean: [grey; 3],
            };
            cells.extend([cell(25.0), cell(255.0)]);
        }
        let mut colours = split(&mut cells);
        for _ in 0..ROUNDS {
            settle(&mut colours, &cells);
        }
        if colours.is_empty() {
            colours.push([0.0; 3]);
        }
        Self {
            colours,
            nearest: vec![UNKNOWN; N_CELLS],
        }
    }

    /// Red, green, blue of each entry.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let byte = |v: &f32| v.round().clamp(0.0, 255.0) as u8;
        self.colours.iter().flatten().map(byte).collect()
    }

    /// The entry for each pixel. Colours between two entries are dithered between them by a fixed pattern, which stands
    /// still where the picture does; colours that the palette has are left alone.
    pub(super) fn indices(&mut self, picture: &RgbImage) -> Vec<u8> {
        let pixels = picture.enumerate_pixels();
        pixels
            .map(|(x, y, pixel)| self.entry(x, y, pixel))
            .collect()
    }

    fn entry(&mut self, x: u32, y: u32, pixel: &Rgb<u8>) -> u8 {
        let colour = pixel.0.map(f32::from);
        let first = self.near(colour);
        let a = self.colours[first];
        // The entry on the other side of the colour, as far as there is one.
        let beyond = [0, 1, 2].map(|c| (2.0 * colour[c] - a[c]).clamp(0.0, 255.0));
        let second = self.near(beyond);
        let b = self.colours[second];
        let (mut along, mut length) = (0.0, 0.0);
        for c in 0..3 {
            along += (colour[c] - a[c]) * (b[c] - a[c]);
            length += (b[c] - a[c]) * (b[c] - a[c]);
        }
        let share = if length > 0.0 { along / length } else { 0.0 };
        let chosen = if share > threshold(x, y) {
            second
        } else {
            first
        };
        chosen as u8
    }

    /// The nearest entry to the middle of the colour's cell.
    fn near(&mut self, colour: Colour) -> usize {
        let cell = cell_of(colour.map(|v| v as u8));
        if self.nearest[cell] == UNKNOWN {
            // The colour that was asked for first speaks for its cell: palettes are made of such colours.
            self.nearest[cell] = nearest(&self.colours, colour) as u16;
        }
        self.nearest[cell].into()
    }
}

fn cell_of(colour: [u8; 3]) -> usize {
    let [r, g, b] = colour.map(|v| usize::from(v) >> (8 - BITS));
    r << (2 * BITS) | g << BITS | b
}

/// The cells that hold pixels.
fn cells_of(pictures: &[RgbImage]) -> Vec<ColourCell> {
    let mut sums = vec![(0u64, [0u64; 3]); N_CELLS];
    for pixel in pictures.iter().flat_map(RgbImage::pixels) {
        let (n, sum) = &mut sums[cell_of(pixel.0)];
        *n += 1;
        for (to, v) in sum.iter_mut().zip(pixel.0) {
            *to += u64::from(v);
        }
    }
    let used = sums.into_iter().filter(|(n, _)| *n > 0);
    used.map(|(n, sum)| ColourCell {
        n: n as f32,
        mean: sum.map(|v| (v as f64 / n as f64) as f32),
    })
    .collect()
}

/// A run of cells that one colour stands for.
struct ColourBox {
    start: usize,
    end: usize,
    mean: Colour,
    /// Squared error along each channel.
    errors: Colour,
}

impl ColourBox {
    fn new(cells: &[ColourCell], start: usize, end: usize) -> Self {
        let (mut n, mut sum, mut squares) = (0.0f64, [0.0f64; 3], [0.0f64; 3]);
        for cell in &cells[start..end] {
            let weight = f64::from(cell.n);
            n += weight;
            for c in 0..3 {
                let v = f64::from(cell.mean[c]);
                sum[c] += weight * v;
                squares[c] += weight * v * v;
            }
        }
        let n = n.max(f64::MIN_POSITIVE);
        Self {
            start,
            end,
            mean: sum.map(|s| (s / n) as f32),
            errors: [0, 1, 2].map(|c| (squares[c] - sum[c] * sum[c] / n).max(0.0) as f32),
        }
    }

    fn error(&self) -> f32 {
        // A cell alone cannot be split, whatever rounding says.
        if self.end - self.start < 2 {
            return 0.0;
        }
        self.errors.iter().sum()
    }

    /// The channel along which its colours differ most.
    fn widest(&self) -> usize {
        let larger = |a: usize, b: usize| {
            if self.errors[b] > self.errors[a] {
                b
            } else {
                a
            }
        };
        [1, 2].into_iter().fold(0, larger)
    }
}

/// The means of at most [`N_COLOURS`] parts of the cells, which it sorts.
fn split(cells: &mut [ColourCell]) -> Vec<Colour> {
    if cells.is_empty() {
        return Vec::new();
    }
    let mut parts = vec![ColourBox::new(cells, 0, cells.len())];
    while parts.len() < N_COLOURS {
        let errors = parts.iter().map(ColourBox::error).enumerate();
        let Some((worst, error)) = errors.max_by(|a, b| a.1.total_cmp(&b.1)) else {
            break;
        };
        if error <= 0.0 {
            break;
        }
        let part = &parts[worst];
        let (start, end, channel) = (part.start, part.end, part.widest());
        let mean = part.mean[channel];
        let inside = &mut cells[start..end];
        inside.sort_unstable_by(|a, b| a.mean[channel].total_cmp(&b.mean[channel]));
        let below = inside.partition_point(|cell| cell.mean[channel] < mean);
        let middle = start + below.clamp(1, end - start - 1);
        parts[worst] = ColourBox::new(cells, start, middle);
        parts.push(ColourBox::new(cells, middle, end));
    }
    parts.iter().map(|part| part.mean).collect()
}

/// One round of k-means: each colour moves to the mean of the cells that are nearest to it.
fn settle(colours: &mut [Colour], cells: &[ColourCell]) {
    let mut sums = vec![(0.0f64, [0.0f64; 3]); colours.len()];
    for cell in cells {
        let (n, sum) = &mut sums[nearest(colours, cell.mean)];
        *n += f64::from(cell.n);
        for (to, v) in sum.iter_mut().zip(cell.mean) {
            *to += f64::from(cell.n) * f64::from(v);
        }
    }
    for (colour, (n, sum)) in colours.iter_mut().zip(sums) {
        if n > 0.0 {
            *colour = sum.map(|s| (s / n) as f32);
        }
    }
}

fn nearest(colours: &[Colour], to: Colour) -> usize {
    let distance = |colour: &Colour| -> f32 {
        let squares = colour.iter().zip(to).map(|(a, b)| (a - b) * (a - b));
        squares.sum()
    };
    let mut best = (0, f32::INFINITY);
    for (at, colour) in colours.iter().enumerate() {
        let d = distance(colour);
        if d < best.1 {
            best = (at, d);
        }
    }
    best.0
}

/// Bayer's threshold at a pixel, above 0 and below 1.
fn threshold(x: u32, y: u32) -> f32 {
    let mut rank = 0;
    for bit in 0..BAYER_BITS {
        let (x, y) = (x >> bit & 1, y >> bit & 1);
        // The lowest bits of the place decide the highest of the rank.
        rank |= (x ^ y) << (2 * (BAYER_BITS - 1 - bit) + 1) | y << (2 * (BAYER_BITS - 1 - bit));
    }
    (rank as f32 + 0.5) / 64.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Skin tones from dark to light with a coloured ground: thousands of colours.
    fn portrait(shift: u32) -> RgbImage {
        RgbImage::from_fn(128, 128, |x, y| {
            let light = (x + y + shift) as f32 / 300.0;
            if (x as f32 - 64.0).hypot(y as f32 - 64.0) < 50.0 {
                Rgb([235.0, 190.0, 160.0].map(|v| (v * light) as u8))
            } else {
                Rgb([(20 + x / 4) as u8, (60 + y / 3) as u8, 120])
            }
        })
    }

    fn drawn(palette: &mut Palette, picture: &RgbImage) -> RgbImage {
        let bytes = palette.bytes();
        let indices = palette.indices(picture);
        let rgb = indices
            .iter()
            .flat_map(|&i| bytes[3 * usize::from(i)..][..3].to_vec());
        RgbImage::from_raw(picture.width(), picture.height(), rgb.collect()).unwrap()
    }

    fn mean_square(a: &RgbImage, b: &RgbImage) -> f64 {
        let squares = a
            .iter()
            .zip(b.iter())
            .map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
        squares.sum::<f64>() / a.as_raw().len() as f64
    }

    /// Means over 4 x 4 pixels, as the eye takes them from afar.
    fn from_afar(picture: &RgbImage) -> RgbImage {
        let (width, height) = (picture.width() / 4, picture.height() / 4);
        image::imageops::thumbnail(picture, width, height)
    }

    #[test]
    fn few_colours_are_kept_exactly() {
        let picture = RgbImage::from_fn(40, 40, |x, y| {
            Rgb([(x / 4 * 25) as u8, (y / 4 * 25) as u8, 77])
        });
        let mut palette = Palette::of(std::slice::from_ref(&picture), false);
        assert_eq!(palette.colours.len(), 100);
        assert_eq!(drawn(&mut palette, &picture), picture);
    }

    #[test]
    fn a_film_in_one_palette_is_nearer_than_another_encoders_frame() {
        let pictures: Vec<RgbImage> = (0..5).map(|i| portrait(10 * i)).collect();
        let mut palette = Palette::of(&pictures, false);
        assert_eq!(palette.colours.len(), N_COLOURS);
        let ours = drawn(&mut palette, &pictures[2]);
        let mut bytes = Vec::new();
        let mut encoder = image::codecs::gif::GifEncoder::new_with_speed(&mut bytes, 10);
        let (rgb, kind) = (pictures[2].as_raw(), image::ExtendedColorType::Rgb8);
        encoder.encode(rgb, 128, 128, kind).unwrap();
        drop(encoder);
        let theirs = image::load_from_memory(&bytes).unwrap().to_rgb8();
        let (ours_afar, theirs_afar) = (from_afar(&ours), from_afar(&theirs));
        let afar = from_afar(&pictures[2]);
        let (a, b) = (
            mean_square(&ours_afar, &afar),
            mean_square(&theirs_afar, &afar),
        );
        assert!(a < b && a < 2.0, "{a} {b}");
        let close = mean_square(&ours, &pictures[2]);
        assert!(close < 30.0, "{close}");
    }

    #[test]
    fn a_still_area_stays_still() {
        let pictures: Vec<RgbImage> = (0..3).map(|i| portrait(10 * i)).collect();
        let mut palette = Palette::of(&pictures, false);
        let first = palette.indices(&pictures[0]);
        let second = palette.indices(&pictures[1]);
        // The ground does not move.
        assert_eq!(first[..128 * 10], second[..128 * 10]);
    }

    #[test]
    fn every_threshold_comes_up_once() {
        let mut all: Vec<u32> = (0..64)
            .map(|i| (threshold(i % 8, i / 8) * 64.0) as u32)
            .collect();
        all.sort_unstable();
        assert_eq!(all, (0..64).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_at_all_still_has_a_palette() {
        assert_eq!(Palette::of(&[], false).bytes().len(), 3);
        assert_eq!(Palette::of(&[], true).bytes().len(), 6);
    }
}
