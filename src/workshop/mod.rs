//! The workshop of attributes: from a folder of pictures and what tables say of them to directions with their
//! figures, whole. The command line and the window only choose [`WorkshopOptions`] and show the [`WorkshopProgress`].

mod columns;
mod components;
mod direction;
mod encoded;

use std::path::PathBuf;

use crate::data::batches::PictureSet;
use crate::data::labels::LabelTable;
use crate::export::ExportError;
use crate::latent::attributes::compare::{Approach, Labels, Method, Task};
use crate::latent::attributes::{Direction, Directions};
use crate::latent::{Latent, LatentError};
use crate::model::{Decoded, Encoded, GlowConfig, GlowModel, ModelError};
use crate::noise::Noise;

pub use components::{components_of_folder, components_of_latents};

use columns::{Column, groups, known_column};
use encoded::{EncodedPictures, Pictures};

/// Pictures that are encoded or decoded together.
const BATCH: usize = 8;

/// What the workshop asks of a model. The window's worker answers from the thread that owns it.
pub trait Coder {
    /// The configuration.
    fn config(&self) -> &GlowConfig;

    /// Encodes model inputs, each `[c, h, w]`.
    ///
    /// Errors: the model's; [`WorkshopError::Cancelled`].
    fn encode_x(&self, x: Vec<Vec<f32>>) -> Result<Vec<Encoded>, WorkshopError>;

    /// Decodes latents.
    ///
    /// Errors: the model's; [`WorkshopError::Cancelled`].
    fn decode(&self, latents: &[Latent]) -> Result<Vec<Decoded>, WorkshopError>;
}

impl Coder for GlowModel {
    fn config(&self) -> &GlowConfig {
        GlowModel::config(self)
    }

    fn encode_x(&self, x: Vec<Vec<f32>>) -> Result<Vec<Encoded>, WorkshopError> {
        Ok(GlowModel::encode_x(self, x, &|| false)?)
    }

    fn decode(&self, latents: &[Latent]) -> Result<Vec<Decoded>, WorkshopError> {
        Ok(GlowModel::decode(self, latents, &|| false)?)
    }
}

/// With fewer examples on a side than this, each dimension is known too badly to be weighed by itself.
const FEW: usize = 20;

/// With fewer on a side than this, those that could be held out would say nothing.
const MIN_TO_HOLD_OUT: usize = 10;

/// How a direction is usually found: from a few examples the difference of the means, from more ridge regression,
/// which is kept free of the other columns where there are any.
pub fn usual_approach(sides: [usize; 2], n_columns: usize) -> Approach {
    Approach::new(match sides[0].min(sides[1]) {
        least if least < FEW => Method::Difference,
        _ if n_columns > 1 => Method::Joint,
        _ => Method::Ridge,
    })
}

/// The share of examples that is usually kept to measure on: none of a few.
pub fn usual_held_out(sides: [usize; 2]) -> f32 {
    match sides[0].min(sides[1]) < MIN_TO_HOLD_OUT {
        true => 0.0,
        false => WorkshopOptions::default().held_out,
    }
}

/// What a table knows of the pictures of a folder.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnCount {
    /// The column.
    pub name: String,
    /// Pictures with the attribute and without it; of a measure, above the middle and below.
    pub counts: [usize; 2],
    /// Whether it is a measure rather than a yes or no.
    pub is_number: bool,
}

/// Counts both sides of each column.
pub fn count(set: &PictureSet, table: &LabelTable) -> Vec<ColumnCount> {
    let count = |name: &String| {
        let column = Column::new(set, table, name);
        ColumnCount {
            counts: column.counts(),
            is_number: column.is_number,
            name: column.name,
        }
    };
    table.columns().iter().map(count).collect()
}

/// How directions are built.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkshopOptions {
    /// Columns to build directions from; empty for all.
    pub columns: Vec<String>,
    /// Columns whose influence is taken out, and that approaches are judged by; `None` for all others.
    pub balance_by: Option<Vec<String>>,
    /// How a direction is found; `None` where that is to be found out.
    pub approach: Option<Approach>,
    /// Pictures a column at most, drawn by the seed.
    pub limit: usize,
    /// Share of the pictures that is kept to measure on.
    pub held_out: f32,
    /// Share of the others that is kept to judge approaches on.
    pub validation: f32,
    /// Whether pictures are learnt from mirrored as well.
    pub mirror: bool,
    /// What +1 is, in distances between the averages of the two sides; `None` where decoding is to tell.
    pub unit: Option<f32>,
    /// Pictures that are decoded after edits, to see how far they stay finite.
    pub decode: usize,
    /// Folder for a contact sheet of each direction; it must be there.
    pub sheet: Option<PathBuf>,
    /// Decides which pictures are taken and which are held out.
    pub seed: u64,
    /// Where the pictures and labels come from, for the file.
    pub provenance: String,
}

impl Default for WorkshopOptions {
    fn default() -> Self {
        Self {
            columns: Vec::new(),
            balance_by: None,
            approach: None,
            limit: 6000,
            held_out: 0.2,
            validation: 0.25,
            mirror: true,
            unit: None,
            decode: 48,
            sheet: None,
            seed: 0,
            provenance: String::new(),
        }
    }
}

/// How far the work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkshopProgress {
    /// What is being done, for people: `encoding`, `comparing`.
    pub what: &'static str,
    /// Done.
    pub done: usize,
    /// Of.
    pub total: usize,
}

/// Told how far the work is; asked whether it is still wanted.
pub type Watch<'a> = &'a mut dyn FnMut(WorkshopProgress) -> bool;

/// What came of it.
#[derive(Clone, Debug)]
pub struct Built {
    /// The directions, in the order of the columns.
    pub directions: Directions,
    /// Columns from which nothing could be learnt, and why.
    pub left_out: Vec<LeftOut>,
    /// Why pictures were left out, each naming its file.
    pub unreadable: Vec<String>,
}

/// A column from which nothing could be learnt.
#[derive(Clone, Debug, PartialEq)]
pub struct LeftOut {
    /// The column.
    pub column: String,
    /// Why.
    pub reason: String,
}

/// Why no directions were built.
#[derive(Debug, thiserror::Error)]
pub enum WorkshopError {
    /// Tables without a column of numbers.
    #[error("the tables have no column of numbers; add one for each attribute")]
    NoColumns,
    /// A column that no table has.
    #[error("no column \"{name}\"; choose of {}", known.join(", "))]
    UnknownColumn {
        /// The name asked for.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Nothing could be learnt from any column; the first says why.
    #[error("column \"{}\": {}", .0.column, .0.reason)]
    NoDirection(LeftOut),
    /// A contact sheet without pictures to draw.
    #[error("a contact sheet needs pictures held out; give --held-out a share above 0")]
    NoHeldOut,
    /// A picture that the model gives no latent for.
    #[error("the model cannot encode {picture}: {source}")]
    Picture {
        /// Its file.
        picture: String,
        /// Why.
        source: LatentError,
    },
    /// Labels from which nothing can be learnt.
    #[error(transparent)]
    Latent(#[from] LatentError),
    /// Encoding or decoding failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A contact sheet could not be written.
    #[error(transparent)]
    Sheet(#[from] ExportError),
    /// The model's owner could not answer, and says why.
    #[error("{0}")]
    Unanswered(String),
    /// Nobody waits for it any more.
    #[error("cancelled")]
    Cancelled,
}

impl WorkshopError {
    /// Whether it is the tables that are to be changed: a message should name them.
    pub fn is_about_tables(&self) -> bool {
        matches!(
            self,
            Self::NoColumns | Self::UnknownColumn { .. } | Self::NoDirection(_)
        )
    }
}

/// Builds a direction for each column. A column from which nothing can be learnt is left out, if another remains;
/// those of which the labels alone tell are found before a picture is encoded.
///
/// Errors: see [`WorkshopError`].
pub fn build(
    model: &dyn Coder,
    set: &PictureSet,
    table: &LabelTable,
    options: &WorkshopOptions,
    watch: Watch<'_>,
) -> Result<Built, WorkshopError> {
    let names = chosen_columns(options, table)?;
    let column = |name: &String| Column::new(set, table, name);
    let columns: Vec<Column> = names.iter().map(column).collect();
    let balance_by = match &options.balance_by {
        None => names,
        Some(given) => {
            let known = given.iter().map(|name| known_column(name, table));
            known.collect::<Result<_, _>>()?
        }
    };
    let balance_by: Vec<Column> = balance_by.iter().map(column).collect();
    let set = Pictures(&[set]);
    build_columns(model, &set, &columns, &balance_by, options, watch)
}

/// Builds a direction from the pictures of two folders: with the attribute, and without it.
///
/// Errors: see [`WorkshopError`].
pub fn build_from_folders(
    model: &dyn Coder,
    name: &str,
    [with, without]: [&PictureSet; 2],
    options: &WorkshopOptions,
    watch: Watch<'_>,
) -> Result<Built, WorkshopError> {
    let sides = [(1.0, with), (-1.0, without)];
    let values = sides.map(|(value, set)| vec![Some(value); set.len()]);
    let column = Column::of(name, values.concat());
    let set = Pictures(&[with, without]);
    build_columns(model, &set, &[column], &[], options, watch)
}

/// Builds a direction from latents that are there already, each with whether it has the attribute. They are taken as
/// they are, never mirrored.
///
/// Errors: see [`WorkshopError`].
pub fn build_from_latents(
    model: &dyn Coder,
    name: &str,
    latents: &[(Latent, bool)],
    options: &WorkshopOptions,
    watch: Watch<'_>,
) -> Result<Built, WorkshopError> {
    let value = |(_, with): &(Latent, bool)| Some(if *with { 1.0 } else { -1.0 });
    let column = Column::of(name, latents.iter().map(value).collect());
    let rows: Vec<usize> = (0..latents.len()).collect();
    if let Some(reason) = column.misfit(&rows) {
        let column = column.name;
        return Err(WorkshopError::NoDirection(LeftOut { column, reason }));
    }
    let shape = model.config().latent_shape();
    let encoded = EncodedPictures::of_latents(&shape, latents.iter().map(|(latent, _)| latent))?;
    let options = WorkshopOptions {
        mirror: false,
        ..options.clone()
    };
    let mut direction = direction_of(&column, &rows, &encoded, &[], model, &options, watch)?;
    direction.figures.provenance = options.provenance;
    Ok(Built {
        directions: Directions::new(vec![direction])?,
        left_out: Vec::new(),
        unreadable: Vec::new(),
    })
}

fn build_columns(
    model: &dyn Coder,
    set: &Pictures<'_>,
    columns: &[Column],
    balance_by: &[Column],
    options: &WorkshopOptions,
    watch: Watch<'_>,
) -> Result<Built, WorkshopError> {
    let mut order: Vec<usize> = (0..set.len()).collect();
    Noise::new(options.seed).shuffle(&mut order);
    let mut left_out = Vec::new();
    let mut chosen: Vec<Vec<usize>> = Vec::new();
    for column in columns {
        let known = order.iter().filter(|&&i| column.values[i].is_some());
        let mut pictures: Vec<usize> = known.take(options.limit).copied().collect();
        if let Some(reason) = column.misfit(&pictures) {
            pictures.clear();
            left_out.push(LeftOut {
                column: column.name.clone(),
                reason,
            });
        }
        chosen.push(pictures);
    }
    let groups = groups(&chosen, options.limit);
    let total = groups.iter().map(|g| g.pictures.len()).sum();
    let (mut found, mut done): (Vec<(usize, Direction)>, usize) = (Vec::new(), 0);
    for group in &groups {
        let mut more = |n: usize, watch: Watch<'_>| {
            done += n;
            watch(WorkshopProgress {
                what: "encoding",
                done,
                total,
            })
        };
        let mut watch_encoding = |n| more(n, &mut *watch);
        let encoded = EncodedPictures::new(
            model,
            set,
            &group.pictures,
            options.mirror,
            &mut watch_encoding,
        )?;
        let others: Vec<Labels> = balance_by
            .iter()
            .map(|other| other.labels(&encoded.pictures))
            .collect();
        for &at in &group.columns {
            match direction_of(
                &columns[at],
                &chosen[at],
                &encoded,
                &others,
                model,
                options,
                watch,
            ) {
                Ok(direction) => found.push((at, direction)),
                Err(WorkshopError::Latent(error)) => left_out.push(LeftOut {
                    column: columns[at].name.clone(),
                    reason: error.to_string(),
                }),
                Err(error) => return Err(error),
            }
        }
    }
    if found.is_empty() {
        return Err(left_out
            .into_iter()
            .next()
            .map_or(WorkshopError::NoColumns, WorkshopError::NoDirection));
    }
    found.sort_by_key(|(at, _)| *at);
    let mut list: Vec<Direction> = found.into_iter().map(|(_, direction)| direction).collect();
    list.iter_mut()
        .for_each(|d| d.figures.provenance.clone_from(&options.provenance));
    Ok(Built {
        directions: Directions::new(list)?.with_leakage(),
        left_out,
        unreadable: set.failures(),
    })
}

fn direction_of(
    column: &Column,
    chosen: &[usize],
    encoded: &EncodedPictures,
    others: &[Labels],
    model: &dyn Coder,
    options: &WorkshopOptions,
    watch: Watch<'_>,
) -> Result<Direction, WorkshopError> {
    let rows: Vec<usize> = chosen
        .iter()
        .filter_map(|i| encoded.row_of.get(i).copied())
        .collect();
    let others: Vec<&Labels> = others.iter().filter(|o| o.name != column.name).collect();
    let task = Task {
        vectors: &encoded.vectors,
        label: &column.labels(&encoded.pictures),
        others: &others,
    };
    direction::build(options, model, &task, &rows, watch)
}

fn chosen_columns(
    options: &WorkshopOptions,
    table: &LabelTable,
) -> Result<Vec<String>, WorkshopError> {
    if options.columns.is_empty() {
        return match table.columns() {
            [] => Err(WorkshopError::NoColumns),
            all => Ok(all.to_vec()),
        };
    }
    let mut names = Vec::new();
    for name in &options.columns {
        let name = known_column(name, table)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}
