//! Measurements: seconds and memory of the program, the figures of a model, tables of training runs.

pub mod ablation;
pub mod bench;
pub mod figures;
pub mod memory;
pub mod report;
pub mod results;
pub mod scaling;
pub mod sweep;
pub mod table;
