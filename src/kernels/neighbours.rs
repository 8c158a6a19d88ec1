//! 3x3 neighbourhoods of channels-last pictures: gathered before a product, or summed after one.
//!
//! A 3x3 convolution from few channels is `gather` and one product; one to few channels is one product
//! with all nine taps side by side and then `sum_taps`. Backwards the two swap places, with the taps
//! mirrored. Tap `t = 3 * (dy + 1) + (dx + 1)` looks at the pixel `(y + dy, x + dx)`.

use std::ops::Range;

use super::multiversion;

/// Floats that the inner copies move at once; rows have room for the overhang.
const CHUNK: usize = 8;

/// Bits of a border class: which sides of the picture a pixel touches.
const TOP: u8 = 1;
const BOTTOM: u8 = 2;
const LEFT: u8 = 4;
const RIGHT: u8 = 8;

/// Border classes there are: every combination of touched sides.
pub const BORDER_CLASSES: usize = 16;

/// The pixel rows of a batch: `n` pictures of `side * side` pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Height and width.
    pub side: usize,
}

impl Grid {
    /// Pixels a picture.
    pub fn pixels(&self) -> usize {
        self.side * self.side
    }

    /// The border class of each pixel of one picture.
    pub fn border_classes(&self) -> Vec<u8> {
        let last = self.side - 1;
        (0..self.pixels())
            .map(|p| {
                let (y, x) = (p / self.side, p % self.side);
                let side = |touches: bool, bit| if touches { bit } else { 0 };
                side(y == 0, TOP)
                    | side(y == last, BOTTOM)
                    | side(x == 0, LEFT)
                    | side(x == last, RIGHT)
            })
            .collect()
    }
}

/// Whether tap `t` looks outside the picture from a pixel of border class `class`.
pub fn tap_is_outside(class: usize, t: usize) -> bool {
    let touches = |bit: u8| class & bit as usize != 0;
    (t / 3 == 0 && touches(TOP))
        || (t / 3 == 2 && touches(BOTTOM))
        || (t.is_multiple_of(3) && touches(LEFT))
        || (t % 3 == 2 && touches(RIGHT))
}

/// Row stride of a matrix with nine taps of `m` columns: the last inner copy may overhang.
pub const fn taps_stride(m: usize) -> usize {
    super::padded(8 * m + m.next_multiple_of(CHUNK))
}

/// Calls `visit(tap, pixel)` for each tap of pixel `p` that lies inside.
#[inline(always)]
fn visit_taps(p: usize, side: usize, mut visit: impl FnMut(usize, usize)) {
    let inside = p % (side * side);
    let (y, x) = (inside / side, inside % side);
    if y > 0 && y + 1 < side && x > 0 && x + 1 < side {
        for dy in 0..3 {
            for dx in 0..3 {
                visit(3 * dy + dx, p + dy * side + dx - side - 1);
            }
        }
        return;
    }
    for dy in 0..3 {
        if y + dy == 0 || y + dy > side {
            continue;
        }
        for dx in 0..3 {
            if x + dx == 0 || x + dx > side {
                continue;
            }
            visit(3 * dy + dx, p + dy * side + dx - side - 1);
        }
    }
}

multiversion! {
    /// `out[p, m t ..] = x[neighbour t of p, .. m]`, zero outside; for mirrored taps the neighbour is that of
    /// tap `8 - t`. `rows` are pixel rows of `x` (any number of pictures); `out` has one row for each.
    pub fn gather(x: &[f32], x_stride: usize, m: usize, grid: Grid, rows: Range<usize>, mirrored: bool, out: &mut [f32], out_stride: usize) {
        let chunks = m.div_ceil(CHUNK);
        for (p, line) in rows.zip(out.chunks_exact_mut(out_stride)) {
            let class_is_interior = {
                let inside = p % grid.pixels();
                let (y, x) = (inside / grid.side, inside % grid.side);
                y > 0 && y + 1 < grid.side && x > 0 && x + 1 < grid.side
            };
            if !class_is_interior {
                line.fill(0.0);
            }
            // Taps in rising order of their place in `line`, so that an overhang is overwritten by the next;
            // on the border an overhang onto a missing tap must not stay, hence the exact copy there.
            visit_taps(p, grid.side, |tap, q| {
                let at = m * if mirrored { 8 - tap } else { tap };
                let source = &x[q * x_stride..];
                if class_is_interior && !mirrored {
                    for c in 0..chunks {
                        line[at + c * CHUNK..at + (c + 1) * CHUNK].copy_from_slice(&source[c * CHUNK..(c + 1) * CHUNK]);
                    }
                } else {
                    for (to, from) in line[at..at + m].iter_mut().zip(source) {
                        *to = *from;
                    }
                }
            });
        }
    }
}

multiversion! {
    /// `out[p, ..o] = start[class p, ..o] + sum over t of y[neighbour t of p, o t ..]`; for mirrored taps the
    /// neighbour is that of tap `8 - t`. `class` are the border classes of one picture and `start` has a row
    /// of `out_stride` for each; both empty: start from zero. `out` has one row for each of `rows`.
    pub fn sum_taps(y: &[f32], y_stride: usize, o: usize, grid: Grid, rows: Range<usize>, mirrored: bool, start: &[f32], class: &[u8], out: &mut [f32], out_stride: usize) {
        let chunks = o.div_ceil(CHUNK);
        let pixels = grid.pixels();
        for (p, line) in rows.zip(out.chunks_exact_mut(out_stride)) {
            for c in 0..chunks {
                let mut sum = [0.0f32; CHUNK];
                if !start.is_empty() {
                    let row = class.get(p % pixels).map_or(0, |&v| v as usize) * out_stride + c * CHUNK;
                    sum.copy_from_slice(&start[row..row + CHUNK]);
                }
                visit_taps(p, grid.side, |tap, q| {
                    let at = q * y_stride + o * if mirrored { 8 - tap } else { tap } + c * CHUNK;
                    for (s, v) in sum.iter_mut().zip(&y[at..at + CHUNK]) {
                        *s += v;
                    }
                });
                line[c * CHUNK..(c + 1) * CHUNK].copy_from_slice(&sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::padded;

    fn at(x: &[f32], stride: usize, side: usize, y: isize, xx: isize, c: usize) -> f32 {
        let inside = (0..side as isize).contains(&y) && (0..side as isize).contains(&xx);
        if inside {
            x[(y as usize * side + xx as usize) * stride + c]
        } else {
            0.0
        }
    }

    #[test]
    fn neighbourhoods_agree_with_the_definition() {
        for (side, m) in [(1, 2), (2, 6), (4, 12), (5, 3), (8, 24)] {
            let grid = Grid { side };
            let stride = padded(2 * m);
            let x: Vec<f32> = (0..grid.pixels() * stride)
                .map(|i| ((i * 37) % 101) as f32 - 50.0)
                .collect();
            let taps = taps_stride(m);
            for mirrored in [false, true] {
                let mut out = vec![f32::NAN; grid.pixels() * taps];
                gather(
                    &x,
                    stride,
                    m,
                    grid,
                    0..grid.pixels(),
                    mirrored,
                    &mut out,
                    taps,
                );
                let mut sums = vec![0.0; grid.pixels() * padded(m)];
                let y: Vec<f32> = (0..grid.pixels() * taps)
                    .map(|i| ((i * 29) % 67) as f32)
                    .collect();
                sum_taps(
                    &y,
                    taps,
                    m,
                    grid,
                    0..grid.pixels(),
                    mirrored,
                    &[],
                    &[],
                    &mut sums,
                    padded(m),
                );
                for p in 0..grid.pixels() {
                    let (py, px) = ((p / side) as isize, (p % side) as isize);
                    for c in 0..m {
                        let mut sum = 0.0;
                        for t in 0..9 {
                            let from = if mirrored { 8 - t } else { t };
                            let (dy, dx) = (from as isize / 3 - 1, from as isize % 3 - 1);
                            assert_eq!(
                                out[p * taps + t * m + c],
                                at(&x, stride, side, py + dy, px + dx, c)
                            );
                            sum += at(&y, taps, side, py + dy, px + dx, t * m + c);
                        }
                        assert_eq!(sums[p * padded(m) + c], sum);
                    }
                }
            }
        }
    }

    #[test]
    fn classes_say_which_taps_are_outside() {
        let grid = Grid { side: 3 };
        for (p, &class) in grid.border_classes().iter().enumerate() {
            for t in 0..9 {
                let (y, x) = ((p / 3 + t / 3) as isize - 1, (p % 3 + t % 3) as isize - 1);
                let outside = !(0..3).contains(&y) || !(0..3).contains(&x);
                assert_eq!(tap_is_outside(class as usize, t), outside);
            }
        }
    }
}
