//! One direction after the other: the way to find it, its figures, its contact sheet.

use std::path::Path;

use anyhow::{Context, bail};

use super::super::common::{BATCH, OpenModel, progress};
use super::Args;
use crate::export::{compose, write_png};
use crate::lab::table::folder_name;
use crate::latent::attributes::build::Vectors;
use crate::latent::attributes::compare::{Compared, Grid, Recipe, Task, ranking, relative_norm};
use crate::latent::attributes::measure::split;
use crate::latent::attributes::{AttributeEdit, Direction, Directions, EditOptions, EditedFigures};
use crate::latent::{Latent, latent_from_flat};

/// Faces, and how far each is moved, on a contact sheet.
const SHEET_FACES: usize = 8;
const SHEET_AMOUNTS: [f32; 5] = [-2.0, -1.0, 0.0, 1.0, 2.0];

/// Edits after which pictures are looked at.
const EDITS: [f32; 3] = [1.0, 2.0, 3.0];

/// A way to find a direction is not taken where fewer than this share of pictures stay finite after an edit by
/// this much, unless all are like that; nor where it tells the sides apart worse by more than this.
const FINITE_SHARE: f32 = 0.9;
const FINITE_AMOUNT: f32 = 2.0;
const MAX_AUC_LOSS: f32 = 0.05;

/// Pictures that are decoded for each way: a few tell a bad one, and there are many ways.
const DECODED_A_WAY: usize = 12;

/// Sliders end at multiples of this.
const RANGE_STEP: f32 = 0.5;

/// Finds the direction of one column among its rows, and what is known of it.
pub(super) fn build(
    args: &Args,
    model: &OpenModel,
    task: &Task,
    rows: &[usize],
) -> anyhow::Result<Direction> {
    let parts = split(rows, f64::from(args.held_out), args.seed);
    let (recipe, compared) = match args.recipe() {
        Some(recipe) => (recipe, Vec::new()),
        None => compared(args, model, task, &parts.train)?,
    };
    let mut direction = task.direction(&parts, &recipe)?.with_unit(args.unit);
    if args.unit != 1.0 {
        let unit = format!("; +1 is {} of the distance between the sides", args.unit);
        direction.figures.method += &unit;
    }
    direction.figures.compared = compared;
    let vectors = task.vectors;
    direction.figures.edited = edited(args, model, vectors, &parts.held_out, &direction)?;
    let decoded = first(&parts.held_out, args.decode as usize);
    if !decoded.is_empty() {
        direction.range = finite_range(model, vectors, decoded, &direction)?;
    }
    if let Some(folder) = &args.sheet {
        sheet(folder, model, vectors, &parts.held_out, &direction)?;
    }
    Ok(direction)
}

fn first(rows: &[usize], n: usize) -> &[usize] {
    &rows[..rows.len().min(n)]
}

/// The recipe that does best on a part of these rows, and how the others did.
fn compared(
    args: &Args,
    model: &OpenModel,
    task: &Task,
    rows: &[usize],
) -> anyhow::Result<(Recipe, Vec<Compared>)> {
    // Another seed than that of the first split, which would hold out rows at the same places again.
    let judged = split(rows, f64::from(args.validation), args.seed.wrapping_add(1));
    let grid = Grid::new(task.vectors.n_levels());
    let bar = progress(grid.n_recipes(), "comparing");
    let compared = task.compare(&judged, &grid, &mut || {
        bar.inc(1);
        true
    });
    bar.finish_and_clear();
    let mut compared = compared?;
    let order = ranking(&compared);
    let best = order.first().context("there is nothing to choose from")?;
    let (mut chosen, least) = (*best, compared[*best].balanced_auc - MAX_AUC_LOSS);
    let decoded = first(&judged.held_out, DECODED_A_WAY.min(args.decode as usize));
    for at in order {
        if decoded.is_empty() {
            break;
        }
        if compared[at].balanced_auc < least {
            continue;
        }
        let direction = task
            .direction(&judged, &compared[at].recipe)?
            .with_unit(args.unit);
        let amounts = [-FINITE_AMOUNT, FINITE_AMOUNT];
        let share = finite_share(model, task.vectors, decoded, &direction, &amounts)?;
        compared[at].finite = Some(share);
        if share > compared[chosen].finite.unwrap_or(-1.0) {
            chosen = at;
        }
        if share >= FINITE_SHARE {
            break;
        }
    }
    Ok((compared[chosen].recipe.clone(), compared))
}

/// The share of pictures that are finite when these rows are moved by these amounts.
fn finite_share(
    model: &OpenModel,
    vectors: &Vectors,
    rows: &[usize],
    direction: &Direction,
    amounts: &[f32],
) -> anyhow::Result<f32> {
    let (mut finite, mut n) = (0, 0);
    for rows in rows.chunks(BATCH) {
        let latents = moved(model, vectors, rows, direction, amounts)?;
        let decoded = model.model.decode(&latents, &|| false)?;
        finite += decoded.iter().filter(|d| d.non_finite == 0).count();
        n += decoded.len();
    }
    Ok(finite as f32 / n.max(1) as f32)
}

/// How far to each side these rows can be moved until too many pictures are no longer finite; at most as far as
/// the direction's own range, and at least a step.
fn finite_range(
    model: &OpenModel,
    vectors: &Vectors,
    rows: &[usize],
    direction: &Direction,
) -> anyhow::Result<[f32; 2]> {
    let mut range = direction.range;
    for end in &mut range {
        let n_steps = (end.abs() / RANGE_STEP).round().max(1.0) as usize;
        let step = RANGE_STEP.copysign(*end);
        let mut reached = step;
        for i in 1..=n_steps {
            let amount = step * i as f32;
            if finite_share(model, vectors, rows, direction, &[amount])? < FINITE_SHARE {
                break;
            }
            reached = amount;
        }
        *end = reached;
    }
    Ok(range)
}

/// Whether latents held out stay near their norm and decode to finite pictures.
fn edited(
    args: &Args,
    model: &OpenModel,
    vectors: &Vectors,
    held_out: &[usize],
    direction: &Direction,
) -> anyhow::Result<Vec<EditedFigures>> {
    let decoded = first(held_out, args.decode as usize);
    let mut figures = Vec::new();
    for amount in EDITS {
        let Some(relative_norm) = relative_norm(vectors, held_out, direction, amount) else {
            continue;
        };
        let share = finite_share(model, vectors, decoded, direction, &[amount])?;
        figures.push(EditedFigures {
            amount,
            relative_norm,
            decoded: decoded.len(),
            finite: (share * decoded.len() as f32).round() as usize,
        });
    }
    Ok(figures)
}

/// The latents of these rows, each moved by each amount.
fn moved(
    model: &OpenModel,
    vectors: &Vectors,
    rows: &[usize],
    direction: &Direction,
    amounts: &[f32],
) -> anyhow::Result<Vec<Latent>> {
    let alone = Directions::new(vec![direction.clone()])?;
    let mut latents = Vec::with_capacity(rows.len() * amounts.len());
    for &row in rows {
        let latent = latent_from_flat(model.config(), vectors.row(row))?;
        for &amount in amounts {
            let edit = AttributeEdit {
                name: direction.name.clone(),
                amount,
            };
            latents.push(alone.apply(&latent, &[edit], EditOptions::default())?);
        }
    }
    Ok(latents)
}

/// Draws pictures held out, a row each, moved to both sides.
fn sheet(
    folder: &Path,
    model: &OpenModel,
    vectors: &Vectors,
    held_out: &[usize],
    direction: &Direction,
) -> anyhow::Result<()> {
    let rows = first(held_out, SHEET_FACES);
    if rows.is_empty() {
        bail!("a contact sheet needs pictures held out; give --held-out a share above 0");
    }
    let latents = moved(model, vectors, rows, direction, &SHEET_AMOUNTS)?;
    let decoded = model.model.decode(&latents, &|| false)?;
    let pictures: Vec<image::RgbImage> = decoded.into_iter().map(|d| d.pixels).collect();
    let labels: Vec<String> = rows
        .iter()
        .flat_map(|_| {
            SHEET_AMOUNTS.map(|amount| match amount {
                0.0 => "as it is".to_owned(),
                amount => format!("{} {amount:+}", direction.name),
            })
        })
        .collect();
    let columns = SHEET_AMOUNTS.len() as u32;
    let sheet = compose(&pictures, columns, 2, 2, Some(&labels), [24, 24, 24])?;
    let path = folder.join(format!("{}.png", folder_name(&direction.name)));
    write_png(&path, &sheet, None)?;
    Ok(())
}
