//! A state dict of rosinality/glow-pytorch.
//!
//! Its networks have biases in place of activation normalisation, which is folded into their weights; its matrices are LU. Its
//! coupling networks always have 512 hidden channels: what a narrower model lacks is zeros, which change nothing.

use super::torch::{StorageNumbers, Tensor, archive};
use crate::config::{Coupling, Padding, Permutation};
use crate::linalg::Matrix;
use crate::model::params::Params;

/// Hidden channels of every coupling network there.
const WIDTH: usize = 512;

/// The call that makes the model there which takes the file.
pub(super) fn constructor(params: &Params) -> String {
    let config = &params.config;
    let affine = match config.coupling {
        Coupling::Affine => "True",
        Coupling::Additive => "False",
    };
    format!(
        "Glow({}, {}, {}, affine={affine}, conv_lu=True)",
        config.channels, config.depth, config.levels
    )
}

/// The file, or why this model cannot be one.
pub(super) fn bytes(params: &Params) -> Result<Vec<u8>, String> {
    let config = &params.config;
    config
        .variant
        .refuse("rosinality's program")
        .map_err(|e| e.to_string())?;
    if !config.is_version_1() {
        return Err(
            "rosinality's program has neither a floor of the couplings' factor nor detail stages"
                .into(),
        );
    }
    if config.padding != Padding::FinalOnes {
        return Err(
            "rosinality's program pads the last convolutions with ones, and this model was trained with another padding; train \
             one with \"padding\": \"final_ones\""
                .into(),
        );
    }
    if config.width > WIDTH {
        return Err(format!(
            "the coupling networks of rosinality's program have {WIDTH} hidden channels, and those of this model {}",
            config.width
        ));
    }
    let mut out = StateDict {
        params,
        tensors: Vec::new(),
    };
    let shapes = config.level_shapes();
    for (l, shape) in shapes.iter().enumerate() {
        for k in 0..config.depth {
            out.step(l, k, shape.channels);
        }
        if l + 1 < shapes.len() {
            let (c, from) = (shape.channels, format!("levels.{l}.split.prior"));
            out.final_conv(
                &from,
                &format!("blocks.{l}.prior"),
                &(0..c).collect::<Vec<_>>(),
                None,
            );
        } else {
            out.top(l, shape.channels, shape.side)?;
        }
    }
    Ok(archive(&out.tensors))
}

struct StateDict<'a> {
    params: &'a Params,
    tensors: Vec<Tensor>,
}

impl StateDict<'_> {
    fn push(&mut self, name: String, shape: &[usize], numbers: impl IntoIterator<Item = f64>) {
        self.tensors.push(Tensor {
            // As its own checkpoints have it, which are those of a DataParallel model.
            name: format!("module.{name}"),
            shape: shape.to_vec(),
            numbers: StorageNumbers::F32(numbers.into_iter().map(|v| v as f32).collect()),
        });
    }

    fn get(&self, name: &str) -> Vec<f64> {
        self.params.slice(name).iter().map(|&v| v.into()).collect()
    }

    fn step(&mut self, l: usize, k: usize, c: usize) {
        let (from, to) = (
            format!("levels.{l}.steps.{k}."),
            format!("blocks.{l}.flows.{k}."),
        );
        let log_s = self.get(&format!("{from}actnorm.log_scale"));
        let bias = self.get(&format!("{from}actnorm.bias"));
        self.push(format!("{to}actnorm.loc"), &[1, c, 1, 1], bias);
        let scale = log_s.iter().map(|s| (3.0 * s).exp());
        self.push(format!("{to}actnorm.scale"), &[1, c, 1, 1], scale);
        self.tensors.push(Tensor {
            name: format!("module.{to}actnorm.initialized"),
            shape: Vec::new(),
            numbers: StorageNumbers::U8(vec![1]),
        });
        self.mixing(l, k, c, &format!("{to}invconv."));
        let (m, width) = (c / 2, self.params.config.width);
        for (conv, norm, to_at, input, wide_input, k) in [
            ("conv1", "actnorm1", 0, m, m, 3),
            ("conv2", "actnorm2", 2, width, WIDTH, 1),
        ] {
            let scale: Vec<f64> = self
                .get(&format!("{from}coupling.{norm}.log_scale"))
                .iter()
                .map(|s| (3.0 * s).exp())
                .collect();
            let weight = self.get(&format!("{from}coupling.{conv}.weight"));
            let bias = self.get(&format!("{from}coupling.{norm}.bias"));
            let per = input * k * k;
            let weight = weight.iter().enumerate();
            let weight: Vec<f64> = weight.map(|(i, w)| w * scale[i / per]).collect();
            let weight = widened(&weight, [width, per], [WIDTH, wide_input * k * k]);
            let name = format!("{to}coupling.net.{to_at}.");
            self.push(format!("{name}weight"), &[WIDTH, wide_input, k, k], weight);
            let bias: Vec<f64> = bias.iter().zip(&scale).map(|(b, s)| b * s).collect();
            let bias = widened(&bias, [width, 1], [WIDTH, 1]);
            self.push(format!("{name}bias"), &[WIDTH], bias);
        }
        // Raw first there, shift first here.
        let order: Vec<usize> = match self.params.config.coupling {
            Coupling::Affine => (m..c).chain(0..m).collect(),
            Coupling::Additive => (0..m).collect(),
        };
        self.final_conv(
            &format!("{from}coupling.conv3"),
            &format!("{to}coupling.net.4"),
            &order,
            Some(WIDTH),
        );
    }

    /// A final convolution, its outputs in this order, with zeros for the inputs up to `wide`.
    fn final_conv(&mut self, from: &str, to: &str, order: &[usize], wide: Option<usize>) {
        let weight = self.get(&format!("{from}.weight"));
        let per = weight.len() / order.len();
        let weight = order
            .iter()
            .flat_map(|&j| weight[j * per..(j + 1) * per].to_vec());
        let weight: Vec<f64> = weight.collect();
        let input = wide.unwrap_or(per / 9);
        let weight = widened(&weight, [order.len(), per], [order.len(), 9 * input]);
        self.push(
            format!("{to}.conv.weight"),
            &[order.len(), input, 3, 3],
            weight,
        );
        for (ours, theirs, shape) in [
            ("bias", "conv.bias", vec![order.len()]),
            ("log_scale", "scale", vec![1, order.len(), 1, 1]),
        ] {
            let numbers = self.get(&format!("{from}.{ours}"));
            let numbers = order.iter().map(|&j| numbers[j]);
            self.push(
                format!("{to}.{theirs}"),
                &shape,
                numbers.collect::<Vec<_>>(),
            );
        }
    }

    fn mixing(&mut self, l: usize, k: usize, c: usize, to: &str) {
        let from = format!("levels.{l}.steps.{k}.permutation.");
        let (p, lower, upper, sign, log_s);
        if self.params.config.permutation == Permutation::InvconvLu {
            (p, lower, upper) = (
                self.get(&format!("{from}p")),
                self.get(&format!("{from}l")),
                self.get(&format!("{from}u")),
            );
            (sign, log_s) = (
                self.get(&format!("{from}sign_s")),
                self.get(&format!("{from}log_s")),
            );
        } else {
            let lu = self.params.mixing(l, k).0.lu();
            let f = &lu.factors;
            let mut rows = Matrix::zeros(c);
            lu.order
                .iter()
                .enumerate()
                .for_each(|(i, &row)| rows[(row, i)] = 1.0);
            let kept = |keep: fn(usize, usize) -> bool| {
                Matrix::from_fn(c, |i, j| if keep(i, j) { f[(i, j)] } else { 0.0 }).data
            };
            (p, lower, upper) = (rows.data, kept(|i, j| j < i), kept(|i, j| j > i));
            sign = (0..c).map(|i| f[(i, i)].signum()).collect();
            log_s = (0..c).map(|i| f[(i, i)].abs().ln()).collect();
        }
        let square = [c, c];
        let ones = |keep: fn(usize, usize) -> bool| {
            Matrix::from_fn(c, |i, j| f64::from(u8::from(keep(i, j)))).data
        };
        self.push(format!("{to}w_l"), &square, lower);
        self.push(format!("{to}w_s"), &[c], log_s);
        self.push(format!("{to}w_u"), &square, upper);
        self.push(format!("{to}w_p"), &square, p);
        self.push(format!("{to}u_mask"), &square, ones(|i, j| j > i));
        self.push(format!("{to}l_mask"), &square, ones(|i, j| j < i));
        self.push(format!("{to}s_sign"), &[c], sign);
        self.push(format!("{to}l_eye"), &square, ones(|i, j| i == j));
    }

    /// The top: a convolution that sees zeros inside and ones outside, so that it is its bias, and on the border the weights
    /// of the taps that look outside.
    fn top(&mut self, l: usize, c: usize, side: usize) -> Result<(), String> {
        let mut values = self.get("prior.mean");
        values.extend(self.get("prior.log_std"));
        let per = values.len() / (2 * c);
        let mut weight = vec![0.0; 2 * c * c * 9];
        let mut bias = vec![0.0; 2 * c];
        for j in 0..2 * c {
            let map = &values[j * per..(j + 1) * per];
            let (b, taps) = if per == 1 {
                (map[0], [0.0; 9])
            } else {
                taps_of_map(map, side).ok_or(
                    "the prior at the top is a map that rosinality's program cannot express",
                )?
            };
            bias[j] = b;
            // All on the first input.
            weight[j * c * 9..j * c * 9 + 9].copy_from_slice(&taps);
        }
        let to = format!("blocks.{l}.prior.");
        self.push(format!("{to}conv.weight"), &[2 * c, c, 3, 3], weight);
        self.push(format!("{to}conv.bias"), &[2 * c], bias);
        self.push(format!("{to}scale"), &[1, 2 * c, 1, 1], vec![0.0; 2 * c]);
        Ok(())
    }
}

/// A matrix in the corner of a larger one of zeros; both `[rows, columns]`.
fn widened(matrix: &[f64], [_, from]: [usize; 2], [rows, to]: [usize; 2]) -> Vec<f64> {
    let mut out = vec![0.0; rows * to];
    for (out, row) in out.chunks_exact_mut(to).zip(matrix.chunks_exact(from)) {
        out[..from].copy_from_slice(row);
    }
    out
}

/// A bias and the weights of the eight outer taps that make a map, where there are such.
fn taps_of_map(map: &[f64], side: usize) -> Option<(f64, [f64; 9])> {
    let last = side - 1;
    let at = |y: usize, x: usize| map[y * side + x];
    let mut taps = [0.0; 9];
    let mut bias = 0.0;
    let corners = [at(0, 0), at(0, last), at(last, 0), at(last, last)];
    match side {
        1 => bias = map[0],
        2 => {
            // Three of four corner taps look outside from each pixel.
            let sum = corners.iter().sum::<f64>() / 3.0;
            for (tap, opposite) in [(0, 3), (2, 2), (6, 1), (8, 0)] {
                taps[tap] = sum - corners[opposite];
            }
        }
        _ => {
            bias = at(1, 1);
            let [top, bottom] = [at(0, 1) - bias, at(last, 1) - bias];
            let [left, right] = [at(1, 0) - bias, at(1, last) - bias];
            taps[0] = top + left - (corners[0] - bias);
            taps[2] = top + right - (corners[1] - bias);
            taps[6] = bottom + left - (corners[2] - bias);
            taps[8] = bottom + right - (corners[3] - bias);
            taps[1] = top - taps[0] - taps[2];
            taps[7] = bottom - taps[6] - taps[8];
            taps[3] = left - taps[0] - taps[6];
            taps[5] = right - taps[2] - taps[8];
        }
    }
    let made = |y: usize, x: usize| -> f64 {
        let out = |a: usize, d: usize| a + d == 0 || a + d > side;
        let outside = (0..9).filter(|t| out(y, t / 3) || out(x, t % 3));
        bias + outside.map(|t| taps[t]).sum::<f64>()
    };
    let close = |i: usize| (made(i / side, i % side) - map[i]).abs() < 1e-5 * (1.0 + map[i].abs());
    (0..side * side).all(close).then_some((bias, taps))
}
