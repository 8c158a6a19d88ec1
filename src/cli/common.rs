//! What several commands share: opening the model, reading inputs, checking numbers, printing.

use std::cell::Cell;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use image::RgbImage;
use indicatif::{ProgressBar, ProgressStyle};

use crate::config::{Permutation, ScaleFunction};
use crate::data::batches::PictureSet;
use crate::data::crop::frame_for_model;
use crate::data::intake::SourcePicture;
use crate::data::labels::LabelTable;
use crate::data::{CropSquare, DataError, PictureSource, intake};
use crate::files::attributes::{self, AttributesFile};
use crate::files::shipped::{self, Choice};
use crate::files::weights::WeightFile;
use crate::files::{import, latents};
use crate::kernels::Arithmetic;
use crate::model::pixels::largest_difference;
use crate::model::{
    Condition, Decoded, DeviceChoice, Encoded, Fingerprint, GlowConfig, GlowModel, Latent,
    ModelError,
};
use crate::quote;
use crate::train::ranks::rank_before_start;

use super::output::{has_extension, takes_bytes};

/// Pictures that are encoded or decoded together: enough to fill the threads, little enough memory.
pub(super) const BATCH: usize = 8;

/// Above the upper end every model has long left its pictures.
const TEMPERATURES: std::ops::RangeInclusive<f32> = 0.0..=10.0;

#[derive(clap::Args, Clone, Debug)]
pub(super) struct ModelArgs {
    /// Weight file; the default is the model that comes with the program
    #[arg(long, value_name = "FILE")]
    pub(super) model: Option<PathBuf>,
    /// Where to compute: auto, cpu, cuda, cuda:N or metal
    #[arg(long, default_value = "auto")]
    pub(super) device: DeviceChoice,
    /// Threads on the CPU; the default is one for each core
    #[arg(long, value_parser = threads())]
    pub(super) threads: Option<u16>,
    /// On CUDA, round to TF32 inside coupling networks: faster, about three digits the same
    #[arg(long, hide = !cfg!(feature = "cuda"))]
    pub(super) tf32: bool,
    #[command(flatten)]
    pub(super) foreign: ForeignArgs,
    #[command(flatten)]
    pub(super) condition: ConditionArgs,
}

/// What a checkpoint of another program does not say of itself.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Checkpoints of other programs")]
pub(super) struct ForeignArgs {
    /// Bits a subpixel, 1 to 8, where the file does not say them
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=8))]
    bits: Option<u32>,
    /// Pixels a side, where the file does not say them
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=1024))]
    image_size: Option<u32>,
    /// reverse, where the file holds no 1x1 convolutions and channels were reversed
    #[arg(long, value_parser = permutation)]
    permutation: Option<Permutation>,
    /// sigmoid, exp or inverse_sigmoid: the scale map of a normflows model
    #[arg(long, value_parser = scale_function)]
    scale_function: Option<ScaleFunction>,
}

fn permutation(text: &str) -> Result<Permutation, String> {
    serde_json::from_value(text.into())
        .map_err(|_| "say reverse, shuffle, invconv or invconv_lu".to_owned())
}

fn scale_function(text: &str) -> Result<ScaleFunction, String> {
    serde_json::from_value(text.into())
        .map_err(|_| "say sigmoid, exp or inverse_sigmoid".to_owned())
}

impl ForeignArgs {
    pub(super) fn options(&self) -> import::Options {
        import::Options {
            bits: self.bits,
            image_size: self.image_size.map(|n| n as usize),
            permutation: self.permutation,
            scale_function: self.scale_function,
        }
    }
}

/// What a conditional model is given.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Conditional models")]
pub(super) struct ConditionArgs {
    /// Numbers separated by commas for all pictures, or a list for each separated by semicolons
    #[arg(
        long,
        value_name = "V1,V2,…",
        conflicts_with = "class",
        allow_hyphen_values = true
    )]
    condition: Option<String>,
    /// Class for all pictures, counted from 0 or by the name that the file has for it, or one for each separated by commas
    #[arg(long, value_name = "N|NAME", value_delimiter = ',')]
    class: Vec<String>,
}

impl ConditionArgs {
    /// Whether anything is asked for.
    #[cfg(feature = "gui")]
    pub(super) fn is_given(&self) -> bool {
        self.condition.is_some() || !self.class.is_empty()
    }

    /// The conditions for a model that takes so many values: none, one for all pictures, or one each.
    fn read(&self, values: usize, names: &[String]) -> anyhow::Result<Vec<Condition>> {
        let asked = self.condition.is_some() || !self.class.is_empty();
        if values == 0 && asked {
            bail!("this model is not conditional: leave --condition and --class out");
        }
        let Some(text) = &self.condition else {
            let class = |class: &String| {
                let by_name = names.iter().position(|name| name == class);
                let by_number = || class.trim().parse().ok().filter(|class| *class < values);
                match by_name.or_else(by_number) {
                    Some(class) => Ok(Condition::class(class, values)),
                    None if names.is_empty() => bail!(
                        "--class {class} is no class of this model, which has {values}: 0 to {}",
                        values - 1
                    ),
                    None => bail!(
                        "--class {class} is no class of this model, which has {values}: 0 to {}, or one of {}",
                        values - 1,
                        names.join(", ")
                    ),
                }
            };
            return self.class.iter().map(class).collect();
        };
        let list = |list: &str| -> anyhow::Result<Condition> {
            let numbers = list.split(',').map(|v| match v.trim().parse::<f32>() {
                Ok(v) if v.is_finite() => Ok(v),
                _ => bail!("--condition: {:?} is not a number", v.trim()),
            });
            let numbers = numbers.collect::<anyhow::Result<Vec<_>>>()?;
            if numbers.len() != values {
                bail!(
                    "--condition has {} numbers, but this model takes {values}",
                    numbers.len()
                );
            }
            Ok(Condition(numbers))
        };
        text.trim_end_matches(';').split(';').map(list).collect()
    }
}

/// A folder of pictures to learn from or to measure on.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct FolderArgs {
    /// Folder of pictures or of tar shards, or shards by name, as in faces-{000..015}.tar; of each picture the largest
    /// square in the middle is taken
    #[arg(long, value_name = "DIR")]
    pub(super) images: PathBuf,
    /// Take the square round the face instead, as the window does: for photos that are not framed yet
    #[arg(long)]
    pub(super) crop_faces: bool,
}

impl FolderArgs {
    /// The pictures of the folder, or of a split of a table, as a model of this size and these channels takes them.
    pub(super) fn open(
        &self,
        chosen: Option<(&LabelTable, &str)>,
        (size, channels): (usize, usize),
    ) -> Result<PictureSet, DataError> {
        let set = PictureSet::open(&self.images, chosen, size, channels)?;
        let inside = set.n_folders_inside();
        if inside > 0 {
            let folders = if inside == 1 { "folder" } else { "folders" };
            note(format_args!(
                "pictures in {inside} {folders} inside are not read: {}",
                self.images.display()
            ));
        }
        Ok(set.with_faces_framed(self.crop_faces))
    }

    /// The pictures to validate on: a split of the table, or a folder of its own.
    pub(super) fn open_valid(
        &self,
        valid: Option<&str>,
        labels: Option<&LabelTable>,
        shape: (usize, usize),
    ) -> Result<Option<Arc<PictureSet>>, DataError> {
        let Some(valid) = valid else {
            return Ok(None);
        };
        let set = match labels.filter(|table| table.splits().contains(&valid)) {
            Some(table) => self.open(Some((table, valid)), shape)?,
            None => {
                let folder = Self {
                    images: valid.into(),
                    ..self.clone()
                };
                folder.open(None, shape)?
            }
        };
        Ok(Some(Arc::new(set)))
    }
}

/// A model that is ready, and what is known of it.
pub(super) struct OpenModel {
    /// File name, or `faces-64 (shipped)`.
    pub(super) name: String,
    /// Its file, where it is one.
    pub(super) path: Option<PathBuf>,
    pub(super) model: GlowModel,
    /// Tells it from another training of the same shape.
    pub(super) fingerprint: Fingerprint,
    /// What pictures are given: nothing, one for all, or one each.
    conditions: Vec<Condition>,
    /// Whether people were told that nothing was said.
    told: Cell<bool>,
}

impl ModelArgs {
    /// The files that it reads: the weights, and directions beside them.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.model.as_deref().into_iter()
    }

    /// Reads the weight file and sets the model up.
    pub(super) fn open(&self) -> anyhow::Result<OpenModel> {
        let (name, file) = self.read()?;
        let threads = self.threads.map_or_else(super::cores, usize::from);
        let names = file.condition_names();
        let values = file.params.config.variant.condition;
        let conditions = self.condition.read(values, &names)?;
        let fingerprint = Fingerprint::of(&file.params);
        let mut model = GlowModel::new(&file.params, &self.device, threads)
            .map_err(|error| match error {
                // The weights are fine there, so their name would mislead.
                ModelError::Device(_) => anyhow::Error::from(error),
                _ => {
                    let path = self.model.as_deref().unwrap_or(Path::new(&name));
                    anyhow::anyhow!("the model cannot be used ({error}): {}", path.display())
                }
            })?
            .with_tf32(self.tf32);
        if self.tf32 && !model.is_tf32() {
            note(format_args!(
                "--tf32 changes nothing on this device: {}",
                model.device_label()
            ));
        }
        if let [one] = conditions.as_slice() {
            model.set_condition(one.clone())?;
        }
        Ok(OpenModel {
            name,
            path: self.model.clone(),
            model,
            fingerprint,
            conditions,
            told: Cell::new(false),
        })
    }

    /// The name for people and the contents of the weight file.
    pub(super) fn read(&self) -> anyhow::Result<(String, WeightFile)> {
        Ok(match shipped::choose(self.model.as_deref()) {
            Choice::Shipped(model) => (model.label.to_owned(), model.weights()?),
            Choice::File(path) => {
                let opened = import::open(path, &self.foreign.options())?;
                note_all(path, &opened.notes);
                (file_name(path), opened.file)
            }
        })
    }
}

impl OpenModel {
    pub(super) fn config(&self) -> &GlowConfig {
        self.model.config()
    }

    /// The directions of this model and the name of their file: those given, those beside the weight
    /// file, or those that come with the program.
    pub(super) fn directions(
        &self,
        given: Option<&Path>,
    ) -> anyhow::Result<(String, AttributesFile)> {
        let read = |path: &Path| -> anyhow::Result<(String, AttributesFile)> {
            let file = attributes::read_for(path, self.config())?;
            Ok((path.display().to_string(), file))
        };
        let (name, file) = match (given, shipped::choose(self.path.as_deref())) {
            (Some(path), _) => read(path)?,
            (None, Choice::Shipped(model)) => (model.label.to_owned(), model.attributes()?),
            (None, Choice::File(model)) => {
                let path = attributes::path_beside(model);
                if !path.exists() {
                    bail!(
                        "this model has no attributes file; name one with --attributes, or build it with \
                         `glow-explorer attributes`: {}",
                        path.display()
                    );
                }
                read(&path)?
            }
        };
        self.check_config(&file.config, "its directions", Path::new(&name))?;
        self.note_training(file.fingerprint, "its directions", Path::new(&name));
        Ok((name, file))
    }

    /// Refuses a file that was made with a model of another configuration.
    fn check_config(&self, found: &GlowConfig, what: &str, path: &Path) -> anyhow::Result<()> {
        if found == self.config() {
            return Ok(());
        }
        bail!(
            "{what} belong to another model ({}) than {} ({}); give that model with --model: {}",
            config_text(found),
            self.name,
            config_text(self.config()),
            path.display()
        )
    }

    /// Says so where a file was made with another training of a model of this shape.
    fn note_training(&self, found: Option<Fingerprint>, what: &str, path: &Path) {
        if found.is_some_and(|found| found != self.fingerprint) {
            note(format_args!(
                "{what} belong to another training than {}, so pictures will differ; give its model with --model: {}",
                self.name,
                path.display()
            ));
        }
    }

    /// The latents of a latents file, with their names and bits per dimension where it has them.
    pub(super) fn read_latents(&self, path: &Path) -> anyhow::Result<latents::LatentsFile> {
        let file = latents::read(path)?;
        self.check_config(&file.config, "its latents", path)?;
        self.note_training(file.fingerprint, "its latents", path);
        if file.latents.is_empty() {
            bail!(
                "the file has no latents; encode a picture first: {}",
                path.display()
            );
        }
        Ok(file)
    }

    /// The condition that was asked for picture `at` of `n`: none where none was, one for all, or one each.
    ///
    /// Errors: another number of conditions than of pictures.
    pub(super) fn asked_condition(
        &self,
        at: usize,
        n: usize,
    ) -> anyhow::Result<Option<&Condition>> {
        match self.conditions.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            each if each.len() == n => Ok(each.get(at)),
            each => bail!(
                "there are {} conditions for {n} pictures: give one, or one each",
                each.len()
            ),
        }
    }

    /// The condition that picture `at` of `n` is encoded or drawn with; where none was asked for it is zeros, and people are
    /// told once.
    ///
    /// Errors: another number of conditions than of pictures.
    pub(super) fn condition(&self, at: usize, n: usize) -> anyhow::Result<Condition> {
        if let Some(asked) = self.asked_condition(at, n)? {
            return Ok(asked.clone());
        }
        let values = self.config().variant.condition;
        if values > 0 && !self.told.replace(true) {
            note(format_args!(
                "this model is conditioned on {values} values, all taken as 0; say --condition or --class"
            ));
        }
        Ok(Condition::default())
    }

    /// Refuses a list of conditions where one must do for all pictures; where none was asked for, people are told once.
    ///
    /// Errors: more conditions than one.
    pub(super) fn check_one_condition(&self) -> anyhow::Result<()> {
        if self.conditions.len() > 1 {
            bail!("all pictures are given the same condition here: say one");
        }
        self.condition(0, 1).map(drop)
    }

    /// The latents, each given what was asked for where anything was.
    ///
    /// Errors: another number of conditions than of latents.
    pub(super) fn given(&self, latents: Vec<Latent>) -> anyhow::Result<Vec<Latent>> {
        let n = latents.len();
        let given = latents.into_iter().enumerate().map(|(at, latent)| {
            Ok(match self.asked_condition(at, n)? {
                Some(asked) => latent.given(asked.clone()),
                None => latent,
            })
        });
        given.collect()
    }

    /// Decodes latents, each given its own condition.
    pub(super) fn decode(&self, latents: &[Latent]) -> anyhow::Result<Vec<Decoded>> {
        Ok(self.model.decode(latents, &|| false)?)
    }

    /// Reads, frames and encodes one photo, number `at` of so many that are given conditions.
    pub(super) fn encode_photo(
        &self,
        path: &Path,
        no_crop: bool,
        (at, n): (usize, usize),
    ) -> anyhow::Result<EncodedPhoto> {
        let source = intake::read(&PictureSource::Path(path.to_owned()))?;
        let (photo, _) = self.encode_picture(source, path, no_crop, (at, n))?;
        Ok(photo)
    }

    /// As [`OpenModel::encode_photo`], of a photo that was read from `path` already, which it gives back.
    pub(super) fn encode_picture(
        &self,
        source: SourcePicture,
        path: &Path,
        no_crop: bool,
        (at, n): (usize, usize),
    ) -> anyhow::Result<(EncodedPhoto, SourcePicture)> {
        let size = self.config().image_size;
        let (pixels, crop, face_found) = frame_for_model(&source, size, no_crop)
            .with_context(|| format!("cannot be framed: {}", path.display()))?;
        let given = self.condition(at, n)?;
        let framed = std::slice::from_ref(&pixels);
        let encoded = self.model.encode_given(framed, &[given], &|| false)?;
        let encoded = encoded
            .into_iter()
            .next()
            .context("the model gave no latent")?;
        if !encoded.bits_per_dim.is_finite() || encoded.latent.iter().any(|v| !v.is_finite()) {
            bail!(
                "the model gives no finite latent for this picture; are its weights healthy?: {}",
                path.display()
            );
        }
        let photo = EncodedPhoto {
            name: source.name.clone(),
            crop,
            framed: pixels,
            encoded,
            face_found,
            notes: source.notes.clone(),
        };
        Ok((photo, source))
    }

    /// The latents that photos and latents files hold, in order, with their names.
    pub(super) fn inputs(
        &self,
        paths: &[PathBuf],
        no_crop: bool,
    ) -> anyhow::Result<Vec<(String, Latent)>> {
        let (mut found, mut stored) = (Vec::new(), Vec::new());
        for (at, path) in paths.iter().enumerate() {
            if is_safetensors(path) {
                let file = self.read_latents(path)?;
                let names = item_names(path, &file);
                stored.extend(found.len()..found.len() + names.len());
                found.extend(names.into_iter().zip(file.latents));
            } else {
                let photo = self.encode_photo(path, no_crop, (at, paths.len()))?;
                note_all(path, &photo.notes);
                found.push((photo.name, photo.encoded.latent));
            }
        }
        // What was stored keeps its condition where no other is asked for.
        let n = found.len();
        for at in stored {
            if let Some(asked) = self.asked_condition(at, n)? {
                found[at].1.condition.clone_from(asked);
            }
        }
        Ok(found)
    }

    /// `max |x - decode(encode(x))|` of a picture.
    pub(super) fn round_trip(&self, encoded: &Encoded) -> anyhow::Result<f64> {
        let decoded = self.decode(std::slice::from_ref(&encoded.latent))?;
        let decoded = decoded.first().context("the model gave no picture")?;
        Ok(largest_difference(&encoded.x, &decoded.x))
    }
}

/// An encoded photo.
pub(super) struct EncodedPhoto {
    pub(super) name: String,
    /// The square that the model was shown.
    pub(super) crop: CropSquare,
    /// That square at the model's size.
    pub(super) framed: RgbImage,
    pub(super) encoded: Encoded,
    pub(super) face_found: bool,
    pub(super) notes: Vec<String>,
}

/// Names of the latents in a file, made up from the file's where it has none.
pub(super) fn item_names(path: &Path, file: &latents::LatentsFile) -> Vec<String> {
    let stem = file_name(path);
    match &file.names {
        Some(names) => names.clone(),
        None if file.latents.len() == 1 => vec![stem],
        None => (1..=file.latents.len())
            .map(|i| format!("{stem} {i}"))
            .collect(),
    }
}

/// Whether the name says safetensors.
pub(super) fn is_safetensors(path: &Path) -> bool {
    has_extension(path, "safetensors")
}

/// The last part of a path, for people.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

/// A configuration in one line.
pub(super) fn config_text(config: &GlowConfig) -> String {
    let colour = if config.channels == 1 { " grey" } else { "" };
    format!("{} px{colour}, {}", config.image_size, config.parts_text())
}

/// A temperature on the command line.
pub(super) fn temperature(text: &str) -> Result<f32, String> {
    number_in(text, TEMPERATURES)
}

/// A number within bounds on the command line.
pub(super) fn number_in(text: &str, range: std::ops::RangeInclusive<f32>) -> Result<f32, String> {
    match text.trim().parse::<f32>() {
        Ok(value) if range.contains(&value) => Ok(value),
        _ => {
            let (start, end) = (range.start(), range.end());
            let comma = match text.contains(',') {
                true => ", with a decimal point where it has a fraction",
                false => "",
            };
            Err(format!("it must be a number from {start} to {end}{comma}"))
        }
    }
}

/// Says how a list was read that a decimal comma may have made: `0,7` is two numbers.
pub(super) fn note_decimal_comma(flag: &str, numbers: &[f32]) {
    if let [whole, fraction] = numbers
        && whole.fract() == 0.0
        && fraction.fract() == 0.0
    {
        note(format_args!(
            "{flag} {whole},{fraction} is two numbers, {whole} and {fraction}; if one was meant, write {whole}.{fraction}"
        ));
    }
}

/// Threads on the command line.
pub(super) fn threads() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=1024)
}

/// A flag that the first Ctrl-C raises, for work that can stop and save; `said` is a line for that moment.
///
/// Errors: the system does not let itself be watched, or it is asked for twice.
pub(super) fn stop_on_ctrl_c(said: Option<String>) -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    // A second Ctrl-C while the last save is under way ends the program at once, as people expect.
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        said.iter().for_each(note);
    })
    .context("cannot watch for Ctrl-C")?;
    Ok(stop)
}

/// A bar on the terminal; nothing where there is none.
pub(super) fn progress(n: usize, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(n as u64);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:24} {pos}/{len}, {eta} left") {
        bar.set_style(style);
    }
    bar.set_prefix(what);
    bar
}

/// A line on standard output, or beside it where a file goes there. A reader that has gone away (`| head`) ends the program
/// quietly.
pub(super) fn say(line: impl std::fmt::Display) -> anyhow::Result<()> {
    let line = line.to_string();
    let line = quote::printable(&line);
    if takes_bytes() {
        let _ = writeln!(io::stderr(), "{line}");
        return Ok(());
    }
    write_out(&line)
}

fn write_out(line: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.context("cannot write to standard output"),
    }
}

/// One JSON value on standard output.
pub(super) fn say_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    write_out(&quote::printable_json(&serde_json::to_string_pretty(
        value,
    )?))
}

/// The longest line on standard error, in characters.
const MAX_LINE: usize = 2000;

/// Something that people should know though all went well.
pub(super) fn note(text: impl std::fmt::Display) {
    // What concerns a command line is said by the first of the processes that share it.
    if rank_before_start().is_some_and(|rank| rank > 0) {
        return;
    }
    // Nobody can be told where standard error is closed.
    let _ = writeln!(
        io::stderr(),
        "glow-explorer: note: {}",
        shown_line(&text.to_string())
    );
}

/// A line for standard error: what files say in it does not act on a terminal, and does not fill it.
pub(super) fn shown_line(text: &str) -> String {
    quote::one_line(&quote::cut(text, MAX_LINE)).into_owned()
}

/// Says so where bf16 products are asked for and the processor has none.
pub(super) fn note_bf16(arithmetic: Arithmetic) {
    if arithmetic.or_f32() != arithmetic {
        note("this processor multiplies no bf16: its products are computed in f32");
    }
}

/// A table of labels; people are told what of it does not count.
pub(super) fn read_labels(path: &Path) -> Result<LabelTable, DataError> {
    let table = LabelTable::read(path)?;
    note_all(path, &table.notes());
    Ok(table)
}

pub(super) fn note_all(path: &Path, notes: &[String]) {
    for text in notes {
        note(format_args!("{text}: {}", path.display()));
    }
}
