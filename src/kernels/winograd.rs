//! 3x3 convolutions to few channels with fewer multiplications: `F(2x2, 3x3)` of Winograd, as Lavin & Gray 2016
//! ("Fast Algorithms for Convolutional Neural Networks") lay it out.
//!
//! A tile of 2x2 outputs needs a 4x4 patch `d` of the input. With `V = B^T d B`, `U = G g G^T` (once for each
//! weight) and `M = sum over channels of U * V` entry by entry, the outputs are `A^T M A`: 16 multiplications a channel
//! and tile instead of 36. The entry-by-entry sums are sixteen matrix products over all tiles.

#![expect(
    clippy::needless_range_loop,
    reason = "the indices are those of the formulas"
)]

use std::ops::Range;

use super::neighbours::Grid;
use super::simd::Lanes;
use super::{Aligned, Finish, Init, LANES, Lhs, PackedMatrix, Rhs, gemm, multiversion, padded};

/// Entries of a transformed patch.
const ENTRIES: usize = 16;

/// Lanes of the output transform; rows have room for a whole number of them.
const OUT_LANES: usize = 8;

/// Transformed weights: one matrix `[channels, out]` for each entry of a patch.
#[derive(Clone)]
pub struct Weights {
    matrices: Vec<PackedMatrix>,
}

impl Weights {
    /// Transforms the weights `weight(tap, input, output)`, tap `3 * a + b` looking at `(y + a - 1, x + b - 1)`.
    pub fn new(channels: usize, out: usize, weight: impl Fn(usize, usize, usize) -> f32) -> Self {
        const G: [[f32; 3]; 4] = [
            [1.0, 0.0, 0.0],
            [0.5, 0.5, 0.5],
            [0.5, -0.5, 0.5],
            [0.0, 0.0, 1.0],
        ];
        let entry = |e: usize, i: usize, o: usize| {
            let (left, right) = (G[e / 4], G[e % 4]);
            let mut sum = 0.0;
            for a in 0..3 {
                for b in 0..3 {
                    sum += left[a] * right[b] * weight(3 * a + b, i, o);
                }
            }
            sum
        };
        let matrices =
            (0..ENTRIES).map(|e| PackedMatrix::from_fn(channels, out, |i, o| entry(e, i, o)));
        Self {
            matrices: matrices.collect(),
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.matrices.iter().map(PackedMatrix::bytes).sum()
    }
}

/// Room for the tiles of one block.
#[derive(Clone, Default)]
pub struct Buffers {
    patches: Aligned,
    products: Aligned,
}

impl Buffers {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.patches.bytes() + self.products.bytes()
    }
}

/// Tiles of a block: the transformed patches of so many stay in the second-level cache.
const BLOCK: usize = 16;

/// Whether this form pays: whole tiles and enough of them, and not so many channels that transforming the
/// patches and reading 16 matrices for 9 costs more than is won (measured: 7 % faster decodes at width 128, 3 %
/// slower ones at 512).
pub fn takes(grid: Grid, channels: usize) -> bool {
    grid.side >= 8 && grid.side.is_multiple_of(2) && channels <= 256
}

/// The convolution for pixel rows `rows` (whole pairs of picture lines): `out[p] = start[class p] + conv(h)[p]`.
///
/// `h` holds all rows, `[.., channels]` at `h_stride`; `class` are the border classes of one picture and `start`
/// has a row of `out_stride` for each, or one for all where `class` is empty; `out` has a row for each of `rows`.
#[expect(
    clippy::too_many_arguments,
    reason = "two matrices with their strides, a bias table, the rows"
)]
pub fn convolve(
    weights: &Weights,
    h: &[f32],
    h_stride: usize,
    grid: Grid,
    rows: Range<usize>,
    start: &[f32],
    class: &[u8],
    out: &mut [f32],
    out_stride: usize,
    buffers: &mut Buffers,
) {
    let (channels, n_out) = (weights.matrices[0].k(), weights.matrices[0].n());
    let (v_stride, m_stride) = (padded(channels), padded(n_out));
    // Tiles are numbered line by line, as pixels are: a pair of lines holds side / 2 of them.
    let half = grid.side / 2;
    let tile_at = |row: usize| row / (2 * grid.side) * half;
    let (first, last) = (tile_at(rows.start), tile_at(rows.end));
    buffers.patches.reserve_len(ENTRIES * BLOCK * v_stride);
    buffers.products.reserve_len(ENTRIES * BLOCK * m_stride);
    for tile in (first..last).step_by(BLOCK) {
        let n = BLOCK.min(last - tile);
        transform_patches(h, h_stride, grid, tile, n, &mut buffers.patches, v_stride);
        for (e, matrix) in weights.matrices.iter().enumerate() {
            let lhs = Lhs {
                data: &buffers.patches[e * n * v_stride..],
                row: v_stride,
                column: 1,
            };
            let to = &mut buffers.products[e * n * m_stride..];
            gemm(
                n,
                lhs,
                Rhs::Packed(matrix),
                to,
                m_stride,
                Init::Zero,
                Finish::None,
            );
        }
        transform_products(
            &buffers.products,
            m_stride,
            n_out,
            grid,
            tile,
            n,
            start,
            class,
            rows.start,
            out,
            out_stride,
        );
    }
}

/// The pixel rows of the 4x4 patch of a tile; `None` outside.
#[inline(always)]
fn patch(tile: usize, side: usize) -> [Option<usize>; ENTRIES] {
    let half = side / 2;
    let (line, tx) = (tile / half, tile % half);
    let (picture, ty) = (line / half, line % half);
    std::array::from_fn(|e| {
        let (y, x) = (
            (2 * ty + e / 4).wrapping_sub(1),
            (2 * tx + e % 4).wrapping_sub(1),
        );
        (y < side && x < side).then(|| (picture * side + y) * side + x)
    })
}

/// `B^T` times a column of four.
#[inline(always)]
fn input_column(d: [Lanes; 4]) -> [Lanes; 4] {
    [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]
}

multiversion! {
    /// `V = B^T d B` of `n` tiles from `tile` on, `[16, n, v_stride]`.
    fn transform_patches(h: &[f32], h_stride: usize, grid: Grid, tile: usize, n: usize, v: &mut [f32], v_stride: usize) {
        const ZEROS: [f32; LANES] = [0.0; LANES];
        for i in 0..n {
            let rows = patch(tile + i, grid.side);
            for c in (0..v_stride).step_by(LANES) {
                let at = |e: usize| match rows[e] {
                    Some(row) => Lanes(*h[row * h_stride + c..].first_chunk().unwrap_or(&ZEROS)),
                    None => Lanes(ZEROS),
                };
                let t = [
                    input_column([at(0), at(4), at(8), at(12)]),
                    input_column([at(1), at(5), at(9), at(13)]),
                    input_column([at(2), at(6), at(10), at(14)]),
                    input_column([at(3), at(7), at(11), at(15)]),
                ];
                for y in 0..4 {
                    let line = input_column([t[0][y], t[1][y], t[2][y], t[3][y]]);
                    for x in 0..4 {
                        let at = ((4 * y + x) * n + i) * v_stride + c;
                        v[at..at + LANES].copy_from_slice(&line[x].0);
                    }
                }
            }
        }
    }
}

multiversion! {
    /// `A^T M A` of `n` tiles from `tile` on, added to the start row of each pixel's class.
    fn transform_products(m: &[f32], m_stride: usize, n_out: usize, grid: Grid, tile: usize, n: usize, start: &[f32], class: &[u8], first_row: usize, out: &mut [f32], out_stride: usize) {
        let side = grid.side;
        for i in 0..n {
            let half = side / 2;
            let (line, tx) = ((tile + i) / half, (tile + i) % half);
            for c in (0..n_out).step_by(OUT_LANES) {
                let at = |e: usize| -> [f32; OUT_LANES] {
                    let from = (e * n + i) * m_stride + c;
                    std::array::from_fn(|k| m[from..from + OUT_LANES][k])
                };
                let mut t = [[0.0f32; OUT_LANES]; 8];
                for x in 0..4 {
                    let (a, b, d, e) = (at(x), at(4 + x), at(8 + x), at(12 + x));
                    for k in 0..OUT_LANES {
                        t[x][k] = a[k] + b[k] + d[k];
                        t[4 + x][k] = b[k] - d[k] - e[k];
                    }
                }
                for dy in 0..2 {
                    for dx in 0..2 {
                        let row = (2 * line + dy) * side + 2 * tx + dx;
                        let from = class.get(row % (side * side)).map_or(0, |&v| v as usize) * out_stride + c;
                        let to = (row - first_row) * out_stride + c;
                        let q = &t[4 * dy..4 * dy + 4];
                        for k in 0..OUT_LANES {
                            let sum = if dx == 0 { q[0][k] + q[1][k] + q[2][k] } else { q[1][k] - q[2][k] - q[3][k] };
                            out[to..to + OUT_LANES][k] = start[from..from + OUT_LANES][k] + sum;
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Noise;

    #[test]
    fn the_convolution_agrees_with_its_definition() {
        for (side, channels, n_out, pictures) in [(8, 20, 12, 2), (10, 300, 6, 1), (16, 16, 24, 1)]
        {
            let grid = Grid { side };
            let (stride, out_stride) = (padded(channels), padded(n_out));
            let mut noise = Noise::new(3);
            let mut h = vec![0.0; pictures * grid.pixels() * stride];
            for row in h.chunks_exact_mut(stride) {
                noise.fill_normal(&mut row[..channels]);
            }
            let mut g = vec![0.0; 9 * channels * n_out];
            noise.fill_normal(&mut g);
            let weight = |t: usize, i: usize, o: usize| g[(t * channels + i) * n_out + o];
            let class = grid.border_classes();
            let start: Vec<f32> = (0..16 * out_stride).map(|i| i as f32 / 100.0).collect();
            let weights = Weights::new(channels, n_out, weight);
            // The second half of the lines, to see that rows find their place.
            let rows =
                grid.pixels() * pictures / 2 / (2 * side) * (2 * side)..pictures * grid.pixels();
            let mut out = vec![0.0; rows.len() * out_stride];
            convolve(
                &weights,
                &h,
                stride,
                grid,
                rows.clone(),
                &start,
                &class,
                &mut out,
                out_stride,
                &mut Buffers::default(),
            );
            for row in rows.clone() {
                let (picture, y, x) = (row / grid.pixels(), row % grid.pixels() / side, row % side);
                for o in 0..n_out {
                    let mut sum =
                        f64::from(start[class[row % grid.pixels()] as usize * out_stride + o]);
                    for t in 0..9 {
                        let (yy, xx) = ((y + t / 3).wrapping_sub(1), (x + t % 3).wrapping_sub(1));
                        if yy < side && xx < side {
                            let from = ((picture * side + yy) * side + xx) * stride;
                            for i in 0..channels {
                                sum += f64::from(h[from + i]) * f64::from(weight(t, i, o));
                            }
                        }
                    }
                    let given = f64::from(out[(row - rows.start) * out_stride + o]);
                    assert!(
                        (given - sum).abs() < 1e-3,
                        "{side} {channels} {n_out} at {row},{o}: {given} {sum}"
                    );
                }
            }
        }
    }
}
