//! Any bytes as a model of another program: a model or a message, never a panic, in bounded memory.
//!
//! `cargo +nightly fuzz run import ../tests/data/foreign -- -max_total_time=60 -rss_limit_mb=2048`
#![no_main]

use glow_explorer::files::import::{self, Options};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let options = Options {
        image_size: Some(8),
        ..Options::default()
    };
    // A TensorFlow index takes its numbers from a file beside it: here, from the same bytes.
    let _ = import::from_memory(bytes, &[bytes.to_vec()], &options);
});
