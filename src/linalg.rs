//! Small dense matrices in double precision: what candle does not have and the 1x1 convolutions need.

/// A square matrix, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Rows and columns.
    pub n: usize,
    /// `n * n` entries.
    pub data: Vec<f64>,
}

impl std::ops::Index<(usize, usize)> for Matrix {
    type Output = f64;

    fn index(&self, (i, j): (usize, usize)) -> &f64 {
        &self.data[i * self.n + j]
    }
}

impl std::ops::IndexMut<(usize, usize)> for Matrix {
    fn index_mut(&mut self, (i, j): (usize, usize)) -> &mut f64 {
        &mut self.data[i * self.n + j]
    }
}

/// `P A = L U` with partial pivoting: row `i` of `P A` is row `order[i]` of `A`; `L` (unit diagonal, not
/// stored) and `U` share one matrix.
pub struct Lu {
    /// Row order.
    pub order: Vec<usize>,
    /// `L` below the diagonal, `U` on and above it.
    pub factors: Matrix,
}

impl Matrix {
    /// All zeros.
    pub fn zeros(n: usize) -> Self {
        Self {
            n,
            data: vec![0.0; n * n],
        }
    }

    /// Entry `(i, j)` is `entry(i, j)`.
    pub fn from_fn(n: usize, entry: impl Fn(usize, usize) -> f64) -> Self {
        Self {
            n,
            data: (0..n * n).map(|at| entry(at / n, at % n)).collect(),
        }
    }

    /// From single precision, row-major.
    pub fn from_f32(n: usize, data: &[f32]) -> Self {
        Self {
            n,
            data: data.iter().map(|&v| f64::from(v)).collect(),
        }
    }

    /// `self * other`.
    pub fn dot(&self, other: &Self) -> Self {
        let n = self.n;
        let mut out = Self::zeros(n);
        for i in 0..n {
            for p in 0..n {
                let left = self[(i, p)];
                // Permutations and triangles are mostly zeros.
                if left != 0.0 {
                    add_multiple(&mut out.data[i * n..][..n], left, &other.data[p * n..][..n]);
                }
            }
        }
        out
    }

    /// The transpose.
    pub fn transposed(&self) -> Self {
        Self::from_fn(self.n, |i, j| self[(j, i)])
    }

    /// LU decomposition. A singular matrix gives zeros on the diagonal of `U`.
    pub fn lu(&self) -> Lu {
        let n = self.n;
        let mut a = self.clone();
        let mut order: Vec<usize> = (0..n).collect();
        for k in 0..n {
            let pivot = (k..n)
                .max_by(|&i, &j| a[(i, k)].abs().total_cmp(&a[(j, k)].abs()))
                .unwrap_or(k);
            if pivot != k {
                order.swap(pivot, k);
                for j in 0..n {
                    a.data.swap(pivot * n + j, k * n + j);
                }
            }
            let head = a[(k, k)];
            if head == 0.0 {
                continue;
            }
            for i in k + 1..n {
                let factor = a[(i, k)] / head;
                a[(i, k)] = factor;
                for j in k + 1..n {
                    a.data[i * n + j] -= factor * a.data[k * n + j];
                }
            }
        }
        Lu { order, factors: a }
    }

    /// `ln |det|`; minus infinity for a singular matrix.
    pub fn log_abs_det(&self) -> f64 {
        let lu = self.lu();
        (0..self.n).map(|i| lu.factors[(i, i)].abs().ln()).sum()
    }

    /// The inverse; `None` for a singular matrix or one with entries that are not finite.
    pub fn inverse(&self) -> Option<Self> {
        let n = self.n;
        let Lu { order, factors } = self.lu();
        // L U X = P by rows of X: whole rows at once are what a compiler turns into vectors.
        let mut out = Self::from_fn(n, |i, j| if order[i] == j { 1.0 } else { 0.0 });
        for i in 0..n {
            for j in 0..i {
                let (solved, rest) = out.data.split_at_mut(i * n);
                add_multiple(&mut rest[..n], -factors[(i, j)], &solved[j * n..][..n]);
            }
        }
        for i in (0..n).rev() {
            let (rest, solved) = out.data.split_at_mut((i + 1) * n);
            let row = &mut rest[i * n..];
            for j in i + 1..n {
                add_multiple(row, -factors[(i, j)], &solved[(j - i - 1) * n..][..n]);
            }
            row.iter_mut().for_each(|v| *v /= factors[(i, i)]);
        }
        out.data.iter().all(|v| v.is_finite()).then_some(out)
    }

    /// The orthogonal factor of a QR decomposition (Gram-Schmidt, done twice for accuracy).
    pub fn orthogonal_factor(&self) -> Self {
        let n = self.n;
        let mut columns: Vec<Vec<f64>> = Vec::with_capacity(n);
        for j in 0..n {
            let mut v: Vec<f64> = (0..n).map(|i| self[(i, j)]).collect();
            for _ in 0..2 {
                for q in &columns {
                    let along: f64 = q.iter().zip(&v).map(|(a, b)| a * b).sum();
                    v.iter_mut().zip(q).for_each(|(a, b)| *a -= along * b);
                }
            }
            let norm = v.iter().map(|a| a * a).sum::<f64>().sqrt();
            v.iter_mut().for_each(|a| *a /= norm);
            columns.push(v);
        }
        Self::from_fn(n, |i, j| columns[j][i])
    }
}

/// `row += factor * other`.
fn add_multiple(row: &mut [f64], factor: f64, other: &[f64]) {
    for (a, b) in row.iter_mut().zip(other) {
        *a += factor * b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(n: usize) -> Matrix {
        Matrix::from_fn(n, |i, j| {
            ((i * 7 + j * 5 + i * j) % 11) as f64 - 5.0 + if i == j { 3.5 } else { 0.0 }
        })
    }

    #[test]
    fn inverse_times_matrix_is_the_identity() {
        for n in [1, 2, 12, 48] {
            let a = example(n);
            let product = a.dot(&a.inverse().unwrap());
            for i in 0..n {
                for j in 0..n {
                    assert!((product[(i, j)] - if i == j { 1.0 } else { 0.0 }).abs() < 1e-9);
                }
            }
        }
    }

    #[test]
    fn determinant_of_a_known_matrix_and_of_a_rotation() {
        let a = Matrix {
            n: 2,
            data: vec![3.0, 1.0, 4.0, 2.0],
        };
        assert!((a.log_abs_det() - 2.0f64.ln()).abs() < 1e-12);
        let q = example(24).orthogonal_factor();
        assert!(q.log_abs_det().abs() < 1e-9);
        let gram = q.transposed().dot(&q);
        assert!((gram[(3, 3)] - 1.0).abs() < 1e-12 && gram[(3, 4)].abs() < 1e-12);
    }

    #[test]
    fn a_singular_matrix_has_no_inverse() {
        let a = Matrix {
            n: 2,
            data: vec![1.0, 2.0, 2.0, 4.0],
        };
        assert!(a.inverse().is_none() && a.log_abs_det() == f64::NEG_INFINITY);
    }
}
