//! Where the memory goes: what is held for the model, and what is worked in.
//!
//! The first grows with the model, the second with the picture. Both are counted from the buffers that are
//! there; the process's own peak stands beside them.

use serde::Serialize;

use crate::model::folded::{Folded, Purpose};
use crate::model::params::Params;
use crate::model::{FastChain, ModelError};
use crate::train::gradients::CpuGradients;
use crate::train::optimizer::Optimizer;

/// Megabytes of 2^20 bytes.
pub fn mb(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// What encoding and decoding hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DecodeMemory {
    /// The folded model.
    pub weights_mb: f64,
    /// Every buffer that they work in.
    pub workspace_mb: f64,
    /// One hidden layer of a coupling network at the finest level, for the whole batch: the unit in which a
    /// program that runs a model layer by layer counts.
    pub activation_block_mb: f64,
    /// `workspace_mb / activation_block_mb`.
    pub workspace_blocks: f64,
}

impl DecodeMemory {
    /// After encodes and decodes of batches of this size.
    pub fn of(model: &FastChain, batch: usize) -> Self {
        let (workspace, block) = (model.workspace_bytes(), model.block_bytes(batch));
        Self {
            weights_mb: mb(model.model_bytes()),
            workspace_mb: mb(workspace),
            activation_block_mb: mb(block),
            workspace_blocks: workspace as f64 / block.max(1) as f64,
        }
    }
}

/// What a training step holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrainMemory {
    /// Parameters, and their folded form with its transposes.
    pub weights_mb: f64,
    /// Gradients: one of the parameters, one of the folded weights for each thread.
    pub gradients_mb: f64,
    /// Both moments and the running average.
    pub optimizer_mb: f64,
    /// The sum of the three: what every step of flow adds to.
    pub model_mb: f64,
    /// Activations, states and scratch.
    pub workspace_mb: f64,
    /// Largest resident size of the process until then; 0 where the system does not tell.
    pub peak_rss_mb: f64,
    /// `peak_rss_mb - model_mb`: activations, the program itself, and what the allocator has not given back.
    pub peak_beside_model_mb: f64,
}

impl TrainMemory {
    /// After a step.
    ///
    /// Errors: a 1x1 convolution without an inverse.
    pub fn of(
        params: &Params,
        gradients: &CpuGradients,
        optimizer: &Optimizer,
        peak_rss_mb: f64,
    ) -> Result<Self, ModelError> {
        // A step folds the parameters and drops the result; the shapes are always the same.
        let folded = Folded::new(params, Purpose::Training)?.held_bytes();
        let vector = |v: &Vec<f32>| v.capacity() * size_of::<f32>();
        let weights = vector(&params.data) + folded;
        // The gradient of the parameters is as long as they are.
        let gradients_of = vector(&params.data) + gradients.gradient_bytes();
        let moments = [&optimizer.m, &optimizer.v, &optimizer.average];
        let moments: usize = moments.into_iter().map(vector).sum();
        let model_mb = mb(weights + gradients_of + moments);
        Ok(Self {
            weights_mb: mb(weights),
            gradients_mb: mb(gradients_of),
            optimizer_mb: mb(moments),
            model_mb,
            workspace_mb: mb(gradients.workspace_bytes()),
            peak_rss_mb,
            peak_beside_model_mb: (peak_rss_mb - model_mb).max(0.0),
        })
    }
}
