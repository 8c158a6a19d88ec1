//! The factors of products as the kernels read them: cells of four bytes.
//!
//! A cell is an `f32`, or two `bf16` that stand one after the other in the summed dimension (the first one in
//! the low half), which is what the processor's `vdpbf16ps` multiplies and adds at twice the rate of `f32`:
//! `sum += a.0 * b.0 + a.1 * b.1`, the sum in `f32`. A cell of the second kind is kept in an `f32` for its
//! bits alone; no arithmetic ever touches it as one number.

use super::{LANES, padded};

/// The numbers that a product multiplies. Sums are `f32` always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arithmetic {
    /// Single precision.
    #[default]
    F32,
    /// Factors rounded to bf16 (8 bits of precision), where the processor multiplies those (AVX-512 BF16);
    /// elsewhere the same as `F32`.
    Bf16,
}

impl std::fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Arithmetic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|a| a.name() == text);
        found.ok_or_else(|| format!("{text:?} is no arithmetic: say f32 or bf16"))
    }
}

impl Arithmetic {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::F32, Self::Bf16];

    /// Its name on the command line and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// This arithmetic where the machine has it, else `F32`.
    pub fn or_f32(self) -> Self {
        match self {
            Self::Bf16 if has_bf16() => Self::Bf16,
            _ => Self::F32,
        }
    }

    /// Cells of `k` numbers.
    pub(super) const fn cells(self, k: usize) -> usize {
        match self {
            Self::F32 => k,
            Self::Bf16 => k.div_ceil(2),
        }
    }
}

/// Whether the processor multiplies bf16 (and no lower instruction set is wished for).
pub fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    if super::Isa::detect() == super::Isa::Avx512 {
        return is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512bw");
    }
    false
}

/// One cell of two numbers, rounded to the nearest, ties to even.
pub(super) fn cell(first: f32, second: f32) -> f32 {
    let bits = |v: f32| u32::from(half::bf16::from_f32(v).to_bits());
    f32::from_bits(bits(first) | bits(second) << 16)
}

/// Distance between rows of cells that [`pair_columns`] writes for `k` numbers a row.
pub(super) const fn cell_stride(k: usize) -> usize {
    k.next_multiple_of(2 * LANES) / 2
}

/// Cells of neighbouring columns: row `i` of `to` gets `k` numbers of row `i` of `from`, two a cell, zeros
/// beyond.
///
/// # Panics
/// Where a slice is too short, or the processor has no bf16: bugs of the caller.
pub(super) fn pair_columns(from: &[f32], stride: usize, m: usize, k: usize, to: &mut [f32]) {
    assert!(has_bf16(), "no bf16 here");
    assert!(m == 0 || from.len() >= (m - 1) * stride + k && to.len() >= m * cell_stride(k));
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the features were detected and both slices are long enough for `m` rows.
    unsafe {
        pair_columns_avx512(from.as_ptr(), stride, m, k, to.as_mut_ptr());
    }
}

/// Cells of neighbouring rows: row `p` of `to` (of `padded(n)` cells) gets rows `2 p` and `2 p + 1` of the
/// `k` rows of `from`, zeros where there is no second one.
///
/// # Panics
/// As [`pair_columns`].
pub(super) fn pair_rows(from: &[f32], stride: usize, k: usize, n: usize, to: &mut [f32]) {
    assert!(has_bf16(), "no bf16 here");
    let width = padded(n);
    assert!(width <= stride && to.len() >= k.div_ceil(2) * width);
    assert!(k == 0 || from.len() >= (k - 1) * stride + width);
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the features were detected and both slices are long enough for `k` rows of `width`.
    unsafe {
        pair_rows_avx512(from.as_ptr(), stride, k, width, to.as_mut_ptr());
    }
}

/// # Safety
/// `from` has `m` rows of `k` floats, `to` `m` rows of `cell_stride(k)`; the processor has the features.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pair_columns_avx512(from: *const f32, stride: usize, m: usize, k: usize, to: *mut f32) {
    use std::arch::x86_64::*;
    let mask = |left: usize| -> u16 {
        match left {
            0 => 0,
            1..LANES => (1u16 << left) - 1,
            _ => u16::MAX,
        }
    };
    let out = cell_stride(k);
    // SAFETY: masks keep loads within the `k` floats of a row; stores fill whole rows of `to`.
    unsafe {
        for i in 0..m {
            let (row, to) = (from.add(i * stride), to.add(i * out));
            for c in 0..out / LANES {
                let at = 2 * LANES * c;
                let low = _mm512_maskz_loadu_ps(mask(k.saturating_sub(at)), row.wrapping_add(at));
                let high = _mm512_maskz_loadu_ps(
                    mask(k.saturating_sub(at + LANES)),
                    row.wrapping_add(at + LANES),
                );
                let pairs: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(high, low));
                _mm512_storeu_ps(to.add(c * LANES), _mm512_castsi512_ps(pairs));
            }
        }
    }
}

/// # Safety
/// `from` has `k` rows of `width` floats, `to` `k.div_ceil(2)` rows of `width`, a multiple of [`LANES`]; the
/// processor has the features.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pair_rows_avx512(from: *const f32, stride: usize, k: usize, width: usize, to: *mut f32) {
    use std::arch::x86_64::*;
    // Where the halves of each cell stand after the conversion: the first row low, the second one high.
    const ORDER: [i16; 32] = {
        let mut order = [0; 32];
        let mut i = 0;
        while i < LANES {
            order[2 * i] = i as i16;
            order[2 * i + 1] = (LANES + i) as i16;
            i += 1;
        }
        order
    };
    // SAFETY: every address lies within the rows that the caller vouches for.
    unsafe {
        let order = _mm512_loadu_si512(ORDER.as_ptr().cast());
        for p in 0..k.div_ceil(2) {
            let (first, to) = (from.add(2 * p * stride), to.add(p * width));
            let has_second = 2 * p + 1 < k;
            for c in (0..width).step_by(LANES) {
                let low = _mm512_loadu_ps(first.add(c));
                let high = if has_second {
                    _mm512_loadu_ps(first.add(stride + c))
                } else {
                    _mm512_setzero_ps()
                };
                let pairs: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(high, low));
                let pairs = _mm512_permutexvar_epi16(order, pairs);
                _mm512_storeu_ps(to.add(c), _mm512_castsi512_ps(pairs));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_hold_the_rounded_numbers_of_their_neighbours() {
        if !has_bf16() {
            println!("skipped: the processor has no bf16");
            return;
        }
        let value = |i: usize, j: usize| ((i * 37 + j * 11) % 29) as f32 * 0.313 - 4.0;
        for (m, k) in [(1, 1), (3, 27), (5, 32), (4, 54), (7, 130)] {
            let stride = padded(k);
            let from: Vec<f32> = (0..m * stride)
                .map(|at| value(at / stride, at % stride))
                .collect();
            let at = |i: usize, j: usize| {
                if i < m && j < k {
                    from[i * stride + j]
                } else {
                    0.0
                }
            };
            let mut columns = vec![1.0; m * cell_stride(k)];
            pair_columns(&from, stride, m, k, &mut columns);
            for (at_cell, found) in columns.iter().enumerate() {
                let (i, p) = (at_cell / cell_stride(k), at_cell % cell_stride(k));
                let wanted = cell(at(i, 2 * p), at(i, 2 * p + 1));
                assert_eq!(found.to_bits(), wanted.to_bits(), "{m}x{k} at {i},{p}");
            }
            let mut rows = vec![1.0; m.div_ceil(2) * stride];
            pair_rows(&from, stride, m, k, &mut rows);
            for p in 0..m.div_ceil(2) {
                for j in 0..k {
                    let wanted = cell(at(2 * p, j), at(2 * p + 1, j));
                    assert_eq!(
                        rows[p * stride + j].to_bits(),
                        wanted.to_bits(),
                        "{m}x{k} at {p},{j}"
                    );
                }
            }
        }
    }
}
