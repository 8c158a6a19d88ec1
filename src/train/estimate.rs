//! What a training or a model will hold in memory, before anything is allocated: an allocation that fails ends the
//! program without a word.

use crate::config::GlowConfig;
use crate::kernels::padded;
use crate::model::params::Layout;

use super::backward::Activations;
use super::config::TrainConfig;

/// Bytes of a float.
const FLOAT: u64 = 4;

/// Sets of numbers as large as the weights that a training holds beside a gradient for each thread: the weights, their
/// average, two moments, the gradient, the folded form and its transposes.
const SETS: u64 = 8;

/// About how many bytes a training needs, to within a factor of two or so.
pub fn training_bytes(config: &GlowConfig, train: &TrainConfig, threads: usize) -> u64 {
    let weights = Layout::new(config, false).len() as u64;
    let batch = train.batch as u64;
    let mut activations = 0u64;
    for shape in config.level_shapes() {
        let rows = batch * (shape.side * shape.side) as u64;
        // State, gradient, the last state of the level, and their second buffers.
        activations += rows * 6 * padded(shape.channels) as u64;
        if train.activations == Activations::Keep {
            let taps = 9 * (shape.channels / 2 + config.coupling_out(shape.channels));
            let kept = (2 * config.width + taps) as u64;
            activations += rows * kept * config.depth as u64;
        }
    }
    FLOAT * (weights * (SETS + threads as u64) + activations)
}

/// About how many bytes encodes and decodes of `batch` pictures need.
pub fn inference_bytes(config: &GlowConfig, batch: usize) -> u64 {
    let weights = Layout::new(config, false).len() as u64;
    let buffers = |config: &GlowConfig| {
        config.level_shapes().first().map_or(0, |shape| {
            let taps = 9 * config.coupling_out(shape.channels) as u64;
            (shape.side * shape.side) as u64 * (taps.max(config.width as u64) + 64)
        })
    };
    // A stage's flow is a model of one level; its trunk comes to about as much.
    let stages = (0..config.detail.len()).map(|i| 2 * buffers(&config.stage(i)));
    let finest = buffers(config) + stages.sum::<u64>();
    FLOAT * (3 * weights + batch as u64 * finest)
}

/// Bytes that the system could still give, where it says so.
pub fn available_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1024)
}

/// Refuses what does not fit: the message with both figures, or `None` where it fits or the system does not say.
pub fn too_large(what: &str, needed: u64) -> Option<String> {
    let available = available_bytes()?;
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    (needed > available).then(|| {
        format!(
            "{what} would need about {:.1} GiB of memory, and {:.1} GiB are free; choose a smaller width, depth or batch",
            gib(needed),
            gib(available)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_within_the_limits_that_no_machine_holds_are_refused_with_the_figure() {
        let config = |width, depth| -> GlowConfig {
            let text = format!(
                r#"{{"image_size":256,"levels":6,"depth":{depth},"width":{width},"permutation":"invconv","coupling":"affine"}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        let train = TrainConfig::default();
        // 256 steps at a width of 4096 are tens of terabytes of activations and weights.
        let needed = training_bytes(&config(4096, 256), &train, 2);
        assert!(needed > 1 << 40, "{needed}");
        if available_bytes().is_some() {
            let message = too_large("the training", needed).unwrap();
            assert!(message.contains("GiB"), "{message}");
        }
        let needed = training_bytes(&config(16, 1), &train, 2);
        assert!(needed < 1 << 30, "{needed}");
        assert!(inference_bytes(&config(16, 1), 1) < needed);
    }
}
