//! Host numbers in channel order to pixel rows and back.

use super::super::folded::FoldedLevel;
use crate::config::GlowConfig;
use crate::kernels::neighbours::Grid;
use crate::kernels::{Aligned, padded};
use crate::latent::{Condition, Latent, LevelEps};

/// Calls `visit(at in [c, h, w], at in squeezed rows)` for every number of a picture whose squeezed rows are a `grid`.
fn visit_squeezed(
    channels: usize,
    grid: Grid,
    stride: usize,
    picture: usize,
    mut visit: impl FnMut(usize, usize),
) {
    let side = grid.side;
    for c in 0..channels {
        for y in 0..2 * side {
            for x in 0..2 * side {
                let row = picture * side * side + y / 2 * side + x / 2;
                visit(
                    (c * 2 * side + y) * 2 * side + x,
                    row * stride + 4 * c + 2 * (y % 2) + x % 2,
                );
            }
        }
    }
}

/// Squeezed pixel rows, a `grid` a picture, from pictures `[c, h, w]`.
pub fn load_picture_rows(
    x: &[&[f32]],
    channels: usize,
    grid: Grid,
    stride: usize,
    rows: &mut [f32],
) {
    for (i, x) in x.iter().enumerate() {
        visit_squeezed(channels, grid, stride, i, |from, to| rows[to] = x[from]);
    }
}

/// A picture `[c, h, w]` from its squeezed rows.
pub(super) fn picture_from_rows(
    rows: &[f32],
    channels: usize,
    level: &FoldedLevel,
    picture: usize,
) -> Vec<f32> {
    let mut x = vec![0.0; channels * 4 * level.grid.pixels()];
    let stride = level.state_stride();
    visit_squeezed(channels, level.grid, stride, picture, |to, from| {
        x[to] = rows[from];
    });
    x
}

/// The rows of a picture's eps at one level.
pub(super) fn load_eps_rows(eps: &LevelEps, level: &FoldedLevel, picture: usize, rows: &mut [f32]) {
    let (pixels, stride) = (level.grid.pixels(), padded(level.channels));
    for (c, plane) in eps.data.chunks_exact(pixels).enumerate() {
        for (p, v) in plane.iter().enumerate() {
            rows[(picture * pixels + p) * stride + c] = *v;
        }
    }
}

/// A picture's latent from the rows of every level.
pub(super) fn latent_from_rows(
    eps: &[Aligned],
    levels: &[FoldedLevel],
    config: &GlowConfig,
    picture: usize,
) -> Latent {
    let levels = levels
        .iter()
        .zip(config.level_shapes())
        .zip(eps)
        .map(|((level, shape), eps)| {
            let (pixels, stride) = (level.grid.pixels(), padded(level.channels));
            let mut data = vec![0.0; shape.eps_len()];
            for p in 0..pixels {
                for c in 0..shape.eps_channels {
                    data[c * pixels + p] = eps[(picture * pixels + p) * stride + c];
                }
            }
            LevelEps {
                channels: shape.eps_channels,
                side: shape.side,
                data,
            }
        });
    Latent {
        levels: levels.collect(),
        condition: Condition::default(),
    }
}
