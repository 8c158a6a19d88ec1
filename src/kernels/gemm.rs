//! Matrix products `C = init + A B`, with what follows applied while the tile is in registers.

use std::cell::RefCell;

use super::aligned::Aligned;
use super::bf16::{Arithmetic, cell, cell_stride, pair_columns, pair_rows};
use super::tile::{self, Tile};
use super::{Isa, LANES, padded};

/// Columns of `B` that a tile covers at most.
pub(super) const PANEL: usize = 2 * LANES;

/// A right-hand side `[k, n]` stored as panels of 32 columns (the last one of 16 where that is enough),
/// each of consecutive rows of [cells](super::bf16): the order in which the kernel reads it, so that it is
/// packed once and streamed ever after.
#[derive(Clone, Default)]
pub struct PackedMatrix {
    k: usize,
    n: usize,
    arithmetic: Arithmetic,
    data: Aligned,
}

impl PackedMatrix {
    /// Packs the matrix whose entry at `(row, column)` is `entry(row, column)`.
    pub fn from_fn(k: usize, n: usize, entry: impl Fn(usize, usize) -> f32) -> Self {
        Self::with_arithmetic(k, n, Arithmetic::F32, entry)
    }

    /// As [`PackedMatrix::from_fn`], for products of a given arithmetic.
    pub fn with_arithmetic(
        k: usize,
        n: usize,
        arithmetic: Arithmetic,
        entry: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let arithmetic = arithmetic.or_f32();
        let rows = arithmetic.cells(k);
        let mut data = Aligned::zeros(rows * padded(n));
        for (start, width) in panels(padded(n)) {
            let panel = &mut data[start * rows..(start + width) * rows];
            for (row, line) in panel.chunks_exact_mut(width).enumerate() {
                for (j, value) in line.iter_mut().take(n - start.min(n)).enumerate() {
                    *value = match arithmetic {
                        Arithmetic::F32 => entry(row, start + j),
                        Arithmetic::Bf16 => {
                            let second = if 2 * row + 1 < k {
                                entry(2 * row + 1, start + j)
                            } else {
                                0.0
                            };
                            cell(entry(2 * row, start + j), second)
                        }
                    };
                }
            }
        }
        Self {
            k,
            n,
            arithmetic,
            data,
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

    /// The numbers that its products multiply.
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
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
        /// The numbers to multiply.
        arithmetic: Arithmetic,
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
/// Products of bf16 read a packed matrix's left-hand side along its rows (`a.column == 1`); for plain rows they pair
/// the rows that are summed, so there `a.row == 1`, and rows of `A` have room for whole vectors (`a.column` is at least
/// `padded(m)`).
///
/// # Panics
/// Where a slice is too short for the shapes, or strides are others than bf16 needs: a bug of the caller, never
/// something in a file.
pub fn gemm(m: usize, a: Lhs, b: Rhs, c: &mut [f32], c_stride: usize, init: Init, finish: Finish) {
    let shape = match b {
        Rhs::Packed(packed) => Shape {
            k: packed.arithmetic.cells(packed.k),
            n: padded(packed.n),
            row: None,
            arithmetic: packed.arithmetic,
        },
        Rhs::Rows {
            data,
            stride,
            n,
            arithmetic,
        } => {
            assert!(stride.is_multiple_of(LANES) && padded(n) <= stride);
            Shape {
                k: data.len() / stride,
                n: padded(n),
                row: Some(stride),
                arithmetic: arithmetic.or_f32(),
            }
        }
    };
    match (b, shape.arithmetic) {
        (Rhs::Packed(packed), Arithmetic::F32) => {
            gemm_cells(m, shape, a, &packed.data, c, c_stride, init, finish);
        }
        (Rhs::Rows { data, .. }, Arithmetic::F32) => {
            gemm_cells(m, shape, a, data, c, c_stride, init, finish);
        }
        (Rhs::Packed(packed), Arithmetic::Bf16) => {
            assert!(
                a.column == 1,
                "bf16 reads the left-hand side along its rows"
            );
            let row = cell_stride(packed.k);
            with_cells(m * row, |cells, _| {
                pair_columns(a.data, a.row, m, packed.k, cells);
                let a = Lhs {
                    data: cells,
                    row,
                    column: 1,
                };
                gemm_cells(m, shape, a, &packed.data, c, c_stride, init, finish);
            });
        }
        (
            Rhs::Rows {
                data, stride, n, ..
            },
            Arithmetic::Bf16,
        ) => {
            assert!(a.row == 1, "bf16 pairs the rows that are summed");
            let k = shape.k.div_ceil(2);
            with_cells(k * padded(m), |left, right| {
                right.reserve_len(k * padded(n));
                pair_rows(a.data, a.column, shape.k, m, left);
                pair_rows(data, stride, shape.k, n, right);
                let a = Lhs {
                    data: left,
                    row: 1,
                    column: padded(m),
                };
                let shape = Shape {
                    k,
                    row: Some(padded(n)),
                    ..shape
                };
                gemm_cells(m, shape, a, right, c, c_stride, init, finish);
            });
        }
    }
}

/// Runs `work` with two buffers of this thread, the first of at least `len` cells.
fn with_cells(len: usize, work: impl FnOnce(&mut Aligned, &mut Aligned)) {
    thread_local! {
        static CELLS: RefCell<(Aligned, Aligned)> = RefCell::default();
    }
    CELLS.with_borrow_mut(|(left, right)| {
        left.reserve_len(len);
        work(left, right);
    });
}

/// The right-hand side of a product of cells.
#[derive(Clone, Copy)]
struct Shape {
    /// Rows of cells.
    k: usize,
    /// Columns, padded.
    n: usize,
    /// Distance between rows; `None`: panels.
    row: Option<usize>,
    /// What a cell holds.
    arithmetic: Arithmetic,
}

#[expect(
    clippy::too_many_arguments,
    reason = "the checked shapes of one product"
)]
fn gemm_cells(
    m: usize,
    Shape {
        k,
        n,
        row: b_row,
        arithmetic,
    }: Shape,
    a: Lhs,
    b: &[f32],
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
        b.len() >= b_row.map_or(k * n, |row| k * row),
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
        let (panel, panel_stride) = match b_row {
            None => (b[start * k..].as_ptr(), width),
            Some(row) => (b[start.min(b.len())..].as_ptr(), row),
        };
        let mut i = 0;
        while i < m {
            let rows = tile::rows_at_most(isa).min(m - i);
            // SAFETY: the assertions above cover every address: `A` up to row m - 1 and column k - 1, the
            // panel up to row k - 1 and `width` columns, `C`, mask and bias up to `n` padded columns.
            // `class` was checked to name rows of the table. `isa` was detected on this machine, and
            // `Arithmetic::or_f32` let bf16 through only where the processor has it.
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
                tile::run(isa, arithmetic, rows, width, &tile);
            }
            i += rows;
        }
    }
}

impl PackedMatrix {
    /// The entries in plain rows, `[k, n]`, without padding: for a device that packs in its own way. What was rounded
    /// in packing stays so.
    pub fn to_rows(&self) -> Vec<f32> {
        let (k, n, cells) = (self.k, self.n, self.arithmetic.cells(self.k));
        let mut rows = vec![0.0; k * n];
        for (start, width) in panels(padded(n)) {
            let panel = &self.data[start * cells..];
            for row in 0..k {
                let line = &mut rows[row * n + start..][..width.min(n - start)];
                for (j, value) in line.iter_mut().enumerate() {
                    *value = match self.arithmetic {
                        Arithmetic::F32 => panel[row * width + j],
                        Arithmetic::Bf16 => {
                            let cell = panel[row / 2 * width + j].to_bits();
                            // The upper half of an f32 is a bf16.
                            f32::from_bits(if row % 2 == 0 {
                                cell << 16
                            } else {
                                cell >> 16 << 16
                            })
                        }
                    };
                }
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
    fn check(m: usize, k: usize, n: usize, transposed: bool, packed: bool, arithmetic: Arithmetic) {
        let stride = padded(n);
        // Room for whole vectors behind every row, as all matrices here have.
        let (row, column) = if transposed {
            (1, padded(m))
        } else {
            (padded(k), 1)
        };
        let mut a = vec![0.0; padded(m) * padded(k)];
        for i in 0..m {
            for p in 0..k {
                a[i * row + p * column] = value(i, p, 1);
            }
        }
        let b = PackedMatrix::with_arithmetic(k, n, arithmetic, |p, j| value(p, j, 2));
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
                arithmetic,
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
                    check(m, k, n, transposed, packed, Arithmetic::F32);
                }
            }
            // The values have few enough bits to be exact in bf16.
            check(m, k, n, true, false, Arithmetic::Bf16);
            check(m, k, n, false, true, Arithmetic::Bf16);
        }
    }
}
