//! One direction after the other: the way to find it, its figures, its contact sheet.

use std::path::Path;

use super::{BATCH, Coder, Watch, WorkshopError, WorkshopOptions, WorkshopProgress};
use crate::data::faces::has_face;
use crate::export::{compose, folder_name, write_png};
use crate::latent::attributes::build::Vectors;
use crate::latent::attributes::compare::{
    Approach, ApproachGrid, Compared, Task, ranking, relative_norm,
};
use crate::latent::attributes::measure::{Holdout, split};
use crate::latent::attributes::{AttributeEdit, Direction, Directions, EditOptions, EditedFigures};
use crate::latent::{Latent, latent_from_flat};
use crate::noise::Noise;

/// Faces, and how far each is moved, on a contact sheet.
const SHEET_FACES: usize = 8;
const SHEET_AMOUNTS: [f32; 6] = [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0];

/// Edits after which pictures are looked at.
const EDITS: [f32; 3] = [1.0, 2.0, 3.0];

/// A way to find a direction is not taken where fewer than this share of pictures stay finite after an edit by
/// this much, unless all are like that; nor where it tells the sides apart worse by more than this.
const FINITE_SHARE: f32 = 0.9;
const FINITE_AMOUNT: f32 = 2.0;
const MAX_AUC_LOSS: f32 = 0.02;

/// The unit of edits while ways are compared, where none is given; near what is found in the end.
const COMPARED_UNIT: f32 = 0.5;

/// Partings in two whose figures are averaged, and pictures that they are of at most.
const SPLITS: u64 = 3;
const COMPARED_PICTURES: usize = 1500;

/// Pictures that are decoded for each way: a few tell a bad one, and there are many ways.
const DECODED_A_WAY: usize = 12;

/// The unit is the largest with which these shares of pictures are finite after edits by this much to the worse side...
const UNIT_FINITE: [(f32, f32); 2] = [(2.0, 0.975), (3.0, 0.85)];
/// ... and this share of those that show a face still do after edits by 3 to either side...
const UNIT_FACES: (f32, f32) = (3.0, 0.9);
/// ... between these. With less than the least a step of a slider would change nothing.
const UNITS: std::ops::RangeInclusive<f32> = 0.3..=1.0;

/// Edits are tried in steps of this many distances between the sides.
const REACH_STEP: f32 = 0.3;

/// Sliders end at multiples of this...
const RANGE_STEP: f32 = 0.5;

/// ... where a picture is no longer whole, or fewer than this share of those that showed a face still do.
const RANGE_FACES: f32 = 0.9;

/// What is being done while edits are tried, for people.
const UNIT_TEXT: &str = "trying edits";
const RANGE_TEXT: &str = "looking how far edits go";

/// Tells how far the work is.
///
/// Errors: nobody waits for it any more.
pub(super) fn go_on(
    watch: Watch<'_>,
    what: &'static str,
    done: usize,
    total: usize,
) -> Result<(), WorkshopError> {
    match watch(WorkshopProgress { what, done, total }) {
        true => Ok(()),
        false => Err(WorkshopError::Cancelled),
    }
}

/// Finds the direction of one column among its rows, and what is known of it.
pub(super) fn build(
    options: &WorkshopOptions,
    model: &dyn Coder,
    task: &Task,
    rows: &[usize],
    watch: Watch<'_>,
) -> Result<Direction, WorkshopError> {
    let parts = split(rows, f64::from(options.held_out), options.seed);
    let (approach, compared) = match &options.approach {
        Some(approach) => (approach.clone(), Vec::new()),
        None => compared(options, model, task, &parts.train, watch)?,
    };
    let vectors = task.vectors;
    let direction = task.direction(&with_mirrored(options, &parts), &approach)?;
    let unit = match options.unit {
        Some(unit) => unit,
        None => unit(
            model,
            vectors,
            first(&parts.train, options.decode),
            &direction,
            watch,
        )?,
    };
    let mut direction = direction.with_unit(unit);
    if unit != 1.0 {
        let unit = format!("; +1 is {unit} of the distance between the sides");
        direction.figures.method += &unit;
    }
    if options.mirror {
        // A picture and its mirror image are one.
        direction.figures.counts = direction.figures.counts.map(|n| n / 2);
    }
    direction.figures.compared = compared;
    direction.figures.edited = edited(options, model, vectors, &parts.held_out, &direction)?;
    // Where too few are known to keep any aside, those that were learnt from tell at least how far edits may go.
    let judged = match parts.held_out.is_empty() {
        true => &parts.train,
        false => &parts.held_out,
    };
    let decoded = first(judged, options.decode);
    if !decoded.is_empty() {
        direction.range = sound_range(model, vectors, decoded, &direction, watch)?;
    }
    if let Some(folder) = &options.sheet {
        sheet(folder, model, vectors, &parts.held_out, &direction)?;
    }
    Ok(direction)
}

pub(super) fn first(rows: &[usize], n: usize) -> &[usize] {
    &rows[..rows.len().min(n)]
}

/// The same with the mirrored rows among those that are learnt from. Of the others a picture as it is says enough.
fn with_mirrored(options: &WorkshopOptions, split: &Holdout) -> Holdout {
    if !options.mirror {
        return split.clone();
    }
    Holdout {
        train: split.train.iter().flat_map(|&row| [row, row + 1]).collect(),
        held_out: split.held_out.clone(),
    }
}

/// How much of the distance between the sides +1 is to be: see [`UNIT_FINITE`] and [`UNIT_FACES`].
fn unit(
    model: &dyn Coder,
    vectors: &Vectors,
    rows: &[usize],
    direction: &Direction,
    watch: Watch<'_>,
) -> Result<f32, WorkshopError> {
    if rows.is_empty() {
        return Ok(*UNITS.end());
    }
    go_on(watch, UNIT_TEXT, 0, 1)?;
    let faces = looked_at(model, vectors, rows, direction, &[0.0], true)?;
    let rows_with_face: Vec<bool> = faces.into_iter().map(|seen| seen.has_face).collect();
    let n_faces = rows_with_face.iter().filter(|&&f| f).count();
    // How far edits go until a condition no longer holds: those of `UNIT_FINITE`, then that of `UNIT_FACES`.
    let [near, far] = UNIT_FINITE;
    let conditions = [near, far, UNIT_FACES];
    let mut reached = [None; 3];
    let farthest = UNITS.end() * conditions.iter().fold(0.0, |m: f32, c| m.max(c.0));
    let n_steps = (farthest / REACH_STEP).round() as usize;
    for step in 1..=n_steps {
        let reach = REACH_STEP * step as f32;
        if reached.iter().all(Option::is_some) {
            break;
        }
        go_on(watch, UNIT_TEXT, step - 1, n_steps)?;
        // Looking for a face takes longer than decoding: only as long as it can tell something.
        let look = n_faces > 0 && reached[2].is_none();
        let seen = looked_at(model, vectors, rows, direction, &[-reach, reach], look)?;
        // Two pictures of each row. A direction may bear one side far better than the other.
        let finite = |side: usize| {
            let pictures = seen.iter().skip(side).step_by(2);
            pictures.filter(|s| s.is_finite).count() as f32 / rows.len() as f32
        };
        let finite = finite(0).min(finite(1));
        let pairs = seen.chunks(2).zip(&rows_with_face);
        let still = pairs.filter(|(_, had)| **had);
        let still = still.flat_map(|(pair, _)| pair).filter(|s| s.has_face);
        let still = match n_faces {
            0 => finite,
            n => still.count() as f32 / (2 * n) as f32,
        };
        for ((reached, (_, least)), share) in reached
            .iter_mut()
            .zip(conditions)
            .zip([finite, finite, still])
        {
            if share < least {
                reached.get_or_insert(reach - REACH_STEP);
            }
        }
    }
    let unit = reached
        .iter()
        .zip(conditions)
        .map(|(reached, (amount, _))| reached.map_or(*UNITS.end(), |r| r / amount))
        .fold(*UNITS.end(), f32::min);
    // Two decimals, for the text that names it.
    let unit = (unit * 100.0).round() / 100.0;
    Ok(unit.clamp(*UNITS.start(), *UNITS.end()))
}

/// What became of an edited picture.
struct Seen {
    is_finite: bool,
    /// No value as far out as a patch of noise has.
    is_whole: bool,
    has_face: bool,
}

/// Decodes these rows, each moved by each amount, and looks for faces where that is asked for.
fn looked_at(
    model: &dyn Coder,
    vectors: &Vectors,
    rows: &[usize],
    direction: &Direction,
    amounts: &[f32],
    look: bool,
) -> Result<Vec<Seen>, WorkshopError> {
    let mut all = Vec::with_capacity(rows.len() * amounts.len());
    for rows in rows.chunks(BATCH) {
        let latents = moved(model, vectors, rows, direction, amounts)?;
        let decoded = model.decode(&latents)?;
        all.extend(decoded.iter().map(|d| Seen {
            is_finite: d.non_finite == 0,
            is_whole: d.is_whole(),
            has_face: look && d.non_finite == 0 && has_face(&d.pixels),
        }));
    }
    Ok(all)
}

/// The approach that does best on a part of these rows, and how the others did.
fn compared(
    options: &WorkshopOptions,
    model: &dyn Coder,
    task: &Task,
    rows: &[usize],
    watch: Watch<'_>,
) -> Result<(Approach, Vec<Compared>), WorkshopError> {
    let mut rows = rows.to_vec();
    Noise::new(options.seed).shuffle(&mut rows);
    rows.truncate(COMPARED_PICTURES);
    rows.sort_unstable();
    // Other seeds than that of the first split, which would hold out rows at the same places again.
    let parted = |i| {
        split(
            &rows,
            f64::from(options.validation),
            options.seed.wrapping_add(i),
        )
    };
    let splits: Vec<Holdout> = (1..=SPLITS)
        .map(|i| with_mirrored(options, &parted(i)))
        .collect();
    let grid = ApproachGrid::new(task.vectors.n_levels());
    let (mut done, mut cancelled) = (0, false);
    let compared = task.compare(&splits, &grid, &mut || {
        done += 1;
        cancelled |= !watch(WorkshopProgress {
            what: "comparing",
            done,
            total: grid.n_approaches(),
        });
        !cancelled
    });
    if cancelled {
        return Err(WorkshopError::Cancelled);
    }
    let mut compared = compared?;
    let order = ranking(&compared);
    let (Some(best), Some(judged)) = (order.first(), splits.first()) else {
        return Err(WorkshopError::Cancelled); // never: the comparison gave no error
    };
    let (mut chosen, least) = (*best, compared[*best].balanced_auc - MAX_AUC_LOSS);
    let decoded = first(&judged.held_out, DECODED_A_WAY.min(options.decode));
    for at in order {
        if decoded.is_empty() {
            break;
        }
        if compared[at].balanced_auc < least {
            continue;
        }
        let direction = task
            .direction(judged, &compared[at].approach)?
            .with_unit(options.unit.unwrap_or(COMPARED_UNIT));
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
    Ok((compared[chosen].approach.clone(), compared))
}

/// The share of pictures that are finite when these rows are moved by these amounts.
fn finite_share(
    model: &dyn Coder,
    vectors: &Vectors,
    rows: &[usize],
    direction: &Direction,
    amounts: &[f32],
) -> Result<f32, WorkshopError> {
    let (mut finite, mut n) = (0, 0);
    for rows in rows.chunks(BATCH) {
        let latents = moved(model, vectors, rows, direction, amounts)?;
        let decoded = model.decode(&latents)?;
        finite += decoded.iter().filter(|d| d.non_finite == 0).count();
        n += decoded.len();
    }
    Ok(finite as f32 / n.max(1) as f32)
}

/// How far to each side these rows can be moved with every picture whole and a face in nearly all that showed one; at
/// most as far as the direction's own range, and at least a step.
pub(super) fn sound_range(
    model: &dyn Coder,
    vectors: &Vectors,
    rows: &[usize],
    direction: &Direction,
    watch: Watch<'_>,
) -> Result<[f32; 2], WorkshopError> {
    go_on(watch, RANGE_TEXT, 0, 1)?;
    let before = looked_at(model, vectors, rows, direction, &[0.0], true)?;
    let n_faces = before.iter().filter(|seen| seen.has_face).count();
    let mut range = direction.range;
    for (side, end) in range.iter_mut().enumerate() {
        let n_steps = (end.abs() / RANGE_STEP).round().max(1.0) as usize;
        let step = RANGE_STEP.copysign(*end);
        let mut reached = step;
        for i in 1..=n_steps {
            go_on(watch, RANGE_TEXT, side * n_steps + i - 1, 2 * n_steps)?;
            let amount = step * i as f32;
            let seen = looked_at(model, vectors, rows, direction, &[amount], n_faces > 0)?;
            let pairs = seen.iter().zip(&before);
            // A picture that was not whole before says nothing of the edit.
            let whole = pairs
                .clone()
                .all(|(now, was)| now.is_whole || !was.is_whole);
            let faces = pairs.filter(|(now, was)| now.has_face && was.has_face);
            if !whole || (faces.count() as f32) < RANGE_FACES * n_faces as f32 {
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
    options: &WorkshopOptions,
    model: &dyn Coder,
    vectors: &Vectors,
    held_out: &[usize],
    direction: &Direction,
) -> Result<Vec<EditedFigures>, WorkshopError> {
    let decoded = first(held_out, options.decode);
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
    model: &dyn Coder,
    vectors: &Vectors,
    rows: &[usize],
    direction: &Direction,
    amounts: &[f32],
) -> Result<Vec<Latent>, WorkshopError> {
    let shape = model.config().latent_shape();
    let alone = Directions::new(vec![direction.clone()])?;
    let mut latents = Vec::with_capacity(rows.len() * amounts.len());
    for &row in rows {
        let latent = latent_from_flat(&shape, vectors.row(row))?;
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
    model: &dyn Coder,
    vectors: &Vectors,
    held_out: &[usize],
    direction: &Direction,
) -> Result<(), WorkshopError> {
    let rows = first(held_out, SHEET_FACES);
    if rows.is_empty() {
        return Err(WorkshopError::NoHeldOut);
    }
    let latents = moved(model, vectors, rows, direction, &SHEET_AMOUNTS)?;
    let decoded = model.decode(&latents)?;
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
