//! glow-explorer: Glow (Kingma & Dhariwal 2018), an invertible generative network, explored by hand.
//!
//! Glow in ten lines: a picture `x` is squeezed (space to channels) and sent through steps of flow, each an
//! actnorm (a scale and a bias a channel), an invertible 1x1 convolution (`W x` at each pixel) and a coupling (half of
//! the channels decides how the other half is shifted and scaled). After each level half of the channels leaves,
//! explained by a Gaussian that the other half predicts; what stays is squeezed again. Every part can be undone
//! exactly, and every part knows the logarithm of its Jacobian's determinant, so
//! `ln p(x) = ln N(eps; 0, 1) + sum ln |det|` is exact, and maximising it is all the training there is.
//! Standardised by their Gaussians, the parts that left are `eps`, one map a level: the latent. Under the model it is
//! standard normal, so samples, morphs and edits all happen there.
//!
//! Reading order: [`model`] and [`flow`] for Glow itself, [`kernels`] and [`model::fast`] for its speed, [`train`],
//! [`latent`], [`files`], `data`, `recipe` (what decides a picture), then `engine` (the worker), the window, and [`cli`].
//!
//! Public is what the program, its tests and its benches use; the rest is the crate's own, so that the compiler says what
//! nobody uses any more.

#[cfg(feature = "gui")]
mod app;
pub mod cli;
pub mod config;
pub mod data;
pub(crate) mod disk;
#[cfg_attr(
    all(not(feature = "gui"), not(test)),
    expect(
        dead_code,
        unused_imports,
        reason = "only the window asks it for anything"
    )
)]
pub(crate) mod engine;
pub mod export;
pub mod files;
pub mod flow;
pub mod kernels;
pub mod latent;
pub mod linalg;
mod lru;
pub mod measure;
pub mod model;
pub mod noise;
pub mod paste;
pub(crate) mod quote;
pub(crate) mod recipe;
pub mod train;
pub(crate) mod workshop;
