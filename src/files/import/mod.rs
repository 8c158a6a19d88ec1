//! Models of other programs: recognised by what is in a file, not by its name, and brought to our form exactly.
//!
//! A pickle is read as data ([`pickle`]), tensors by name (`tensors`), and each program's module says which name means
//! what. Everything that can be folded into weights is: the order of halves and of pairs, signs, factors of logarithms, the
//! range of the pixels. What is left, where the function itself differs, is the config's `variant`.

mod chaiyujin;
mod glow;
mod normflows;
mod openai;
pub mod pickle;
mod rosinality;
mod tensorflow;
mod tensors;
mod torch;
pub(super) mod wire;
mod zip;

use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::glow::Unsaid;
use self::pickle::PickleError;
use self::tensors::{NumberView, Tensors};
use super::FormatError;
use super::weights::{self, WeightFile};
use crate::config::{Permutation, ScaleFunction};
use crate::disk::{RegularFile, looks_like};
use crate::model::params::Params;

/// What a file may not say of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Bits a subpixel.
    pub bits: Option<u32>,
    /// Pixels a side.
    pub image_size: Option<usize>,
    /// The channel mixing, where the file has no matrices.
    pub permutation: Option<Permutation>,
    /// The factor of an affine coupling.
    pub scale_function: Option<ScaleFunction>,
}

impl Options {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Programs whose models open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// rosinality/glow-pytorch.
    Rosinality,
    /// chaiyujin/glow-pytorch.
    Chaiyujin,
    /// y0ast/Glow-PyTorch.
    Y0ast,
    /// normflows' `MultiscaleFlow` of `GlowBlock`s.
    Normflows,
    /// openai/glow.
    Openai,
}

impl Program {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rosinality => "rosinality/glow-pytorch",
            Self::Chaiyujin => "chaiyujin/glow-pytorch",
            Self::Y0ast => "y0ast/Glow-PyTorch",
            Self::Normflows => "normflows",
            Self::Openai => "openai/glow",
        }
    }

    /// The program whose names a file has.
    fn of(tensors: &Tensors) -> Option<Self> {
        if tensors.has("blocks.0.flows.0.actnorm.loc") {
            Some(Self::Rosinality)
        } else if tensors.has("flow.layers.1.f.0.weight") {
            Some(Self::Chaiyujin)
        } else if tensors.has("flow.layers.1.block.0.conv.weight") {
            Some(Self::Y0ast)
        } else if tensors.has("flows.0.0.flows.0.flows.1.param_map.net.0.weight") {
            Some(Self::Normflows)
        } else if openai::scope(tensors).is_some() {
            Some(Self::Openai)
        } else {
            None
        }
    }

    fn glow(self, tensors: &Tensors, options: &Options) -> Result<glow::ForeignGlow, ImportError> {
        match self {
            Self::Rosinality => rosinality::glow(tensors),
            Self::Chaiyujin => chaiyujin::glow(tensors, chaiyujin::Names::Chaiyujin, options),
            Self::Y0ast => chaiyujin::glow(tensors, chaiyujin::Names::Y0ast, options),
            Self::Normflows => normflows::glow(tensors, options),
            Self::Openai => {
                let scope = openai::scope(tensors).unwrap_or_default();
                openai::glow(&tensors.below(scope))
            }
        }
    }
}

/// A model that was read, whoever wrote it.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The model.
    pub file: WeightFile,
    /// Who wrote it, where it was not this program.
    pub program: Option<Program>,
    /// What was assumed.
    pub notes: Vec<String>,
    /// What neither the file nor the options say, with what was taken for it.
    pub unsaid: Options,
}

/// Why another program's file does not open.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Our own format, or the file cannot be read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Channels are mixed in an order that the file does not say.
    #[error(
        "not a usable model: it has no 1x1 convolutions: its channels are reversed, or shuffled in an order that is not in the \
         file; if they are reversed, say --permutation reverse{}",
        path_text(path)
    )]
    Permutation {
        /// The file; empty until it is known.
        path: PathBuf,
    },
    /// Something else.
    #[error("not a usable model: {problem}{advice}{}", path_text(path))]
    Invalid {
        /// What was found.
        problem: String,
        /// What to do.
        advice: &'static str,
        /// The file; empty until it is known.
        path: PathBuf,
    },
}

fn path_text(path: &Path) -> String {
    if path.as_os_str().is_empty() {
        return String::new();
    }
    format!(": {}", path.display())
}

impl ImportError {
    fn new(problem: &str, advice: &'static str) -> Self {
        Self::Invalid {
            problem: problem.to_owned(),
            advice,
            path: PathBuf::new(),
        }
    }

    fn damaged(problem: &str) -> Self {
        Self::new(problem, "; copy the file again")
    }

    fn foreign(problem: &str) -> Self {
        Self::new(
            problem,
            "; open a Glow of rosinality's, chaiyujin's, y0ast's, OpenAI's program or normflows, or one of this program's",
        )
    }

    fn option(problem: &str) -> Self {
        Self::new(problem, "")
    }

    fn at(self, path: &Path) -> Self {
        match self {
            Self::Invalid {
                problem, advice, ..
            } => Self::Invalid {
                problem,
                advice,
                path: path.to_owned(),
            },
            Self::Permutation { .. } => Self::Permutation {
                path: path.to_owned(),
            },
            other => other,
        }
    }
}

impl From<PickleError> for ImportError {
    fn from(error: PickleError) -> Self {
        match error {
            PickleError::Name(_) => Self::new(
                &error.to_string(),
                "; if it is a whole model or its configuration, save the model's state_dict() alone",
            ),
            _ => Self::damaged(&error.to_string()),
        }
    }
}

/// Reads a model from a file of this program or of another.
///
/// Errors: the file is missing, damaged, of a program that is not known, or cannot be told without more options.
pub fn open(path: &Path, options: &Options) -> Result<Opened, ImportError> {
    let (bytes, prefix) = read(path)?;
    match recognised(path, &bytes, &prefix, options) {
        Some(opened) => opened,
        None => Ok(Opened {
            file: weights::from_bytes(&bytes, path)?,
            program: None,
            notes: Vec::new(),
            unsaid: Options::default(),
        }),
    }
}

/// As [`open`], and where the file does not say how its channels are mixed they are taken as reversed: for those who show
/// what comes of it, and ask.
///
/// Errors: as [`open`].
pub fn guess(path: &Path, options: &Options) -> Result<Opened, ImportError> {
    match open(path, options) {
        Err(ImportError::Permutation { .. }) => {
            let reverse = Some(Permutation::Reverse);
            let mut opened = open(
                path,
                &Options {
                    permutation: reverse,
                    ..options.clone()
                },
            )?;
            opened.unsaid.permutation = reverse;
            opened.notes.push(
                "the file does not say how its channels are mixed; they are taken as reversed"
                    .to_owned(),
            );
            Ok(opened)
        }
        other => other,
    }
}

/// Reads a model from a file of another program; `None` where it looks like none.
pub fn foreign(path: &Path, options: &Options) -> Option<Result<Opened, ImportError>> {
    match read(path) {
        Ok((bytes, prefix)) => recognised(path, &bytes, &prefix, options),
        Err(error) => Some(Err(error.into())),
    }
}

/// Whether a file begins, or ends, as those of other programs' models do; nothing else of it is looked at.
pub fn looks_like_a_model(path: &Path) -> bool {
    let start = RegularFile::new(path, weights::MAX_BYTES).and_then(|mut file| file.next(16));
    start.is_ok_and(|start| torch::is_torch(&start))
        || tensorflow::prefix(path)
            .is_some_and(|prefix| path != prefix && tensorflow::index_of(&prefix).is_file())
}

/// The bytes of a file, and what a TensorFlow checkpoint's files share.
fn read(path: &Path) -> Result<(Vec<u8>, PathBuf), FormatError> {
    let checkpoint = tensorflow::prefix(path).map(|prefix| (tensorflow::index_of(&prefix), prefix));
    // A TensorFlow checkpoint is several files: any of them, or their common name, will do.
    let (index, prefix) = match checkpoint {
        Some((index, prefix)) if index != path && index.is_file() => (index, prefix),
        Some((_, prefix)) => (path.to_owned(), prefix),
        None => (path.to_owned(), PathBuf::new()),
    };
    Ok((read_bytes(&index)?, prefix))
}

fn recognised(
    path: &Path,
    bytes: &[u8],
    prefix: &Path,
    options: &Options,
) -> Option<Result<Opened, ImportError>> {
    let imported = match from_bytes(bytes, &Beside::Disk(prefix), options) {
        Some(imported) => imported,
        // A graph has no mark of its own at its start: only its name says what it was.
        None if path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("pb")) =>
        {
            Err(ImportError::damaged(
                "its graph is cut off, damaged, or has no weights as constants",
            ))
        }
        None => return None,
    };
    let name = path.file_name().unwrap_or(path.as_os_str());
    let opened = imported.map(|imported| imported.opened(&name.to_string_lossy()));
    Some(opened.map_err(|e| e.at(path)))
}

/// The bytes of a file that may hold a model. Only formats without a signature may start with anything but zeros.
fn read_bytes(path: &Path) -> Result<Vec<u8>, FormatError> {
    let mut file = RegularFile::new(path, weights::MAX_BYTES)?;
    let start = file.next(512)?;
    if start.iter().all(|&b| b == 0) {
        return Err(FormatError::Other {
            what: looks_like(&start).unwrap_or_default(),
            path: path.to_owned(),
        });
    }
    Ok(file.rest(start)?)
}

/// Reads a model of another program that is in memory; `data` are the files beside a TensorFlow index.
///
/// Errors: as [`open`]; never a panic, whatever the bytes.
pub fn from_memory(
    bytes: &[u8],
    data: &[Vec<u8>],
    options: &Options,
) -> Result<Opened, ImportError> {
    match from_bytes(bytes, &Beside::Memory(data), options) {
        Some(imported) => imported.map(|imported| imported.opened("memory")),
        None => Err(ImportError::foreign("it is of no known kind")),
    }
}

/// A model of another program.
struct Imported {
    params: Params,
    program: Program,
    unsaid: Unsaid,
    /// Names of the values of its condition, where the file has them.
    names: Vec<String>,
}

impl Imported {
    fn opened(self, name: &str) -> Opened {
        let notes = self.unsaid.notes;
        let mut provenance = json!({
            "imported": name,
            "program": self.program.name(),
            "assumed": notes.join("; "),
        });
        if !self.names.is_empty() {
            provenance[weights::CONDITION_NAMES] = self.names.into();
        }
        Opened {
            file: WeightFile {
                params: self.params,
                provenance,
                preview: None,
            },
            program: Some(self.program),
            notes,
            unsaid: self.unsaid.taken,
        }
    }
}

/// Where the numbers of a TensorFlow checkpoint are.
enum Beside<'a> {
    /// In files of which this is what the checkpoint's names share.
    Disk(&'a Path),
    Memory(&'a [Vec<u8>]),
}

/// A model of another program; `None` where the bytes look like none.
fn from_bytes(
    bytes: &[u8],
    beside: &Beside<'_>,
    options: &Options,
) -> Option<Result<Imported, ImportError>> {
    if torch::is_torch(bytes) {
        return Some(torch::read(bytes).and_then(|found| {
            let mut imported = imported(found.dictionaries, bytes.len(), options)?;
            let values = imported.params.config.variant.condition;
            let mut lists = found.names.into_iter();
            imported.names = lists
                .find(|names| values > 0 && names.len() == values)
                .unwrap_or_default();
            Ok(imported)
        }));
    }
    if tensorflow::is_index(bytes) {
        return Some(bundle(bytes, beside, options));
    }
    if looks_like_safetensors(bytes) {
        let tensors = safetensors(bytes)?;
        return Some(imported(vec![tensors], bytes.len(), options));
    }
    let constants = tensorflow::graph(bytes)?;
    Some(imported(vec![constants], bytes.len(), options))
}

/// Safetensors: a header of JSON behind its length.
fn looks_like_safetensors(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
}

/// The tensors of a safetensors file that holds another program's state dict; `None` where it holds anything else, such as
/// this program's own formats.
fn safetensors(bytes: &[u8]) -> Option<Tensors<'_>> {
    let file = SafeTensors::deserialize(bytes).ok()?;
    let mut tensors = Tensors::default();
    for (name, view) in file.iter() {
        let dtype = match view.dtype() {
            Dtype::F64 => pickle::Dtype::F64,
            Dtype::F32 => pickle::Dtype::F32,
            Dtype::F16 => pickle::Dtype::F16,
            Dtype::BF16 => pickle::Dtype::Bf16,
            // Counts and flags.
            _ => continue,
        };
        let shape = view.shape().to_vec();
        let numbers = NumberView::dense(view.data().into(), dtype, shape)?;
        tensors.insert(name, numbers);
    }
    let tensors = tensors.without_prefix("module.");
    Program::of(&tensors).is_some().then_some(tensors)
}

fn bundle(bytes: &[u8], beside: &Beside<'_>, options: &Options) -> Result<Imported, ImportError> {
    let index = tensorflow::Index::read(bytes)?;
    let prefix = match beside {
        Beside::Disk(prefix) => prefix,
        Beside::Memory(data) => {
            let n_bytes = data.iter().map(Vec::len).sum();
            return imported(vec![index.tensors(data)?], n_bytes, options);
        }
    };
    let mut data = Vec::new();
    for path in index.data_files(prefix) {
        if !path.is_file() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            return Err(ImportError::option(&format!(
                "its numbers are in another file, which must lie beside it and does not: {name}"
            )));
        }
        data.push(read_bytes(&path)?);
    }
    let n_bytes = data.iter().map(Vec::len).sum();
    imported(vec![index.tensors(&data)?], n_bytes, options)
}

fn imported(
    dictionaries: Vec<Tensors>,
    n_bytes: usize,
    options: &Options,
) -> Result<Imported, ImportError> {
    let mut first = None;
    for tensors in dictionaries {
        // PyTorch's DataParallel puts this before every name.
        let tensors = tensors.without_prefix("module.").within(n_bytes);
        let Some(program) = Program::of(&tensors) else {
            let names = || tensors.names().take(3).map(shortened).collect::<Vec<_>>();
            first.get_or_insert_with(|| names().join(", "));
            continue;
        };
        let glow = program.glow(&tensors, options)?;
        let (params, unsaid) = glow.into_params(options, n_bytes)?;
        return Ok(Imported {
            params,
            program,
            unsaid,
            names: Vec::new(),
        });
    }
    Err(ImportError::foreign(&match first {
        None => "it holds no tensors by name".to_owned(),
        Some(names) => format!("its tensors ({names}, …) are those of no known Glow"),
    }))
}

/// A name for a message: without control characters, and not too long.
fn shortened(name: &str) -> String {
    let plain = name.chars().filter(|c| !c.is_control());
    plain.take(40).collect()
}
