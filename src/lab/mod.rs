//! Measurements that compare: tables of training runs, and the figures of a model.

pub mod ablation;
pub mod figures;
pub mod report;
pub mod results;
pub mod table;
