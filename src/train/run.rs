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

/// Seconds to the first save, where saves come sooner at the beginning.
const FIRST_SAVE_SECS: f64 = 15.0;

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
    /// Whether the first saves come sooner, for somebody who watches.
    pub early_saves: bool,
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
pub(super) fn checkpoint_path(weights: &Path) -> PathBuf {
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

    /// Seconds from one save to the next, `elapsed_secs` into the run.
    pub(super) fn save_after_secs(&self, elapsed_secs: f64) -> f64 {
        match self.early_saves {
            true => (0.5 * elapsed_secs)
                .max(FIRST_SAVE_SECS)
                .min(self.save_every_secs),
            false => self.save_every_secs,
        }
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
                "the lock of the run cannot be written ({e}); choose another name for the weights: {}",
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
                    "another training (process {}) writes these files; wait for it, stop it, or choose another name for the weights: {}",
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
    fn first_saves_come_soon_for_somebody_who_watches() {
        let dir = tempfile::tempdir().unwrap();
        let picture = image::RgbImage::new(8, 8);
        picture.save(dir.path().join("a.png")).unwrap();
        let mut run = Run {
            out: "m.safetensors".into(),
            precision: Precision::F32,
            pictures: Arc::new(PictureSet::open(dir.path(), None, 8, 3).unwrap()),
            valid: None,
            valid_limit: 0,
            data: String::new(),
            licence: String::new(),
            save_every_secs: 300.0,
            early_saves: true,
            save_every_pictures: None,
            threads: 1,
            device: DeviceChoice::Cpu,
            ranks: crate::train::ranks::alone(),
        };
        let after = |run: &Run| [1.0, 60.0, 6000.0].map(|seconds| run.save_after_secs(seconds));
        assert_eq!(after(&run), [15.0, 30.0, 300.0]);
        run.early_saves = false;
        assert_eq!(after(&run), [300.0; 3]);
    }

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
