//! `glow-explorer bench --scaling`: measures one and two ranks, and writes what they and more would do.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use super::common::say;
use super::ranks::Connection;
use crate::config::GlowConfig;
use crate::export::write_atomically;
use crate::measure::scaling::{Network, RankReport, ScalingOptions, measure, predict};

/// Seconds that a rank may sleep before it looks for a message again, with what the system adds.
const LOOK_SECS: f64 = 100e-6;

/// What one process of a measurement does: the report of rank 0 on standard output.
pub(super) fn rank(config: GlowConfig, options: ScalingOptions) -> anyhow::Result<()> {
    let connection = Connection::new()?;
    let ranks = connection.ranks();
    let measured = measure(config, options, &**ranks);
    let is_first = ranks.is_first();
    let ended = match measured {
        Ok(report) if is_first => say(serde_json::to_string(&report)?),
        Ok(_) => Ok(()),
        Err(error) => Err(error.into()),
    };
    connection.end(ended)
}

/// Measures and writes the document. `words` are those of the measurement: `--config`, `--batch` and so on.
pub(super) fn document(
    out: &Path,
    config_path: Option<&Path>,
    config: &GlowConfig,
    batch: usize,
    cores: usize,
    runs: usize,
) -> anyhow::Result<()> {
    crate::export::check_target(out)?;
    let before = load();
    let run = |n: usize, threads: usize| -> anyhow::Result<RankReport> {
        let program = std::env::current_exe().context("where is this program?")?;
        let mut command = Command::new("mpirun");
        command.args(["--oversubscribe", "--bind-to", "none", "-n", &n.to_string()]);
        command.arg(program).args(["bench", "--scaling-rank"]);
        if let Some(path) = config_path {
            command.arg("--config").arg(path);
        }
        command.args(["--batch", &batch.to_string()]);
        command.args(["--threads", &threads.to_string()]);
        command.args(["--runs", &runs.to_string()]);
        let output = command
            .output()
            .context("mpirun cannot be started; install Open MPI (openmpi-bin)")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("mpirun -n {n} has failed: {}", said.trim());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().find(|line| line.starts_with('{'));
        let line =
            line.context("mpirun gave no report; was this program built with --features mpi?")?;
        Ok(serde_json::from_str(line)?)
    };
    let one = run(1, cores)?;
    let two = run(2, (cores / 2).max(1))?;
    let busy = before.into_iter().chain(load()).fold(0.0, f64::max);
    let text = text(config, &one, &two, cores, busy)?;
    write_atomically(out, |to| std::io::Write::write_all(to, text.as_bytes()))?;
    say(format_args!("written: {}", out.display()))
}

/// Processes that wanted a core in the last minute, where the system says so.
fn load() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

fn text(
    config: &GlowConfig,
    one: &RankReport,
    two: &RankReport,
    cores: usize,
    busy: f64,
) -> anyhow::Result<String> {
    let ms = |secs: f64| format!("{:.1} ms", 1e3 * secs);
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let mb = |bytes: f64| bytes / 1e6;
    let here = Network::of_sums(&two.sums).context(
        "sums of more bytes took no longer than those of few; measure again at a quiet moment",
    )?;
    let mut t = String::new();
    writeln!(t, "# Training on more than one process\n")?;
    writeln!(
        t,
        "Made by one command, `glow-explorer bench --scaling docs/scaling.md`, of a program built with `--features mpi`. \
         The model: {}, {} parameters. The machine: {cores} cores, which {} processes wanted before and after \
         (a quiet machine says about 0){}.\n",
        super::common::config_text(config),
        one.n_parameters,
        format_args!("{busy:.1}"),
        if busy > 0.5 {
            ": **it was busy with other work, so the figures are too low and scatter**"
        } else {
            ""
        },
    )?;
    writeln!(t, "## Measured\n")?;
    writeln!(
        t,
        "A step of {} pictures in all; the same cores, split among the ranks. *Sums* are seconds of a step in which a rank \
         sums gradients or waits for another rank to do so; *hidden* is the share of them during the backward walk.\n",
        one.batch
    )?;
    writeln!(
        t,
        "| ranks x threads | step | pictures/s | bytes a step and rank | buckets | sums | hidden |\n| --- | --- | --- | --- | --- | --- | --- |"
    )?;
    for report in [one, two] {
        writeln!(
            t,
            "| {} x {} | {} | {:.1} | {:.2} MB | {} | {} | {} |",
            report.ranks,
            report.threads,
            ms(report.step_secs),
            report.pictures_per_sec(),
            mb(report.times.bytes() as f64),
            report.times.buckets.len(),
            ms(report.times.total_secs()),
            report.hidden().map_or("-".to_owned(), percent),
        )?;
    }
    writeln!(t, "\nSums of two ranks with nothing else going on:\n")?;
    writeln!(t, "| bytes | seconds |\n| --- | --- |")?;
    for (bytes, secs) in &two.sums {
        writeln!(t, "| {bytes} | {} |", ms(*secs))?;
    }
    writeln!(t, "\n## The model\n")?;
    writeln!(
        t,
        "A rank's own work is taken as measured: the step with its sums left out, and in it the moment at which each bucket of \
         the gradient is ready. Buckets leave in that order, one at a time. Assumptions:\n\n\
         - A sum of `S` bytes over `n` ranks is a ring: `2 (n - 1)` messages one after the other of `S / n` bytes each, so \
         `2 (n - 1) (latency + S / (n bandwidth))`.\n\
         - Latencies are 50 us for 10 Gbit/s (TCP) and 5 us for 100 Gbit/s (RDMA), and {} more for each message: a rank that \
         waits sleeps between two looks. Bandwidths are the nominal ones, and each rank has a link of its own.\n\
         - A step has three small sums more, of `log2 n` messages each.\n\
         - All ranks are as fast as this one, at every step. Real ones are not: the slowest decides.\n\
         - Reading pictures is not counted, nor rank 0's evaluations.\n",
        ms(LOOK_SECS)
    )?;
    let found = predict(two.silent_secs, &two.silent, here, 2);
    writeln!(
        t,
        "Held against the point that can be measured here: between two ranks on this machine, with the latency ({}) and the \
         bandwidth ({:.2} GB/s) of the sums above, the model says {} a step, {} of the sums hidden; measured were {} and {}. \
         (Without the sums a step took {}.)\n",
        ms(here.latency_secs),
        here.bytes_per_sec / 1e9,
        ms(found.step_secs),
        percent(found.hidden),
        ms(two.step_secs),
        two.hidden().map_or("-".to_owned(), percent),
        ms(two.silent_secs),
    )?;
    writeln!(
        t,
        "## What it says of larger ones\n\nEach rank a machine like this one with {} pictures a step of its own, so that the \
         global batch grows with the ranks. *Efficiency* is pictures/s against so many machines that need not talk.\n",
        one.batch
    )?;
    writeln!(
        t,
        "| ranks | batch | 10 Gbit/s: pictures/s | efficiency | hidden | 100 Gbit/s: pictures/s | efficiency | hidden |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
    )?;
    for n in [8, 16, 32, 64, 128, 256, 512] {
        write!(t, "| {n} | {} |", n * one.batch)?;
        for (latency, gbit) in [(50e-6, 10.0), (5e-6, 100.0)] {
            let network = Network {
                latency_secs: latency + LOOK_SECS,
                bytes_per_sec: gbit * 1e9 / 8.0,
            };
            let found = predict(one.silent_secs, &one.silent, network, n);
            let pictures = (n * one.batch) as f64 / found.step_secs;
            let efficiency = one.silent_secs / found.step_secs;
            write!(
                t,
                " {pictures:.0} | {} | {} |",
                percent(efficiency),
                percent(found.hidden)
            )?;
        }
        writeln!(t)?;
    }
    Ok(t)
}
