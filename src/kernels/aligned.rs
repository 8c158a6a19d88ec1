//! A float buffer that starts on a cache line.

use super::LANES;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct AlignedLine([f32; LANES]);

/// Floats, zeroed, aligned to 64 bytes; the length is rounded up to whole lines.
#[derive(Clone, Default)]
pub struct Aligned {
    lines: Vec<AlignedLine>,
}

impl Aligned {
    /// A buffer of at least `len` zeros.
    pub fn zeros(len: usize) -> Self {
        Self {
            lines: vec![AlignedLine([0.0; LANES]); len.div_ceil(LANES)],
        }
    }

    /// Grows (never shrinks) to at least `len` floats; what was there is kept.
    pub fn reserve_len(&mut self, len: usize) {
        let lines = len.div_ceil(LANES);
        if self.lines.len() < lines {
            // Buffers take their final sizes in the first pass; room for more would only be held.
            self.lines.reserve_exact(lines - self.lines.len());
            self.lines.resize(lines, AlignedLine([0.0; LANES]));
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.lines.capacity() * size_of::<AlignedLine>()
    }
}

impl std::ops::Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `AlignedLine` is `repr(C)` with exactly `LANES` floats and no padding (its size, 64 bytes,
        // equals its alignment), so n lines are n * LANES consecutive initialised floats.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * LANES) }
    }
}

impl std::ops::DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`; the borrow of `self` is exclusive.
        unsafe {
            std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.lines.len() * LANES)
        }
    }
}
