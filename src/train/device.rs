//! Loss and gradients on a candle device: the same walk as the CPU's ([`super::backward`]) on tensors.
//!
//! One state a level is kept. Backward, each step's input is recomputed from its output by the inverse, and the step
//! alone is evaluated once more through variables, so that candle differentiates one step at a time: memory does not
//! grow with depth. Layers are the plain form's, on whatever device their tensors lie.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Instant;

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;

use super::backward::{Piece, Taken};
use super::error::TrainError;
use super::gradients::{BatchGradients, BatchShare, Weight, parts_of};
use super::ranks::Communicator;
use super::reduce::{Buckets, ReduceTimes, walk};
use super::unfold::piece_range;
use crate::flow::Bijector as _;
use crate::flow::squeeze::Squeeze;
use crate::model::ModelError;
use crate::model::glow::{Glow, tensors};
use crate::model::params::Params;

/// A device that gradients are computed on.
pub struct DeviceGradients {
    device: Device,
    n_parts: usize,
}

/// The model of one step of the optimiser: as constants for what needs no gradient, and through variables.
struct Models {
    constant: Glow,
    variable: Glow,
    variables: HashMap<String, Var>,
}

impl DeviceGradients {
    /// On this device.
    pub fn new(device: Device) -> Self {
        Self { device, n_parts: 1 }
    }

    /// With each batch worked through in so many parts, one after the other: memory is that of one part.
    pub fn with_parts(mut self, n_parts: usize) -> Self {
        self.n_parts = n_parts.max(1);
        self
    }

    /// The mean bits per dimension of a batch that ranks share, and its gradient in the order of the layout, the same
    /// on every rank. What the device has finished is summed over ranks by way of the host while it goes on.
    ///
    /// Errors: a 1x1 convolution without an inverse; what the device says; ranks that no longer hear of each other.
    pub fn over_ranks(
        &mut self,
        params: &Params,
        share: &BatchShare,
        ranks: &dyn Communicator,
    ) -> Result<BatchGradients, TrainError> {
        let models = Models::new(params, &self.device).map_err(ModelError::from)?;
        let weight = Weight::new(params, share.n_whole);
        let mut parts: Vec<Range<usize>> = parts_of(share.n, self.n_parts).collect();
        let last = parts.pop().unwrap_or(0..0);
        let mut before = vec![0.0; params.data.len()];
        let mut log_prob = 0.0;
        let size = params.config.image_size;
        let tensor = |part: Range<usize>| {
            let shape = (part.len(), params.config.channels, size, size);
            Tensor::from_vec((share.inputs)(part).concat(), shape, &self.device)
        };
        for part in parts {
            let x = tensor(part).map_err(ModelError::from)?;
            let mut keep = |piece, values: Vec<f32>| {
                let to = &mut before[piece_range(params, piece)];
                to.iter_mut().zip(values).for_each(|(a, b)| *a += b);
            };
            log_prob += models
                .walk(params, &x, weight.each, &mut keep)
                .map_err(ModelError::from)?;
        }
        // A share without pictures has zeros, and takes part in the sums.
        let x = match last.is_empty() {
            true => None,
            false => Some(tensor(last).map_err(ModelError::from)?),
        };
        let start = Instant::now();
        let mut buckets = Buckets::new(params, walk(params), 0.0);
        let (sender, receiver) = crossbeam_channel::unbounded();
        let (walked, summed, walk_secs) = std::thread::scope(|scope| {
            let (models, before) = (&models, &before);
            let walking = scope.spawn(move || {
                let mut send = |piece, mut values: Vec<f32>| {
                    let earlier = &before[piece_range(params, piece)];
                    values.iter_mut().zip(earlier).for_each(|(a, b)| *a += b);
                    // Only a rank that has failed listens no more.
                    let _ = sender.send((0, piece, Taken::Flat(values)));
                };
                let walked = match &x {
                    Some(x) => models.walk(params, x, weight.each, &mut send),
                    None => {
                        for piece in walk(params) {
                            send(piece, vec![0.0; piece_range(params, piece).len()]);
                        }
                        Ok(0.0)
                    }
                };
                (walked, start.elapsed().as_secs_f64())
            });
            let (summed, _) = buckets.sum(1, &receiver, ranks, start);
            drop(receiver);
            match walking.join() {
                Ok((walked, secs)) => (walked, summed, secs),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        });
        let started = Instant::now();
        let mut log_prob = [log_prob + walked.map_err(ModelError::from)?];
        let buckets_times = summed?;
        ranks.sum_f64(&mut log_prob)?;
        let times = match ranks.is_alone() {
            true => ReduceTimes::default(),
            false => ReduceTimes {
                walk_secs,
                buckets: buckets_times,
                loss_secs: started.elapsed().as_secs_f64(),
            },
        };
        Ok(BatchGradients {
            bits_per_dim: weight.bits(params, log_prob[0]),
            gradient: buckets.into_gradient(),
            times,
        })
    }
}

impl Models {
    fn new(params: &Params, device: &Device) -> candle_core::Result<Self> {
        let constants = tensors(params, device)?;
        let variables = constants.iter().map(|(name, tensor)| {
            let variable = Var::from_tensor(tensor)?;
            Ok((name.clone(), variable))
        });
        let variables: HashMap<String, Var> = variables.collect::<candle_core::Result<_>>()?;
        let named = variables.iter();
        let named = named.map(|(name, var)| (name.clone(), var.as_tensor().clone()));
        let of = |named| VarBuilder::from_tensors(named, DType::F32, device);
        Ok(Self {
            constant: Glow::from_vars(&params.config, &of(constants.clone()))?,
            variable: Glow::from_vars(&params.config, &of(named.collect()))?,
            variables,
        })
    }

    /// Gradients of `weight * sum_n ln p(x_n)` for the pictures `x` `[n, c, h, w]`, piece by piece in the order of the
    /// backward walk, and `sum_n ln p(x_n)`.
    fn walk(
        &self,
        params: &Params,
        x: &Tensor,
        weight: f32,
        finished: &mut dyn FnMut(Piece, Vec<f32>),
    ) -> candle_core::Result<f64> {
        let weight = f64::from(weight);
        let (saved, mut log_prob) = self.forward(x)?;
        // The gradient of the next level's input.
        let mut d_next: Option<Tensor> = None;
        for (l, level) in self.variable.levels.iter().enumerate().rev() {
            // Leaves of their own: candle differentiates back to here and no further.
            let z = Var::from_tensor(&saved[l])?;
            let own = match &level.split {
                Some(split) => split.forward(z.as_tensor())?.2,
                None => {
                    let prior = self.variable.prior();
                    prior.log_prob_of_eps(&prior.eps_from_z(z.as_tensor())?)?
                }
            };
            let own = own.sum_all()?;
            log_prob += f64::from(own.to_scalar::<f32>()?);
            let grads = (own * weight)?.backward()?;
            let mut d = gradient_of(&grads, &z)?;
            if let Some(d_next) = d_next.take() {
                // What goes on is the first half, as it is.
                let rest = d.dim(3)? - d_next.dim(3)?;
                d = (d + d_next.pad_with_zeros(3, 0, rest)?)?;
            }
            let piece = Piece::Prior { level: l };
            finished(piece, self.host(params, piece, &grads)?);
            let mut z = saved[l].clone();
            for (k, step) in level.steps.iter().enumerate().rev() {
                let before = self.constant.levels[l].steps[k].inverse(&z)?;
                let x = Var::from_tensor(&before)?;
                let (out, log_det) = step.forward(x.as_tensor())?;
                let loss = ((out * &d)?.sum_all()? + (log_det.sum_all()? * weight)?)?;
                let grads = loss.backward()?;
                d = gradient_of(&grads, &x)?;
                let piece = Piece::Step { level: l, step: k };
                finished(piece, self.host(params, piece, &grads)?);
                z = before;
            }
            d_next = Some(Squeeze.inverse(&d)?);
        }
        Ok(log_prob)
    }

    /// The last state of each level, before its split, and the sum of the steps' log-determinants.
    fn forward(&self, x: &Tensor) -> candle_core::Result<(Vec<Tensor>, f64)> {
        let mut x = x.permute((0, 2, 3, 1))?.contiguous()?;
        let (mut saved, mut log_prob) = (Vec::new(), 0.0);
        for level in &self.constant.levels {
            (x, _) = Squeeze.forward(&x)?;
            for step in &level.steps {
                let (z, log_det) = step.forward(&x)?;
                log_prob += f64::from(log_det.sum_all()?.to_scalar::<f32>()?);
                x = z;
            }
            saved.push(x.clone());
            if level.split.is_some() {
                x = x.narrow(3, 0, x.dim(3)? / 2)?.contiguous()?;
            }
        }
        Ok((saved, log_prob))
    }

    /// The gradients of a piece's parameters, on the host and in the order of the layout.
    fn host(
        &self,
        params: &Params,
        piece: Piece,
        grads: &GradStore,
    ) -> candle_core::Result<Vec<f32>> {
        let range = piece_range(params, piece);
        let mut out = vec![0.0; range.len()];
        let entries = params.layout.entries().iter();
        for entry in entries.filter(|e| e.trained && range.contains(&e.offset)) {
            let variable = self.variables.get(&entry.name);
            if let Some(gradient) = variable.and_then(|v| grads.get(v.as_tensor())) {
                let start = entry.offset - range.start;
                let gradient = gradient.flatten_all()?.to_vec1::<f32>()?;
                out[start..start + entry.count()].copy_from_slice(&gradient);
            }
        }
        Ok(out)
    }
}

fn gradient_of(grads: &GradStore, var: &Var) -> candle_core::Result<Tensor> {
    match grads.get(var.as_tensor()) {
        Some(gradient) => Ok(gradient.detach()),
        None => var.as_tensor().zeros_like(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Coupling, GlowConfig, Padding, Permutation};
    use crate::latent::tests::tiny_config;
    use crate::noise::Noise;
    use crate::train::gradients::CpuGradients;
    use crate::train::optimizer::norm;
    use crate::train::ranks::Alone;
    use crate::train::ranks::threads::on_ranks;

    fn params(permutation: Permutation, coupling: Coupling, padding: Padding) -> Params {
        let config = GlowConfig {
            image_size: 16,
            levels: 3,
            depth: 2,
            width: 20,
            permutation,
            coupling,
            padding,
            ..tiny_config()
        };
        Params::perturbed(config, 5)
    }

    #[test]
    fn gradients_on_tensors_are_those_of_the_cpu_for_one_rank_and_for_several() {
        let mut noise = Noise::new(9);
        let picture = |_| (0..768).map(|_| noise.uniform() - 0.5).collect();
        let x: Vec<Vec<f32>> = (0..5).map(picture).collect();
        let refs: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
        for (permutation, coupling, padding) in [
            (Permutation::InvconvLu, Coupling::Affine, Padding::EdgeBias),
            (Permutation::Invconv, Coupling::Affine, Padding::FinalOnes),
            (Permutation::Shuffle, Coupling::Additive, Padding::Zeros),
        ] {
            let params = params(permutation, coupling, padding);
            let mut cpu = CpuGradients::new(&params, 1).unwrap();
            let (bits, gradient) = cpu.loss_and_gradients(&params, &refs).unwrap();
            let of_ranks = |ranks: &dyn Communicator, n_parts| {
                let range = ranks.share().range(5);
                let share = BatchShare {
                    n: range.len(),
                    n_whole: 5,
                    inputs: &|part| x[range.start + part.start..range.start + part.end].to_vec(),
                };
                let mut device = DeviceGradients::new(Device::Cpu).with_parts(n_parts);
                device.over_ranks(&params, &share, ranks).unwrap()
            };
            let mut found = vec![of_ranks(&Alone, 1), of_ranks(&Alone, 3)];
            found.extend(on_ranks(3, |ranks| of_ranks(&**ranks, 2)));
            // More ranks than pictures.
            found.extend(on_ranks(7, |ranks| of_ranks(&**ranks, 1)));
            for step in found {
                assert!((step.bits_per_dim - bits).abs() < 1e-5 * bits.abs());
                let pairs = gradient.iter().zip(&step.gradient);
                let difference: Vec<f32> = pairs.map(|(a, b)| a - b).collect();
                let error = norm(&difference) / norm(&gradient);
                assert!(error < 1e-4, "{permutation:?}: {error}");
            }
        }
    }
}
