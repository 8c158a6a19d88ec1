//! Incremental decoding: what did not change is not computed again.
//!
//! A decode runs from the coarsest level to the finest. What a level gets from the coarser ones depends on their
//! eps alone, so it is kept, and a latent that differs from an earlier one in its finer levels only starts there.

use std::sync::{Arc, Mutex, PoisonError};

use super::fast::{Cancelled, CoarseState, FastGlow};
use super::{GlowConfig, ModelError};
use crate::latent::Latent;
use crate::lru::Lru;

/// Bytes of states that are kept: some 500 latents of a 64 px model.
const BOUND: usize = 32 << 20;

/// Keeps the states of recent decodes, bounded in bytes.
pub(super) struct Resume {
    states: Mutex<Lru<Arc<CoarseState>>>,
}

impl Resume {
    pub(super) fn new() -> Self {
        Self {
            states: Mutex::new(Lru::new(BOUND)),
        }
    }

    /// Decodes latents, each with its [`keys`] and from the finest state that is known for it. The result is the same as
    /// that of a whole decode, to the bit.
    ///
    /// Errors: as [`FastGlow::decode`].
    pub(super) fn decode(
        &self,
        fast: &FastGlow,
        config: &GlowConfig,
        latents: &[&Latent],
        keys: &[&[LatentKey]],
        cancelled: Cancelled,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let top = config.levels - 1;
        let starts: Vec<Option<Arc<CoarseState>>> = keys
            .iter()
            .map(|keys| (0..top).find_map(|l| self.lock().get(keys.get(l)?)))
            .collect();
        let mut out = vec![Vec::new(); latents.len()];
        // Latents that start at the same level are decoded together.
        for level in 0..=top {
            let group: Vec<usize> = (0..latents.len())
                .filter(|&i| starts[i].as_ref().map_or(top, |s| s.level) == level)
                .collect();
            if group.is_empty() {
                continue;
            }
            let part: Vec<&Latent> = group.iter().map(|&i| latents[i]).collect();
            let from: Vec<Option<&CoarseState>> =
                group.iter().map(|&i| starts[i].as_deref()).collect();
            let decoded = fast.decode_from(&part, &from, true, cancelled)?;
            for ((&i, picture), states) in group.iter().zip(decoded.pictures).zip(decoded.states) {
                out[i] = picture;
                for state in states {
                    let bytes = state.bytes();
                    if let Some(key) = keys[i].get(state.level) {
                        self.lock().insert(key, Arc::new(state), bytes);
                    }
                }
            }
        }
        Ok(out)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lru<Arc<CoarseState>>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What tells the eps of some levels from others.
pub(super) type LatentKey = [u8; 16];

/// For each level but the last, a key of the eps of all coarser levels and of the level's number.
///
/// 128 bits of two multiplicative hashes over the numbers' bits: a chance meeting of two latents would show one
/// picture in place of another, and at 2^-128 a pair that is not a concern.
pub(super) fn keys(latent: &Latent) -> Vec<LatentKey> {
    let (mut a, mut b) = (0x9e37_79b9_7f4a_7c15_u64, 0xc2b2_ae3d_27d4_eb4f_u64);
    let mut out = vec![[0; 16]; latent.levels.len().saturating_sub(1)];
    for (l, level) in latent.levels.iter().enumerate().skip(1).rev() {
        for v in &level.data {
            let bits = u64::from(v.to_bits());
            a = (a ^ bits)
                .wrapping_mul(0x0000_0100_0000_01b3)
                .rotate_left(23);
            b = (b.rotate_left(29) ^ bits).wrapping_mul(0x9fb2_1c65_1e98_df25);
        }
        out[l - 1][..8].copy_from_slice(&(a ^ l as u64).to_le_bytes());
        out[l - 1][8..].copy_from_slice(&b.to_le_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Padding, Permutation};
    use crate::latent::tests::tiny_config;
    use crate::model::params::Params;
    use crate::noise::Noise;

    #[test]
    fn resumed_decodes_are_the_same_to_the_bit_and_start_where_they_can() {
        let config = GlowConfig {
            image_size: 16,
            levels: 3,
            depth: 2,
            permutation: Permutation::Invconv,
            padding: Padding::EdgeBias,
            ..tiny_config()
        };
        let fast = FastGlow::new(&Params::perturbed(config.clone(), 1), 2).unwrap();
        let resume = Resume::new();
        let mut first = Latent::zeros(&config.latent_shape());
        for level in &mut first.levels {
            Noise::new(2).fill_normal(&mut level.data);
        }
        let decode = |z: &[&Latent]| {
            let hashed: Vec<_> = z.iter().map(|z| keys(z)).collect();
            let hashed: Vec<&[LatentKey]> = hashed.iter().map(Vec::as_slice).collect();
            resume
                .decode(&fast, &config, z, &hashed, &|| false)
                .unwrap()
        };
        let whole = |z: &Latent| fast.decode(&[z], &|| false).unwrap().remove(0);
        assert_eq!(decode(&[&first])[0], whole(&first));
        // Changes at each level: keys tell apart from which level on the state is still right.
        let mut changed = Vec::new();
        for l in 0..3 {
            let mut z = first.clone();
            z.levels[l].data[0] += 1.0;
            let (old, new) = (keys(&first), keys(&z));
            for state_level in 0..2 {
                assert_eq!(
                    old[state_level] == new[state_level],
                    l <= state_level,
                    "{l} {state_level}"
                );
            }
            changed.push(z);
        }
        let refs: Vec<&Latent> = changed.iter().collect();
        for (given, z) in decode(&refs).iter().zip(&refs) {
            assert_eq!(given, &whole(z));
        }
    }
}
