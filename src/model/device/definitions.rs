//! What each kernel computes, in plain Rust: the definition that `kernels.cu` is tested against, and what runs where
//! the tensors live on the CPU.

use super::kernel::{Kernel, Sizes};
use crate::kernels::math::relu;
use crate::kernels::neighbours::Grid;

/// Half of `ln(2 pi)`.
const HALF_LN_TAU: f32 = 0.918_938_5;

/// Runs `kernel` with `n` threads on slices: its inputs, then what it writes.
pub(super) fn run(kernel: Kernel, n: usize, inputs: &[&[f32]], out: &mut [f32], sizes: &Sizes) {
    let s = sizes.map(|v| v as usize);
    match (kernel, inputs) {
        (Kernel::Gather, &[x, bias]) => gather(n, x, bias, out, s),
        (Kernel::BiasRelu, &[table]) => bias_relu(table, out, s),
        (Kernel::CoupleAffine, &[x, taps, log_det, bias, table]) => {
            let (out, total) = out.split_at_mut(2 * n);
            couple(x, taps, bias, table, out, s, 2, |at, x2, shift, raw| {
                total[at] = log_det[at] + log_sigmoid(raw + 2.0);
                (x2 + shift) * sigmoid(raw + 2.0)
            });
        }
        (Kernel::UncoupleAffine, &[x, taps, bias, table]) => {
            couple(x, taps, bias, table, out, s, 2, |_, x2, shift, raw| {
                x2 / sigmoid(raw + 2.0) - shift
            });
        }
        (Kernel::CoupleAdditive, &[x, taps, bias, table]) => {
            let sign = if s[3] == 0 { 1.0 } else { -1.0 };
            couple(x, taps, bias, table, out, s, 1, |_, x2, shift, _| {
                x2 + sign * shift
            });
        }
        (Kernel::EpsFromZ, &[z, prior, table]) => {
            let (eps, log_prob) = out.split_at_mut(n);
            let [_, e, stride, first, ..] = s;
            for_each_gaussian(n, prior, table, s, |row, j, mean, log_std| {
                let v = (z[row * stride + first + j] - mean) * (-log_std).exp();
                eps[row * e + j] = v;
                log_prob[row * e + j] = -(HALF_LN_TAU + log_std + 0.5 * v * v);
            });
        }
        (Kernel::ZFromEps, &[eps, prior, table]) => {
            let [_, e, stride, first, ..] = s;
            for_each_gaussian(n, prior, table, s, |row, j, mean, log_std| {
                out[row * stride + first + j] = eps[row * e + j] * log_std.exp() + mean;
            });
        }
        (Kernel::Squeeze, &[fine]) => squeeze(fine, out, s),
        (Kernel::Unsqueeze, &[coarse, bias]) => unsqueeze(coarse, bias, out, s),
        _ => unreachable!("the launch has checked the number of inputs"),
    }
}

fn sigmoid(v: f32) -> f32 {
    1.0 / (1.0 + (-v).exp())
}

fn log_sigmoid(v: f32) -> f32 {
    v.min(0.0) - (-v.abs()).exp().ln_1p()
}

/// Border class of each pixel row of a picture; where they make no difference all are of class 0.
fn classes(side: usize, by_class: bool) -> Vec<usize> {
    let grid = Grid { side };
    if by_class {
        grid.border_classes().into_iter().map(usize::from).collect()
    } else {
        vec![0; grid.pixels()]
    }
}

/// The row that tap `t` of `row` looks at, where it is inside the picture.
fn neighbour(row: usize, side: usize, t: usize) -> Option<usize> {
    let inside = row % (side * side);
    let (y, x) = (inside / side + t / 3, inside % side + t % 3);
    let is_inside = (1..=side).contains(&y) && (1..=side).contains(&x);
    is_inside.then(|| row - inside + (y - 1) * side + x - 1)
}

fn gather(n: usize, x: &[f32], bias: &[f32], out: &mut [f32], [side, m, stride, ..]: [usize; 6]) {
    out.fill(0.0);
    for (row, line) in out.chunks_exact_mut(9 * m).enumerate().take(n / m) {
        for (t, to) in line.chunks_exact_mut(m).enumerate() {
            if let Some(from) = neighbour(row, side, t) {
                let from = &x[from * stride..][..m];
                for ((to, v), b) in to.iter_mut().zip(from).zip(bias) {
                    *to = v + b;
                }
            }
        }
    }
}

fn bias_relu(table: &[f32], h: &mut [f32], [side, width, by_class, ..]: [usize; 6]) {
    let classes = classes(side, by_class != 0);
    for (line, &class) in h.chunks_exact_mut(width).zip(classes.iter().cycle()) {
        for (v, b) in line.iter_mut().zip(&table[class * width..]) {
            *v = relu(*v + b);
        }
    }
}

/// Couplings: `y1 = x1 + b1`, and `y2` is what `second` makes of the entry's place, `x2 + b2`, shift and raw; `halves`
/// is the number of outputs of the network for each channel of `x2`.
#[expect(
    clippy::too_many_arguments,
    reason = "the pointers and sizes of a kernel"
)]
fn couple(
    x: &[f32],
    taps: &[f32],
    bias: &[f32],
    table: &[f32],
    out: &mut [f32],
    [side, m, by_class, ..]: [usize; 6],
    halves: usize,
    mut second: impl FnMut(usize, f32, f32, f32) -> f32,
) {
    let o = halves * m;
    let classes = classes(side, by_class != 0);
    for (row, (y, x)) in out
        .chunks_exact_mut(2 * m)
        .zip(x.chunks_exact(2 * m))
        .enumerate()
    {
        let mut net = table[classes[row % classes.len()] * o..][..o].to_vec();
        for t in 0..9 {
            if let Some(from) = neighbour(row, side, t) {
                let tap = &taps[from * 9 * o + t * o..][..o];
                net.iter_mut().zip(tap).for_each(|(sum, v)| *sum += v);
            }
        }
        for j in 0..m {
            let raw = net.get(m + j).copied().unwrap_or_default();
            y[j] = x[j] + bias[j];
            y[m + j] = second(row * m + j, x[m + j] + bias[m + j], net[j], raw);
        }
    }
}

/// Calls `visit(row, channel, mean, log_std)` for `n` numbers.
fn for_each_gaussian(
    n: usize,
    prior: &[f32],
    table: &[f32],
    [side, e, _, _, period, by_class]: [usize; 6],
    mut visit: impl FnMut(usize, usize, f32, f32),
) {
    let classes = classes(side, by_class != 0);
    for row in 0..n / e {
        let line = &prior[row % period * 2 * e..][..2 * e];
        let add = &table[classes[row % classes.len()] * 2 * e..][..2 * e];
        for j in 0..e {
            visit(row, j, line[j] + add[j], line[e + j] + add[e + j]);
        }
    }
}

fn squeeze(fine: &[f32], out: &mut [f32], [side, m, stride, ..]: [usize; 6]) {
    for (row, line) in out.chunks_exact_mut(4 * m).enumerate() {
        for (to, v) in line.iter_mut().enumerate() {
            let from = crate::model::fast::step::fine_pixel(row, side, to / 2 % 2, to % 2);
            *v = fine[from * stride + to / 4];
        }
    }
}

fn unsqueeze(coarse: &[f32], bias: &[f32], out: &mut [f32], [side, m, stride, ..]: [usize; 6]) {
    let half = side / 2;
    out.fill(0.0);
    for (row, line) in coarse.chunks_exact(4 * m).enumerate() {
        for (from, v) in line.iter().enumerate() {
            let to = crate::model::fast::step::fine_pixel(row, half, from / 2 % 2, from % 2);
            out[to * stride + from / 4] = v + bias[from];
        }
    }
}
