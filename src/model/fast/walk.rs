//! The walk through the flow: what is there between any two steps of a decode.

use std::sync::{Mutex, PoisonError};

use super::super::ModelError;
use super::decode::DecodeWork;
use super::{Cancelled, FastGlow, shape_error};
use crate::latent::Latent;

/// What a decode has come to after some of its steps.
#[derive(Clone, Debug, PartialEq)]
pub struct WalkStage {
    /// The level that is at work, finest 0.
    pub level: usize,
    /// Its steps that are undone by now; 0 where only its eps was put in.
    pub undone: usize,
    /// `[c, h, w]`: the state, with the eps of the finer levels where the flow has not come to yet. The last is the
    /// picture.
    pub x: Vec<f32>,
}

impl FastGlow {
    /// Decodes a latent and gives what it has come to before and after each step, the eps alone first, the picture
    /// last.
    ///
    /// Errors: as [`FastGlow::decode`].
    pub fn walk(
        &self,
        latent: &Latent,
        cancelled: Cancelled,
    ) -> Result<Vec<WalkStage>, ModelError> {
        if !latent.fits(&self.config.latent_shape()) {
            return Err(shape_error("latent", self.config.dims(), latent.dims()));
        }
        let stages = Mutex::new(Vec::new());
        let watch = |level: usize, left: usize, rows: &[f32]| {
            let stage = WalkStage {
                level,
                undone: self.folded.levels[level].steps.len() - left,
                x: self.as_picture(level, rows, latent),
            };
            let mut stages = stages.lock().unwrap_or_else(PoisonError::into_inner);
            stages.push(stage);
        };
        let work = DecodeWork {
            latent,
            start: None,
            given: None,
        };
        self.decode_group(&[work], self.threads, false, Some(&watch), cancelled)?;
        Ok(stages.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// A state put back to where its numbers are in the picture: unsqueezed, with the eps of each finer level beside
    /// it.
    fn as_picture(&self, level: usize, rows: &[f32], latent: &Latent) -> Vec<f32> {
        let levels = &self.folded.levels;
        let (pixels, stride) = (levels[level].grid.pixels(), levels[level].state_stride());
        let channels = levels[level].channels;
        let mut planes = vec![0.0; channels * pixels];
        for (p, row) in rows.chunks_exact(stride).take(pixels).enumerate() {
            for (c, v) in row[..channels].iter().enumerate() {
                planes[c * pixels + p] = *v;
            }
        }
        for finer in (0..level).rev() {
            planes = unsqueezed(&planes, levels[finer + 1].grid.side);
            planes.extend_from_slice(&latent.levels[finer].data);
        }
        unsqueezed(&planes, levels[0].grid.side)
    }
}

/// `[4 c, side, side]` to `[c, 2 side, 2 side]`; the channel is `4 * c + 2 * dy + dx`.
fn unsqueezed(planes: &[f32], side: usize) -> Vec<f32> {
    let mut out = vec![0.0; planes.len()];
    for (i, v) in planes.iter().enumerate() {
        let (channel, y, x) = (i / (side * side), i / side % side, i % side);
        let (c, dy, dx) = (channel / 4, channel / 2 % 2, channel % 2);
        out[(c * 2 * side + 2 * y + dy) * 2 * side + 2 * x + dx] = *v;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::temperature::sample;
    use crate::latent::tests::tiny_config;
    use crate::model::params::Params;

    #[test]
    fn a_walk_begins_with_the_eps_and_ends_with_the_picture() {
        let config = tiny_config();
        let params = Params::perturbed(config.clone(), 1);
        let latent = sample(&config.latent_shape(), 3, 0);
        for threads in [1, 2] {
            let fast = FastGlow::new(&params, threads).unwrap();
            let stages = fast.walk(&latent, &|| false).unwrap();
            assert_eq!(stages.len(), config.levels * (config.depth + 1));
            let places: Vec<_> = stages.iter().map(|s| (s.level, s.undone)).collect();
            let all = (0..config.levels).rev();
            let all = all.flat_map(|l| (0..=config.depth).map(move |k| (l, k)));
            assert_eq!(places, all.collect::<Vec<_>>());
            let decoded = fast.decode(&[&latent], &|| false).unwrap();
            assert_eq!(stages.last().unwrap().x, decoded[0], "to the bit");
            // The finest eps is there from the beginning, number by number.
            let finest = &latent.levels[0].data;
            let first = &stages[0].x;
            let there = finest.iter().filter(|v| first.contains(v)).count();
            assert_eq!(there, finest.len());
            assert!(fast.walk(&latent, &|| true).is_err(), "cancelled");
        }
    }
}
