//! `cargo bench`: encode, decode and training step for the small and the medium configuration, on one and on two
//! threads, beside the matrix products alone. Prints one JSON object a line; figures are medians.

use glow_explorer::measure::bench::{BenchOptions, run};
use glow_explorer::model::DeviceChoice;
use glow_explorer::model::GlowConfig;
use glow_explorer::model::params::Params;

fn main() {
    let small = include_str!("../configs/small-64.json");
    let medium = include_str!("../configs/medium-64.json");
    for (config, batch, threads, train) in [
        (small, 1, 1, false),
        (small, 1, 2, false),
        (small, 8, 2, false),
        (small, 16, 2, true),
        (medium, 1, 2, false),
    ] {
        let config: GlowConfig = serde_json::from_str(config).expect("the configs are valid JSON");
        let config = config.validated().expect("the configs are valid");
        let options = BenchOptions {
            device: DeviceChoice::Cpu,
            tf32: false,
            batch,
            runs: 9,
            threads,
            train,
            keep: train,
            bf16: true,
        };
        let report =
            run(Params::perturbed(config, 0), &options).expect("perturbed models have inverses");
        println!(
            "{}",
            serde_json::to_string(&report).expect("a report is plain data")
        );
    }
}
