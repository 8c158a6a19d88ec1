//! The order in which training sees its pictures: a function of the seed alone.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// One pass through a set: which pictures in which order, and which of them are mirrored.
///
/// A function of (seed, epoch, number of pictures), stable across versions and machines, so that
/// a resumed run goes on where it stopped.
pub(super) struct EpochPlan {
    epoch: u64,
    order: Vec<u32>,
    mirrored: Vec<bool>,
}

impl EpochPlan {
    /// The plan of one epoch of `n` pictures.
    pub(super) fn new(seed: u64, epoch: u64, n: usize) -> Self {
        let mut rng = stream(seed, b"order", epoch);
        let mut order: Vec<u32> = (0..n as u32).collect();
        // Fisher-Yates. Multiply and shift favours some places by less than n / 2^32.
        for last in (1..n).rev() {
            let other = (u64::from(rng.next_u32()) * (last as u64 + 1)) >> 32;
            order.swap(last, other as usize);
        }
        let mut rng = stream(seed, b"mirror", epoch);
        let mirrored = (0..n).map(|_| rng.next_u32() >> 31 == 1).collect();
        Self {
            epoch,
            order,
            mirrored,
        }
    }

    /// The epoch that this is the plan of.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The picture at a place of the order, and the coin that mirrors it.
    pub(super) fn draw(&self, place: usize) -> Option<(usize, bool)> {
        let index = *self.order.get(place)? as usize;
        Some((index, *self.mirrored.get(index)?))
    }
}

/// Independent random numbers for each purpose and epoch of a seed.
fn stream(seed: u64, purpose: &[u8], epoch: u64) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..8 + purpose.len()].copy_from_slice(purpose);
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(epoch);
    rng
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(plan: &EpochPlan, n: usize) -> Vec<usize> {
        (0..n).map(|i| plan.draw(i).unwrap().0).collect()
    }

    #[test]
    fn each_epoch_is_another_permutation() {
        let first = indices(&EpochPlan::new(1, 0, 100), 100);
        let second = indices(&EpochPlan::new(1, 1, 100), 100);
        assert_ne!(first, second);
        assert_ne!(first, indices(&EpochPlan::new(2, 0, 100), 100));
        assert_eq!(first, indices(&EpochPlan::new(1, 0, 100), 100));
        let mut sorted = first;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn about_half_are_mirrored() {
        let plan = EpochPlan::new(3, 0, 1000);
        let n = (0..1000).filter(|&i| plan.draw(i).unwrap().1).count();
        assert!((400..600).contains(&n), "{n}");
        assert!(plan.draw(1000).is_none());
    }

    #[test]
    fn the_order_never_changes() {
        // A change here would make resumed runs see some pictures twice and others not at all.
        let plan = EpochPlan::new(7, 2, 8);
        assert_eq!(indices(&plan, 8), [5, 4, 6, 0, 3, 7, 1, 2]);
    }
}
