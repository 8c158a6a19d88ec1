//! The program: parses the command line, runs it, and says in one line what went wrong.

use std::process::ExitCode;

use glow_explorer::cli::{Cli, error_line, run};

fn main() -> ExitCode {
    match run(Cli::from_args()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("glow-explorer: {}", error_line(&error));
            ExitCode::FAILURE
        }
    }
}
