//! The innermost kernels: one tile of `C` in registers over the whole summed dimension.
//!
//! AVX-512, in f32 and in bf16, works on 8 rows by 32 columns (16 accumulators of 32 registers: enough to hide the latency of
//! the fused multiply-add on every AVX-512 processor), AVX2 on 6 by 16, the portable form on 4 by 16.
//! Measured against the `gemm` crate in `benches/`; what is gained is that weights are packed once and
//! that bias, relu and mask cost nothing.

use super::bf16::Arithmetic;
use super::math::relu;
use super::{Isa, LANES};

/// Pointers and strides of one tile, `a` and `b` in [cells](super::bf16). `c` and `mask` have the stride `c_row`.
pub(super) struct Tile {
    pub k: usize,
    pub a: *const f32,
    pub a_row: usize,
    pub a_column: usize,
    pub b: *const f32,
    pub b_row: usize,
    pub c: *mut f32,
    pub c_row: usize,
    /// Start from what `c` holds.
    pub accumulate: bool,
    /// Else from this row (null: zero), or from the row of its class.
    pub bias: *const f32,
    pub bias_row: usize,
    pub class: *const u8,
    pub relu: bool,
    pub mask: *const f32,
}

impl Tile {
    /// Where row `i` starts from; null for zero.
    ///
    /// # Safety
    /// `i` is a row of the tile and the pointers are valid for it.
    #[inline(always)]
    unsafe fn start(&self, i: usize) -> *const f32 {
        if self.accumulate {
            // SAFETY: row `i` of the tile is inside `c`.
            return unsafe { self.c.add(i * self.c_row) };
        }
        if self.bias.is_null() || self.class.is_null() {
            return self.bias;
        }
        // SAFETY: `class` has an entry for row `i`, which names a row of the table.
        unsafe { self.bias.add(*self.class.add(i) as usize * self.bias_row) }
    }
}

/// Rows that [`run`] takes at once.
pub(super) fn rows_at_most(isa: Isa) -> usize {
    match isa {
        Isa::Avx512 => 8,
        Isa::Avx2 => 6,
        Isa::Portable => 4,
    }
}

/// Computes `rows` x `width` entries.
///
/// # Safety
/// Every pointer of the tile is valid for `rows` rows, `width` (16 or 32) columns and `k` cells, and
/// the processor has the instructions of `isa`, for bf16 those of [`super::bf16::has_bf16`].
#[inline]
pub(super) unsafe fn run(isa: Isa, arithmetic: Arithmetic, rows: usize, width: usize, t: &Tile) {
    macro_rules! by_rows {
        ($kernel:ident, $($n:literal)*) => {
            // SAFETY: passed on from the caller.
            unsafe {
                match (rows, width) {
                    $(($n, 32) => $kernel::<$n, 2>(t),
                      ($n, _) => $kernel::<$n, 1>(t),)*
                    _ => unreachable!("a tile of {rows} rows"),
                }
            }
        };
    }
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => match arithmetic {
            Arithmetic::F32 => by_rows!(avx512, 1 2 3 4 5 6 7 8),
            Arithmetic::Bf16 => by_rows!(avx512_bf16, 1 2 3 4 5 6 7 8),
        },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => by_rows!(avx2, 1 2 3 4 5 6),
        _ => by_rows!(portable, 1 2 3 4),
    }
}

/// A kernel of tiles up to 8 x 32: `$spread` broadcasts a cell of `a`, `$multiply` adds its products with a vector of
/// cells of `b` to the sums. A macro, because a function that finishes the tile might not be inlined where target
/// features are involved, and the sums would go through memory.
#[cfg(target_arch = "x86_64")]
macro_rules! avx512_kernel {
    ($(#[$doc:meta])* $name:ident, $features:literal, $spread:expr, $multiply:expr) => {
        $(#[$doc])*
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $features)]
        unsafe fn $name<const ROWS: usize, const VECTORS: usize>(t: &Tile) {
            use std::arch::x86_64::*;
            // SAFETY: the caller vouches for every address; loads and stores are unaligned ones. Transmutes are between
            // types of the same 64 bytes.
            unsafe {
                let mut acc = [[_mm512_setzero_ps(); VECTORS]; ROWS];
                let (mut a, mut b) = (t.a, t.b);
                for _ in 0..t.k {
                    let mut right = [_mm512_setzero_ps(); VECTORS];
                    for (v, r) in right.iter_mut().enumerate() {
                        *r = _mm512_loadu_ps(b.add(v * LANES));
                    }
                    for (i, row) in acc.iter_mut().enumerate() {
                        let left = $spread(a.add(i * t.a_row));
                        for (sum, r) in row.iter_mut().zip(right) {
                            *sum = $multiply(*sum, left, r);
                        }
                    }
                    a = a.add(t.a_column);
                    b = b.add(t.b_row);
                }
                for (i, row) in acc.iter().enumerate() {
                    let start = t.start(i);
                    for (v, &sum) in row.iter().enumerate() {
                        let mut sum = sum;
                        if !start.is_null() {
                            sum = _mm512_add_ps(sum, _mm512_loadu_ps(start.add(v * LANES)));
                        }
                        if t.relu {
                            // NaN stays NaN: the second operand is what comes out.
                            sum = _mm512_max_ps(_mm512_setzero_ps(), sum);
                        }
                        let at = i * t.c_row + v * LANES;
                        if !t.mask.is_null() {
                            let positive = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(
                                _mm512_loadu_ps(t.mask.add(at)),
                                _mm512_setzero_ps(),
                            );
                            sum = _mm512_maskz_mov_ps(positive, sum);
                        }
                        _mm512_storeu_ps(t.c.add(at), sum);
                    }
                }
            }
        }
    };
}

avx512_kernel!(
    /// Cells of one f32.
    avx512,
    "avx512f",
    |cell: *const f32| _mm512_set1_ps(*cell),
    |sum, left, right| _mm512_fmadd_ps(left, right, sum)
);

avx512_kernel!(
    /// Cells of two bf16.
    avx512_bf16,
    "avx512f,avx512bf16",
    |cell: *const f32| _mm512_set1_epi32(cell.cast::<i32>().read()),
    |sum, left, right| _mm512_dpbf16_ps(
        sum,
        std::mem::transmute::<__m512i, __m512bh>(left),
        std::mem::transmute::<__m512, __m512bh>(right),
    )
);

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const ROWS: usize, const VECTORS: usize>(t: &Tile) {
    use std::arch::x86_64::*;
    const HALF: usize = LANES / 2;
    // SAFETY: the caller vouches for every address; loads and stores are unaligned ones.
    unsafe {
        // Sixteen registers hold 6 rows of 16 columns; a panel of 32 is walked twice.
        for v in 0..VECTORS {
            let mut acc = [[_mm256_setzero_ps(); 2]; ROWS];
            let (mut a, mut b) = (t.a, t.b.add(v * LANES));
            for _ in 0..t.k {
                let right = [_mm256_loadu_ps(b), _mm256_loadu_ps(b.add(HALF))];
                for (i, row) in acc.iter_mut().enumerate() {
                    let left = _mm256_set1_ps(*a.add(i * t.a_row));
                    row[0] = _mm256_fmadd_ps(left, right[0], row[0]);
                    row[1] = _mm256_fmadd_ps(left, right[1], row[1]);
                }
                a = a.add(t.a_column);
                b = b.add(t.b_row);
            }
            for (i, row) in acc.iter().enumerate() {
                let start = t.start(i);
                for (half, &sum) in row.iter().enumerate() {
                    let mut sum = sum;
                    let column = v * LANES + half * HALF;
                    if !start.is_null() {
                        sum = _mm256_add_ps(sum, _mm256_loadu_ps(start.add(column)));
                    }
                    if t.relu {
                        sum = _mm256_max_ps(_mm256_setzero_ps(), sum);
                    }
                    let at = i * t.c_row + column;
                    if !t.mask.is_null() {
                        let mask = _mm256_loadu_ps(t.mask.add(at));
                        let positive = _mm256_cmp_ps::<_CMP_GT_OQ>(mask, _mm256_setzero_ps());
                        sum = _mm256_and_ps(sum, positive);
                    }
                    _mm256_storeu_ps(t.c.add(at), sum);
                }
            }
        }
    }
}

/// Whether a number is above zero; NaN is not.
fn positive(v: f32) -> bool {
    v > 0.0
}

unsafe fn portable<const ROWS: usize, const VECTORS: usize>(t: &Tile) {
    // SAFETY: the caller vouches for every address.
    unsafe {
        for v in 0..VECTORS {
            let mut acc = [[0.0f32; LANES]; ROWS];
            let (mut a, mut b) = (t.a, t.b.add(v * LANES));
            for _ in 0..t.k {
                let right: [f32; LANES] = b.cast::<[f32; LANES]>().read_unaligned();
                for (i, row) in acc.iter_mut().enumerate() {
                    let left = *a.add(i * t.a_row);
                    for (sum, r) in row.iter_mut().zip(right) {
                        *sum += left * r;
                    }
                }
                a = a.add(t.a_column);
                b = b.add(t.b_row);
            }
            for (i, row) in acc.iter().enumerate() {
                let start = t.start(i);
                for (j, &sum) in row.iter().enumerate() {
                    let column = v * LANES + j;
                    let mut sum = sum;
                    if !start.is_null() {
                        sum += *start.add(column);
                    }
                    if t.relu {
                        sum = relu(sum);
                    }
                    let at = i * t.c_row + column;
                    if !t.mask.is_null() && !positive(*t.mask.add(at)) {
                        sum = 0.0;
                    }
                    *t.c.add(at) = sum;
                }
            }
        }
    }
}
