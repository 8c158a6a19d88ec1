//! The program: parses the command line, runs it, and says in one line what went wrong.

use std::process::ExitCode;

use glow_explorer::cli::{Cli, error_line, run};

fn main() -> ExitCode {
    match run(Cli::from_arguments()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // In one piece: other processes may write there as well.
            let line = format!("glow-explorer: {}\n", error_line(&error));
            eprint!("{line}");
            ExitCode::FAILURE
        }
    }
}
