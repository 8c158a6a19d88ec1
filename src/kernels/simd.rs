//! Sixteen floats that the compiler keeps in vector registers.

use super::LANES;

/// Sixteen floats. Operations are plain loops: inside a [`super::multiversion`] function they become one
/// instruction each (seen in the assembly; closures over arrays did not).
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Lanes(pub [f32; LANES]);

impl std::ops::Add for Lanes {
    type Output = Self;

    #[inline(always)]
    fn add(mut self, other: Self) -> Self {
        for k in 0..LANES {
            self.0[k] += other.0[k];
        }
        self
    }
}

impl std::ops::Sub for Lanes {
    type Output = Self;

    #[inline(always)]
    fn sub(mut self, other: Self) -> Self {
        for k in 0..LANES {
            self.0[k] -= other.0[k];
        }
        self
    }
}
