//! The files of a training: where they are, what stands there already, and who writes them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::TrainError;
use super::ranks::Communicator;
use crate::data::batches::PictureSet;
use crate::files::weights::Precision;
use crate::model::DeviceChoice;

/// Files and pictures of a run.
pub struct Run {
    /// The weight file that is written.
    pub out: PathBuf,
    /// Its precision.
    pub precision: Precision,
    /// Training pictures.
    pub pictures: Arc<PictureSet>,
    /// Validation pictures.
    pub valid: Option<Arc<PictureSet>>,
    /// At most this many of them each time.
    pub valid_limit: usize,
    /// Words on the data, for the provenance.
    pub data: String,
    /// Terms of the weights, for the provenance.
    pub licence: String,
    /// Seconds between saves.
    pub save_every_secs: f64,
    /// Pictures between saves, beside the seconds: runs to compare are measured at the same points.
    pub save_every_pictures: Option<u64>,
    /// Threads.
    pub threads: usize,
    /// Where gradients are computed; everything else is on the CPU.
    pub device: DeviceChoice,
    /// The processes that train together.
    pub ranks: Arc<dyn Communicator>,
}

/// The sheet of samples beside a weight file.
pub fn samples_path(weights: &Path) -> PathBuf {
    weights.with_extension("samples.png")
}

/// The checkpoint beside a weight file.
fn checkpoint_path(weights: &Path) -> PathBuf {
    weights.with_extension("checkpoint.safetensors")
}

/// The lock beside a weight file.
fn lock_path(weights: &Path) -> PathBuf {
    weights.with_extension("lock")
}

/// What a training writes beside its weights.
pub fn files_beside(weights: &Path) -> [PathBuf; 3] {
    [
        checkpoint_path(weights),
        samples_path(weights),
        lock_path(weights),
    ]
}

impl Run {
    /// The checkpoint beside the weight file.
    pub fn checkpoint_path(&self) -> PathBuf {
        checkpoint_path(&self.out)
    }

    /// The sheet of samples beside the weight file.
    pub fn samples_path(&self) -> PathBuf {
        samples_path(&self.out)
    }

    /// The weights and the checkpoint that an earlier training has left under these names.
    pub fn earlier_work(&self) -> Vec<PathBuf> {
        let both = [self.out.clone(), self.checkpoint_path()];
        both.into_iter().filter(|path| path.exists()).collect()
    }

    /// Keeps other trainings from writing the same files, as long as the lock lives.
    ///
    /// Errors: another training writes them, or the folder cannot be written.
    pub fn lock(&self) -> Result<RunLock, TrainError> {
        RunLock::take(&lock_path(&self.out))
    }
}

/// A file that names the process which writes a run; removed with it. It goes with the process, however that ends: what
/// a killed training leaves is a name that nobody holds.
#[derive(Debug)]
pub struct RunLock {
    path: PathBuf,
    /// Holds the system's lock, where the file system has locks.
    _file: File,
    /// Whether it has.
    pub is_held: bool,
}

impl RunLock {
    fn take(path: &Path) -> Result<Self, TrainError> {
        let fail = |e: std::io::Error| {
            TrainError::Setup(format!(
                "the lock of the run cannot be written ({e}); choose another --out: {}",
                path.display()
            ))
        };
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(fail)?;
        let is_held = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // What cannot be read is only a name in a message.
                let _ = file.take(20).read_to_string(&mut owner);
                return Err(TrainError::Setup(format!(
                    "another training (process {}) writes these files; wait for it, stop it, or choose another --out: {}",
                    owner.trim(),
                    path.display()
                )));
            }
            Err(TryLockError::Error(_)) => false,
        };
        file.set_len(0).map_err(fail)?;
        file.rewind().map_err(fail)?;
        writeln!(file, "{}", std::process::id()).map_err(fail)?;
        Ok(Self {
            path: path.to_owned(),
            _file: file,
            is_held,
        })
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // Left behind, it only says a number.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_trainings_do_not_write_the_same_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.lock");
        let held = RunLock::take(&path).unwrap();
        assert!(held.is_held);
        let error = RunLock::take(&path).unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        assert!(error.ends_with("m.lock"), "{error}");
        drop(held);
        assert!(!path.exists());
        // What a killed process leaves behind holds nobody up.
        fs::write(&path, "12345\n").unwrap();
        RunLock::take(&path).unwrap();
    }
}
