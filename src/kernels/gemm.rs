//! Matrix products `C = init + A B`, with what follows applied while the tile is in registers.

use super::aligned::Aligned;
use super::micro::{self, Tile};
use super::{Isa, LANES, padded};

/// Columns of `B` that a tile covers at most.
pub(super) const PANEL: usize = 2 * LANES;

/// A right-hand side `[k, n]` stored as panels of 32 columns (the last one of 16 where that is enough),
/// each `k` rows of consecutive floats: the order in which the kernel reads it, so that it is packed
/// once and streamed ever after.
#[derive(Clone, Default)]
pub struct PackedMatrix {
    k: usize,
    n: usize,
    data: Aligned,
}

impl PackedMatrix {
    /// Packs the matrix whose entry at `(row, column)` is `entry(row, column)`.
    pub fn from_fn(k: usize, n: usize, entry: impl Fn(usize, usize) -> f32) -> Self {
        let mut packed = Self {
            k,
            n,
            data: Aligned::zeros(k * padded(n)),
        };
        packed.fill(entry);
        packed
    }

    /// Packs anew, in place.
    pub fn fill(&mut self, entry: impl Fn(usize, usize) -> f32) {
        let (k, n) = (self.k, self.n);
        for (start, width) in panels(padded(n)) {
            let panel = &mut self.data[start * k..(start + width) * k];
            for (row, line) in panel.chunks_exact_mut(width).enumerate() {
                for (j, value) in line.iter_mut().enumerate() {
                    *value = if start + j < n {
                        entry(row, start + j)
                    } else {
                        0.0
                    };
                }
            }
        }
    }

    /// Rows, the summed dimension.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.data.len() * size_of::<f32>()
    }
}

/// Start and width of each panel of a matrix with `n` (padded) columns.
fn panels(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n)
        .step_by(PANEL)
        .map(move |start| (start, PANEL.min(n - start)))
}

/// The left-hand side: entry `(i, p)` stands at `data[i * row + p * column]`.
#[derive(Clone, Copy)]
pub struct Lhs<'a> {
    /// The floats.
    pub data: &'a [f32],
    /// Distance between rows.
    pub row: usize,
    /// Distance between columns (the summed dimension).
    pub column: usize,
}

/// The right-hand side, `[k, n]`.
#[derive(Clone, Copy)]
pub enum Rhs<'a> {
    /// Packed weights.
    Packed(&'a PackedMatrix),
    /// Plain rows at a stride that is a multiple of [`LANES`].
    Rows {
        /// The floats.
        data: &'a [f32],
        /// Stride.
        stride: usize,
        /// Columns wanted.
        n: usize,
    },
}

/// What `C` starts from.
#[derive(Clone, Copy)]
pub enum Init<'a> {
    /// Zero.
    Zero,
    /// What `C` holds.
    Accumulate,
    /// A row of a bias table, `[classes, stride]`: the row that `class` names, or the first for all.
    Bias {
        /// The table.
        table: &'a [f32],
        /// Its stride.
        stride: usize,
        /// Which row for which row of `C`.
        class: Option<&'a [u8]>,
    },
}

/// What is applied before `C` is written.
#[derive(Clone, Copy)]
pub enum Finish<'a> {
    /// Nothing.
    None,
    /// `max(0, .)`.
    Relu,
    /// Zero where the given matrix (of `C`'s stride) is not positive: relu, backwards.
    WherePositive(&'a [f32]),
}

/// `C[m, n] = finish(init + A[m, k] B[k, n])`; `C` has rows of stride `c_stride`, a multiple of [`LANES`],
/// and all of the padded columns are written.
///
/// # Panics
/// Where a slice is too short for the shapes: a bug of the caller, never something in a file.
pub fn gemm(m: usize, a: Lhs, b: Rhs, c: &mut [f32], c_stride: usize, init: Init, finish: Finish) {
    let (k, n, b_len, b_stride) = match b {
        Rhs::Packed(packed) => (packed.k, padded(packed.n), packed.data.len(), 0),
        Rhs::Rows { data, stride, n } => {
            assert!(stride.is_multiple_of(LANES) && padded(n) <= stride);
            (data.len() / stride, padded(n), data.len(), stride)
        }
    };
    gemm_k(m, k, n, b_len, b_stride, a, b, c, c_stride, init, finish);
}

#[expect(
    clippy::too_many_arguments,
    reason = "the checked shapes of one product"
)]
fn gemm_k(
    m: usize,
    k: usize,
    n: usize,
    b_len: usize,
    b_stride: usize,
    a: Lhs,
    b: Rhs,
    c: &mut [f32],
    c_stride: usize,
    init: Init,
    finish: Finish,
) {
    if m == 0 || n == 0 {
        return;
    }
    assert!(
        k == 0 || a.data.len() > (m - 1) * a.row + (k - 1) * a.column,
        "left-hand side too short"
    );
    assert!(
        c.len() >= (m - 1) * c_stride + n && n <= c_stride,
        "result too short"
    );
    assert!(
        b_len >= if b_stride == 0 { k * n } else { k * b_stride },
        "right-hand side too short"
    );
    let (bias, bias_stride, class) = match init {
        Init::Zero => (std::ptr::null(), 0, std::ptr::null()),
        Init::Accumulate => (c.as_ptr(), 0, std::ptr::null()),
        Init::Bias {
            table,
            stride,
            class,
        } => {
            let rows = match class {
                Some(class) => {
                    assert!(class.len() >= m);
                    class[..m]
                        .iter()
                        .map(|&v| v as usize + 1)
                        .max()
                        .unwrap_or(0)
                }
                None => 1,
            };
            assert!(
                n <= stride && table.len() >= (rows - 1) * stride + n,
                "bias table too short"
            );
            (
                table.as_ptr(),
                stride,
                class.map_or(std::ptr::null(), <[u8]>::as_ptr),
            )
        }
    };
    let (relu, mask) = match finish {
        Finish::None => (false, std::ptr::null()),
        Finish::Relu => (true, std::ptr::null()),
        Finish::WherePositive(mask) => {
            assert!(mask.len() >= (m - 1) * c_stride + n, "mask too short");
            (false, mask.as_ptr())
        }
    };
    let isa = Isa::detect();
    let accumulate = matches!(init, Init::Accumulate);
    let from_table = matches!(init, Init::Bias { .. });
    for (start, width) in panels(n) {
        let (panel, panel_stride) = match b {
            Rhs::Packed(packed) => (packed.data[start * k..].as_ptr(), width),
            Rhs::Rows { data, .. } => (data[start.min(data.len())..].as_ptr(), b_stride),
        };
        let mut i = 0;
        while i < m {
            let rows = micro::rows_at_most(isa, width).min(m - i);
            // SAFETY: the assertions above cover every address: `A` up to row m - 1 and column k - 1, the
            // panel up to row k - 1 and `width` columns, `C`, mask and bias up to `n` padded columns.
            // `class` was checked to name rows of the table. `isa` was detected on this machine.
            unsafe {
                let tile = Tile {
                    k,
                    a: a.data.as_ptr().add(i * a.row),
                    a_row: a.row,
                    a_column: a.column,
                    b: panel,
                    b_row: panel_stride,
                    c: c.as_mut_ptr().add(i * c_stride + start),
                    c_row: c_stride,
                    accumulate,
                    bias: if from_table {
                        bias.add(start)
                    } else {
                        std::ptr::null()
                    },
                    bias_row: bias_stride,
                    class: if class.is_null() { class } else { class.add(i) },
                    relu,
                    mask: if mask.is_null() {
                        mask
                    } else {
                        mask.add(i * c_stride + start)
                    },
                };
                micro::run(isa, rows, width, &tile);
            }
            i += rows;
        }
    }
}

impl PackedMatrix {
    /// The entries in plain rows, `[k, n]`, without padding: for a device that packs in its own way.
    pub fn to_rows(&self) -> Vec<f32> {
        let (k, n) = (self.k, self.n);
        let mut rows = vec![0.0; k * n];
        for (start, width) in panels(padded(n)) {
            let valid = width.min(n - start);
            for row in 0..k {
                let from = start * k + row * width;
                rows[row * n + start..][..valid].copy_from_slice(&self.data[from..from + valid]);
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(i: usize, j: usize, salt: usize) -> f32 {
        (((i * 31 + j * 17 + salt * 7) % 23) as f32 - 11.0) / 8.0
    }

    #[track_caller]
    fn check(m: usize, k: usize, n: usize, transposed: bool, packed: bool) {
        let stride = padded(n);
        let (row, column) = if transposed { (1, m) } else { (k, 1) };
        let mut a = vec![0.0; m * k];
        for i in 0..m {
            for p in 0..k {
                a[i * row + p * column] = value(i, p, 1);
            }
        }
        let b = PackedMatrix::from_fn(k, n, |p, j| value(p, j, 2));
        let mut rows = vec![0.0; k * stride];
        for p in 0..k {
            for j in 0..n {
                rows[p * stride + j] = value(p, j, 2);
            }
        }
        let class: Vec<u8> = (0..m).map(|i| (i % 3) as u8).collect();
        let table: Vec<f32> = (0..3 * stride).map(|i| value(i, 3, 4)).collect();
        let mut c = vec![0.0; m * stride];
        let rhs = if packed {
            Rhs::Packed(&b)
        } else {
            Rhs::Rows {
                data: &rows,
                stride,
                n,
            }
        };
        let lhs = Lhs {
            data: &a,
            row,
            column,
        };
        let init = Init::Bias {
            table: &table,
            stride,
            class: Some(&class),
        };
        gemm(m, lhs, rhs, &mut c, stride, init, Finish::Relu);
        let expected = |i: usize, j: usize| {
            let sum: f32 = (0..k).map(|p| value(i, p, 1) * value(p, j, 2)).sum();
            sum + table[class[i] as usize * stride + j]
        };
        for i in 0..m {
            for j in 0..n {
                let want = expected(i, j).max(0.0);
                assert!(
                    (c[i * stride + j] - want).abs() < 1e-3,
                    "{m}x{k}x{n} at {i},{j}: {} {want}",
                    c[i * stride + j]
                );
            }
        }
        // Accumulating the same product, masked by the first result.
        let mask = c.clone();
        gemm(
            m,
            lhs,
            rhs,
            &mut c,
            stride,
            Init::Accumulate,
            Finish::WherePositive(&mask),
        );
        for i in 0..m {
            for j in 0..n {
                let once = expected(i, j).max(0.0);
                let sum = expected(i, j) - table[class[i] as usize * stride + j];
                let want = if once > 0.0 { once + sum } else { 0.0 };
                assert!((c[i * stride + j] - want).abs() < 2e-3);
            }
        }
    }

    #[test]
    fn products_agree_with_the_definition() {
        for (m, k, n) in [
            (1, 1, 1),
            (8, 54, 128),
            (13, 7, 33),
            (64, 128, 108),
            (5, 16, 48),
            (17, 3, 16),
            (9, 40, 96),
        ] {
            for transposed in [false, true] {
                for packed in [false, true] {
                    check(m, k, n, transposed, packed);
                }
            }
        }
    }
}
