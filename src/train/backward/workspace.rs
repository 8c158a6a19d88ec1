//! What a thread works in, kept from batch to batch.

use super::sums::rows_times;
use crate::kernels::neighbours::taps_stride;
use crate::kernels::{Aligned, Finish, padded};
use crate::model::fast::step::{self, Given, Scratch, tile_rows, tiles};
use crate::model::folded::{Folded, FoldedLevel, FoldedStep};

/// Pixel rows that one thread takes through a step at a time (whole pictures): hidden activations of this
/// many rows still lie in the cache when the backward half needs them.
const CHUNK_ROWS: usize = 1024;

/// Buffers of one thread, kept from batch to batch.
#[derive(Default)]
pub struct Workspace {
    pub(super) state: Aligned,
    pub(super) other: Aligned,
    pub(super) taps: Aligned,
    pub(super) saved: Vec<Aligned>,
    pub(super) d: Aligned,
    pub(super) d_other: Aligned,
    pub(super) net: NetBuffers,
    /// Activations of every step, where they are kept.
    pub(super) kept: Vec<NetBuffers>,
    pub(super) chunk: Chunk,
    pub(super) scratch: Scratch,
}

/// What happens to the activations of the coupling networks between the two passes.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Activations {
    /// Forgotten, and computed once more on the way back: memory does not grow with the depth.
    #[default]
    Recompute,
    /// Kept: a quarter less arithmetic, and memory for every step.
    Keep,
}

/// Activations of a coupling network for some rows.
#[derive(Default)]
pub(super) struct NetBuffers {
    pub(super) gathered: Aligned,
    pub(super) h1: Aligned,
    pub(super) h2: Aligned,
    pub(super) taps: Aligned,
}

impl NetBuffers {
    pub(super) fn reserve(&mut self, level: &FoldedLevel, width: usize, rows: usize) {
        self.gathered.reserve_len(rows * level.gathered_stride());
        self.h1.reserve_len(rows * padded(width));
        self.h2.reserve_len(rows * padded(width));
        self.taps.reserve_len(rows * level.taps_out_stride());
    }

    /// Evaluates the network for the whole pictures `x`, whose rows stand from row `at` on in these buffers.
    pub(super) fn fill(
        &mut self,
        level: &FoldedLevel,
        step: &FoldedStep,
        x: &[f32],
        given: &[&Given],
        at: usize,
        class: &mut Vec<u8>,
    ) {
        let width = step.w2.n();
        let (g_stride, h_stride, t_stride) = (
            level.gathered_stride(),
            padded(width),
            level.taps_out_stride(),
        );
        for tile in tiles(0..x.len() / level.state_stride(), tile_rows(width)) {
            let row = at + tile.start;
            let (g, a, b) = (
                &mut self.gathered[row * g_stride..],
                &mut self.h1[row * h_stride..],
                &mut self.h2[row * h_stride..],
            );
            step::hidden_tile(level, step, x, given, tile.clone(), g, a, b, class);
            let to = &mut self.taps[row * t_stride..];
            let n = tile.len();
            rows_times(n, b, h_stride, step.w3.taps(), to, t_stride, Finish::None);
        }
    }
}

/// Buffers for the rows of one chunk.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) d_out: Aligned,
    pub(super) d_gathered: Aligned,
    pub(super) gathered_d: Aligned,
    pub(super) d_h1: Aligned,
    pub(super) d_h2: Aligned,
    pub(super) sum: Aligned,
}

impl Chunk {
    /// Makes room for `rows` pixel rows of a level.
    pub(super) fn reserve(&mut self, level: &FoldedLevel, width: usize, rows: usize) {
        let tile = tile_rows(width);
        let taps_out = level.taps_out_stride().max(taps_stride(level.channels));
        self.d_out.reserve_len(rows * padded(2 * level.channels));
        self.d_gathered.reserve_len(rows * level.gathered_stride());
        self.gathered_d.reserve_len(tile * taps_out);
        self.d_h1.reserve_len(tile * padded(width));
        self.d_h2.reserve_len(tile * padded(width));
        self.sum.reserve_len(tile * padded(2 * level.channels));
    }
}

impl Workspace {
    pub(super) fn reserve(&mut self, folded: &Folded, n: usize, activations: Activations) {
        if activations == Activations::Keep {
            let steps = folded
                .levels
                .iter()
                .flat_map(|level| level.steps.iter().map(move |_| level));
            self.kept
                .resize_with(steps.clone().count(), NetBuffers::default);
            for (level, kept) in steps.zip(&mut self.kept) {
                kept.reserve(level, folded.width, n * level.grid.pixels());
            }
        } else {
            self.kept.clear();
        }
        self.saved
            .resize_with(folded.levels.len(), Aligned::default);
        for (level, saved) in folded.levels.iter().zip(&mut self.saved) {
            let pixels = level.grid.pixels();
            let (rows, stride) = (n * pixels, level.state_stride());
            for buffer in [
                &mut self.state,
                &mut self.other,
                saved,
                &mut self.d,
                &mut self.d_other,
            ] {
                buffer.reserve_len(rows * stride);
            }
            self.taps.reserve_len(rows * level.taps_out_stride());
            self.scratch.reserve(level, folded.width, rows);
            let chunk = chunk_pictures(pixels) * pixels;
            self.net.reserve(level, folded.width, chunk);
            self.chunk.reserve(level, folded.width, chunk);
        }
    }
}

pub(super) fn chunk_pictures(pixels: usize) -> usize {
    (CHUNK_ROWS / pixels).max(1)
}
