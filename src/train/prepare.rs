//! What comes before a run, for the command line and the window alike: which model it trains, on which pictures.

use std::path::Path;
use std::sync::Arc;

use super::chain::is_beginning;
use super::config::TrainConfig;
use super::error::TrainError;
use super::run;
use crate::config::ScaleFloor;
use crate::data::batches::PictureSet;
use crate::model::GlowConfig;
use crate::model::params::Params;

/// The model to train: that of `config`, or of the weights to start from, with the floor of the settings.
///
/// Errors: neither is given, or both and they differ.
pub fn model(
    config: Option<GlowConfig>,
    start: Option<&Params>,
    train: &TrainConfig,
) -> Result<GlowConfig, TrainError> {
    let Some(mut config) = config.or_else(|| start.map(|params| params.config.clone())) else {
        return Err(TrainError::Setup(
            "name the model: --config FILE or --start WEIGHTS".into(),
        ));
    };
    if let Some(floor) = train.scale_floor.and_then(ScaleFloor::new) {
        config.scale_floor = floor;
    }
    // Weights may get another floor than they had: `--floor-pictures` says how fast.
    let but_for_the_floor = |params: &Params| GlowConfig {
        scale_floor: config.scale_floor,
        ..params.config.clone()
    };
    if start.is_some_and(|params| !is_beginning(&but_for_the_floor(params), &config)) {
        return Err(TrainError::Setup(
            "the weights to start from are of another model than the config, and no beginning of it; leave one of the two out".into(),
        ));
    }
    Ok(config)
}

/// The pictures of a run: those to learn from and, where one in so many is held out, those to validate on.
pub struct RunPictures {
    /// To learn from.
    pub pictures: Arc<PictureSet>,
    /// Held out of them.
    pub valid: Option<Arc<PictureSet>>,
}

/// Makes a folder's pictures those of the run that writes `out`. The sheet of samples that an earlier part of the run may
/// have written among them is no picture to learn from. `budget`: bytes of decoded pictures that are kept.
pub fn pictures(set: PictureSet, out: &Path, budget: usize, hold_out: Option<u32>) -> RunPictures {
    let set = set
        .without(&run::samples_path(out))
        .with_memory_budget(budget);
    let (pictures, valid) = match hold_out {
        Some(one_in) => set.hold_out(one_in),
        None => (set, None),
    };
    RunPictures {
        pictures: Arc::new(pictures),
        valid: valid.map(Arc::new),
    }
}
