//! Small solvers for symmetric systems, in f64.

/// Solves `A x = b` for a small dense `A` (row-major); `None` where it is not positive definite.
pub(super) fn cholesky(mut a: Vec<f64>, b: &[f64]) -> Option<Vec<f64>> {
    let n = b.len();
    debug_assert_eq!(a.len(), n * n);
    for j in 0..n {
        for i in j..n {
            let sum: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
            let rest = a[i * n + j] - sum;
            if i == j {
                if rest.is_nan() || rest <= 0.0 {
                    return None;
                }
                a[j * n + j] = rest.sqrt();
            } else {
                a[i * n + j] = rest / a[j * n + j];
            }
        }
    }
    let mut x = b.to_vec();
    for i in 0..n {
        let sum: f64 = (0..i).map(|k| a[i * n + k] * x[k]).sum();
        x[i] = (x[i] - sum) / a[i * n + i];
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|k| a[k * n + i] * x[k]).sum();
        x[i] = (x[i] - sum) / a[i * n + i];
    }
    Some(x)
}

/// Conjugate gradients for `A x = b` with `A` given by its product; stops at a residual of
/// `tolerance * |b|` or after `max_iterations`, with the best solution so far either way.
pub(super) fn conjugate_gradient(
    product: impl Fn(&[f64]) -> Vec<f64>,
    b: &[f64],
    tolerance: f64,
    max_iterations: usize,
) -> Vec<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut x = vec![0.0; b.len()];
    let mut residual = b.to_vec();
    let mut p = b.to_vec();
    let mut rr = dot(&residual, &residual);
    let enough = tolerance * tolerance * rr;
    for _ in 0..max_iterations {
        if rr <= enough {
            break;
        }
        let ap = product(&p);
        let alpha = rr / dot(&p, &ap);
        for i in 0..x.len() {
            x[i] += alpha * p[i];
            residual[i] -= alpha * ap[i];
        }
        let next = dot(&residual, &residual);
        let beta = next / rr;
        rr = next;
        for i in 0..p.len() {
            p[i] = residual[i] + beta * p[i];
        }
    }
    x
}

/// Sweeps of Jacobi's method: it converges quadratically, a small matrix in about six.
const SWEEPS: usize = 30;

/// Eigenvalues of a small symmetric matrix (row-major, `n` by `n`), the largest first, and their vectors as the columns of a
/// matrix: Jacobi's rotations.
pub(super) fn eigen(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    debug_assert_eq!(a.len(), n * n);
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    for _ in 0..SWEEPS {
        let off: f64 = (0..n * n)
            .filter(|at| at / n != at % n)
            .map(|at| a[at].powi(2))
            .sum();
        let all: f64 = a.iter().map(|v| v * v).sum();
        if off <= 1e-30 * all {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[p * n + q] != 0.0 {
                    rotate(&mut a, &mut vectors, n, p, q);
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[j * n + j].total_cmp(&a[i * n + i]));
    let values = order.iter().map(|&i| a[i * n + i]).collect();
    let sorted = (0..n * n).map(|at| vectors[at / n * n + order[at % n]]);
    (values, sorted.collect())
}

/// Turns rows and columns `p` and `q` so that their common entry is 0.
fn rotate(a: &mut [f64], vectors: &mut [f64], n: usize, p: usize, q: usize) {
    let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * a[p * n + q]);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    let turn = |m: &mut [f64], i: usize, j: usize| {
        let (x, y) = (m[i], m[j]);
        (m[i], m[j]) = (c * x - s * y, s * x + c * y);
    };
    for k in 0..n {
        turn(a, k * n + p, k * n + q);
        turn(vectors, k * n + p, k * n + q);
    }
    for k in 0..n {
        turn(a, p * n + k, q * n + k);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f64; 9] = [4.0, 1.0, 0.5, 1.0, 3.0, -1.0, 0.5, -1.0, 2.0];

    fn times(x: &[f64]) -> Vec<f64> {
        (0..3)
            .map(|i| (0..3).map(|j| A[3 * i + j] * x[j]).sum())
            .collect()
    }

    #[test]
    fn eigenvectors_are_stretched_by_their_values() {
        let (values, vectors) = eigen(A.to_vec(), 3);
        assert!(values[0] > values[1] && values[1] > values[2]);
        for (j, value) in values.iter().enumerate() {
            let v: Vec<f64> = (0..3).map(|i| vectors[3 * i + j]).collect();
            let norm: f64 = v.iter().map(|v| v * v).sum();
            assert!((norm - 1.0).abs() < 1e-12);
            for (stretched, v) in times(&v).iter().zip(&v) {
                assert!((stretched - value * v).abs() < 1e-9);
            }
        }
        assert_eq!(eigen(vec![2.0, 0.0, 0.0, 5.0], 2).0, [5.0, 2.0]);
    }

    #[test]
    fn both_invert_a_small_system() {
        let b = [1.0, -2.0, 3.0];
        for x in [
            cholesky(A.to_vec(), &b).unwrap(),
            conjugate_gradient(times, &b, 1e-12, 10),
        ] {
            for (found, expected) in times(&x).iter().zip(b) {
                assert!((found - expected).abs() < 1e-9);
            }
        }
        assert_eq!(cholesky(vec![1.0, 2.0, 2.0, 1.0], &[1.0, 1.0]), None);
        assert_eq!(conjugate_gradient(times, &[0.0; 3], 1e-6, 10), [0.0; 3]);
    }
}
