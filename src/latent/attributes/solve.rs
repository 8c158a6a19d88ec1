//! Two small solvers for symmetric positive definite systems, in f64.

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
