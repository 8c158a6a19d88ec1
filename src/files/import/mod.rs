//! Models of other programs: recognised by what is in a file, not by its name, and brought to our form exactly.
//!
//! A pickle is read as data ([`pickle`]), tensors by name ([`tensors`]), and each program's module says which name means
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

use serde_json::json;

use self::pickle::PickleError;
use self::tensors::Tensors;
use super::FormatError;
use super::weights::{self, WeightFile};
use crate::config::{Permutation, ScaleFunction};
use crate::disk::{RegularFile, looks_like};

/// What a file may not say of itself.
#[derive(Clone, Debug, Default, PartialEq)]
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

    fn glow(self, tensors: &Tensors, options: &Options) -> Result<glow::Glow, ImportError> {
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
}

/// Why another program's file does not open.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Our own format, or the file cannot be read.
    #[error(transparent)]
    Format(#[from] FormatError),
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
            other => other,
        }
    }
}

impl From<PickleError> for ImportError {
    fn from(error: PickleError) -> Self {
        match error {
            PickleError::Name(_) => Self::foreign(&error.to_string()),
            _ => Self::damaged(&error.to_string()),
        }
    }
}

/// Reads a model from a file of this program or of another.
///
/// Errors: the file is missing, damaged, of a program that is not known, or cannot be told without more options.
pub fn open(path: &Path, options: &Options) -> Result<Opened, ImportError> {
    let checkpoint = tensorflow::prefix(path).map(|prefix| (tensorflow::index_of(&prefix), prefix));
    // A TensorFlow checkpoint is several files: any of them, or their common name, will do.
    let (index, prefix) = match checkpoint {
        Some((index, prefix)) if index != path && index.is_file() => (index, prefix),
        Some((_, prefix)) => (path.to_owned(), prefix),
        None => (path.to_owned(), PathBuf::new()),
    };
    let bytes = read_bytes(&index)?;
    let Some(imported) = from_bytes(&bytes, &prefix, options) else {
        return Ok(Opened {
            file: weights::from_bytes(&bytes, path)?,
            program: None,
            notes: Vec::new(),
        });
    };
    let (mut file, program, notes) = imported.map_err(|e| e.at(path))?;
    let name = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy();
    file.provenance = json!({
        "imported": name,
        "program": program.name(),
        "assumed": notes.join("; "),
    });
    Ok(Opened {
        file,
        program: Some(program),
        notes,
    })
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

/// Reads a model of another program that is in memory, in one piece.
///
/// Errors: as [`open`]; never a panic, whatever the bytes.
pub fn from_memory(bytes: &[u8], options: &Options) -> Result<Opened, ImportError> {
    match from_bytes(bytes, Path::new("memory"), options) {
        Some(imported) => imported.map(|(file, program, notes)| Opened {
            file,
            program: Some(program),
            notes,
        }),
        None => Err(ImportError::foreign("it is of no known kind")),
    }
}

type Imported = (WeightFile, Program, Vec<String>);

/// A model of another program; `None` where the bytes look like none. `prefix` is what a TensorFlow checkpoint's files share.
fn from_bytes(
    bytes: &[u8],
    prefix: &Path,
    options: &Options,
) -> Option<Result<Imported, ImportError>> {
    if torch::is_torch(bytes) {
        return Some(torch::read(bytes).and_then(|found| imported(found, bytes.len(), options)));
    }
    if tensorflow::is_index(bytes) {
        return Some(bundle(bytes, prefix, options));
    }
    if looks_like_ours(bytes) {
        return None;
    }
    let constants = tensorflow::graph(bytes)?;
    Some(imported(vec![constants], bytes.len(), options))
}

/// Safetensors: a header of JSON behind its length.
fn looks_like_ours(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
}

fn bundle(bytes: &[u8], prefix: &Path, options: &Options) -> Result<Imported, ImportError> {
    let index = tensorflow::Index::read(bytes)?;
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
    let n = dictionaries.len();
    for tensors in dictionaries {
        // PyTorch's DataParallel puts this before every name.
        let tensors = tensors.without_prefix("module.");
        let Some(program) = Program::of(&tensors) else {
            continue;
        };
        let glow = program.glow(&tensors, options)?;
        let (params, notes) = glow.into_params(options, n_bytes)?;
        let file = WeightFile {
            params,
            provenance: serde_json::Value::Null,
            preview: None,
        };
        return Ok((file, program, notes));
    }
    Err(ImportError::foreign(if n == 0 {
        "it holds no tensors by name"
    } else {
        "its tensors are those of no known Glow"
    }))
}
