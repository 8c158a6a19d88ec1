//! Products and sums that steps and priors share.

use crate::kernels::neighbours::sum_taps;
use crate::kernels::{Arithmetic, Finish, Init, Lhs, PackedMatrix, Rhs, gemm, padded};
use crate::model::fast::step::{tile_rows, tiles};
use crate::model::folded::FoldedLevel;

/// `to = rows * matrix` for `n` rows, then `finish`.
pub(super) fn rows_times(
    n: usize,
    rows: &[f32],
    stride: usize,
    matrix: &PackedMatrix,
    to: &mut [f32],
    to_stride: usize,
    finish: Finish,
) {
    let lhs = Lhs {
        data: rows,
        row: stride,
        column: 1,
    };
    let rhs = Rhs::Packed(matrix);
    gemm(n, lhs, rhs, to, to_stride, Init::Zero, finish);
}

/// `to[i, j] += sum over rows of a[row, i] * b[row, j]`.
#[expect(clippy::too_many_arguments, reason = "two matrices with their strides")]
pub(super) fn product_of_rows(
    arithmetic: Arithmetic,
    n_a: usize,
    a: &[f32],
    a_stride: usize,
    b: &[f32],
    b_stride: usize,
    n_b: usize,
    to: &mut [f32],
) {
    let lhs = Lhs {
        data: a,
        row: 1,
        column: a_stride,
    };
    gemm(
        n_a,
        lhs,
        Rhs::Rows {
            data: b,
            stride: b_stride,
            n: n_b,
            arithmetic,
        },
        to,
        b_stride,
        Init::Accumulate,
        Finish::None,
    );
}

/// `d[.., ..m] += sum over mirrored taps of d_gathered`: the gradient through `gather`.
pub(super) fn add_mirrored_taps(
    level: &FoldedLevel,
    d_gathered: &[f32],
    g_stride: usize,
    rows: usize,
    width: usize,
    sum: &mut [f32],
    d: &mut [f32],
) {
    let (m, stride) = (level.half(), level.state_stride());
    let s_stride = padded(m);
    for tile in tiles(0..rows, tile_rows(width)) {
        let sums = &mut sum[..tile.len() * s_stride];
        sum_taps(
            d_gathered,
            g_stride,
            m,
            level.grid,
            tile.clone(),
            true,
            &[],
            &[],
            sums,
            s_stride,
        );
        for (row, sum) in tile.zip(sums.chunks_exact(s_stride)) {
            d[row * stride..row * stride + m]
                .iter_mut()
                .zip(sum)
                .for_each(|(a, b)| *a += b);
        }
    }
}

/// Adds the sum of each column to the one row of `to`, or to the row of each pixel's border class.
pub(super) fn add_column_sums(
    d: &[f32],
    stride: usize,
    n: usize,
    by_class: Option<(&FoldedLevel, usize)>,
    to: &mut [f32],
) {
    for (i, row) in d.chunks_exact(stride).enumerate() {
        let class = by_class.map_or(0, |(level, start)| {
            level.classes[(start + i) % level.grid.pixels()] as usize
        });
        let to = &mut to[class * stride..class * stride + n];
        to.iter_mut().zip(row).for_each(|(a, b)| *a += b);
    }
}
