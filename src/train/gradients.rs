//! Loss and gradients of a batch on several threads.

use super::backward::{
    Activations, Gradients, StageGradients, StageWeights, StageWorkspace, Workspace, accumulate,
    accumulate_stage,
};
use super::unfold::{parameter_gradients, stage_gradients};
use crate::kernels::Arithmetic;
use crate::model::ModelError;
use crate::model::folded::{Folded, Form, Purpose};
use crate::model::params::Params;

/// The buffers of a training on the CPU.
pub struct CpuGradients {
    threads: usize,
    activations: Activations,
    arithmetic: Arithmetic,
    parts: Vec<(Workspace, Gradients)>,
}

impl CpuGradients {
    /// For a model of this shape on `threads` threads.
    ///
    /// Errors: a 1x1 convolution without an inverse.
    pub fn new(params: &Params, threads: usize) -> Result<Self, ModelError> {
        let threads = threads.max(1);
        // Folded where every step does it: an allocator keeps for each thread what the thread has freed.
        let folded = Folded::new_parallel(params, Purpose::Training, threads)?;
        let parts = (0..threads)
            .map(|_| (Workspace::default(), Gradients::zeros(&folded)))
            .collect();
        Ok(Self {
            threads,
            activations: Activations::default(),
            arithmetic: Arithmetic::default(),
            parts,
        })
    }

    /// With activations kept or computed anew.
    pub fn with_activations(mut self, activations: Activations) -> Self {
        self.activations = activations;
        self
    }

    /// With this arithmetic in the products of the coupling networks; everything else, and every sum, is f32.
    pub fn with_arithmetic(mut self, arithmetic: Arithmetic) -> Self {
        self.arithmetic = arithmetic;
        self
    }

    /// The mean bits per dimension of the pictures `x` (`[c, h, w]` each, noise already in), and its gradient in
    /// the order of the layout.
    ///
    /// Errors: a 1x1 convolution without an inverse.
    pub fn loss_and_gradients(
        &mut self,
        params: &Params,
        x: &[&[f32]],
    ) -> Result<(f64, Vec<f32>), ModelError> {
        let form = Form {
            purpose: Purpose::Training,
            arithmetic: self.arithmetic,
        };
        let folded = Folded::new_parallel(params, form, self.threads)?;
        let weight_sum = -1.0 / (params.config.dims() as f64 * std::f64::consts::LN_2);
        let weight = (weight_sum / x.len().max(1) as f64) as f32;
        let activations = self.activations;
        let share = x.len().div_ceil(self.threads).max(1);
        std::thread::scope(|scope| {
            let mut parts = self.parts.iter_mut();
            let first = parts.next();
            let mut shares = x.chunks(share);
            let mine = shares.next();
            for (part, x) in parts.zip(shares.chain(std::iter::repeat(&[] as &[&[f32]]))) {
                let folded = &folded;
                scope.spawn(move || {
                    run(folded, params.config.channels, x, weight, activations, part)
                });
            }
            if let (Some(part), Some(x)) = (first, mine) {
                run(
                    &folded,
                    params.config.channels,
                    x,
                    weight,
                    activations,
                    part,
                );
            }
        });
        // What follows needs as much again for a while, and would find it here.
        drop(folded);
        let (head, tail) = self.parts.split_at_mut(1);
        let total = &mut head[0].1;
        tail.iter().for_each(|(_, part)| total.add(part));
        let bits =
            f64::from(params.config.bits) + weight_sum / x.len().max(1) as f64 * total.log_prob;
        Ok((
            bits,
            parameter_gradients(params, total, weight_sum, self.threads),
        ))
    }
}

impl CpuGradients {
    /// Bytes of activations and of everything else that is worked in, but for the cells of bf16 products (a tile or two
    /// a thread).
    pub fn workspace_bytes(&self) -> usize {
        self.parts.iter().map(|(ws, _)| ws.bytes()).sum()
    }

    /// Bytes of the gradients of folded weights, a set for each thread.
    pub fn gradient_bytes(&self) -> usize {
        self.parts.iter().map(|(_, part)| part.bytes()).sum()
    }
}

/// Gradients of one detail stage, the others frozen: the likelihood of its details given the pictures below.
pub struct CpuStageGradients {
    stage: usize,
    threads: usize,
    arithmetic: Arithmetic,
    parts: Vec<(StageWorkspace, StageGradients)>,
}

impl CpuStageGradients {
    /// For stage `stage` of a model of this shape, on `threads` threads.
    ///
    /// Errors: a 1x1 convolution without an inverse.
    pub fn new(
        params: &Params,
        stage: usize,
        threads: usize,
        arithmetic: Arithmetic,
    ) -> Result<Self, ModelError> {
        let threads = threads.max(1);
        let folded = StageWeights::new(params, stage, Purpose::Training, threads)?;
        let part = |_| (StageWorkspace::default(), StageGradients::zeros(&folded));
        Ok(Self {
            stage,
            threads,
            arithmetic,
            parts: (0..threads).map(part).collect(),
        })
    }

    /// The mean bits a detail of the pictures `x` (`[c, h, w]` each, of the size of the stage's pictures as `params` say,
    /// noise already in) given their low-pass pictures, and its gradient in the order of the layout. `low_noise`, empty or
    /// one for each picture, is added to the low-pass that the trunk sees.
    ///
    /// `bits - ln p(details | low-pass) / (n ln 2)` with `n` details a picture. Errors: a 1x1 convolution without an inverse.
    pub fn loss_and_gradients(
        &mut self,
        params: &Params,
        x: &[&[f32]],
        low_noise: &[Vec<f32>],
    ) -> Result<(f64, Vec<f32>), ModelError> {
        let form = Form {
            purpose: Purpose::Training,
            arithmetic: self.arithmetic,
        };
        let folded = StageWeights::new(params, self.stage, form, self.threads)?;
        let n_details = params.config.stage(self.stage).dims();
        let weight_sum = -1.0 / (n_details as f64 * std::f64::consts::LN_2);
        let weight = (weight_sum / x.len().max(1) as f64) as f32;
        let share = x.len().div_ceil(self.threads).max(1);
        std::thread::scope(|scope| {
            for (i, (ws, to)) in self.parts.iter_mut().enumerate() {
                let mine = (i * share).min(x.len())..((i + 1) * share).min(x.len());
                let noise = low_noise.get(mine.clone()).unwrap_or_default();
                let (x, folded) = (&x[mine], &folded);
                scope.spawn(move || {
                    to.clear();
                    accumulate_stage(folded, x, noise, weight, ws, to);
                });
            }
        });
        drop(folded);
        let (head, tail) = self.parts.split_at_mut(1);
        let total = &mut head[0].1;
        tail.iter().for_each(|(_, part)| total.add(part));
        let bits = f64::from(params.config.bits) + f64::from(weight) * total.log_prob;
        let gradient = stage_gradients(params, self.stage, total, weight_sum, self.threads);
        Ok((bits, gradient))
    }
}

fn run(
    folded: &Folded,
    channels: usize,
    x: &[&[f32]],
    weight: f32,
    activations: Activations,
    (workspace, gradients): &mut (Workspace, Gradients),
) {
    gradients.clear();
    accumulate(
        folded,
        channels,
        x,
        weight,
        activations,
        workspace,
        gradients,
    );
}
