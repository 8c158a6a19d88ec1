//! Numbered pictures in a folder, for video programs.

use std::fs;
use std::path::{Path, PathBuf};

use image::RgbImage;

use super::{ExportError, write_png};

/// A folder that takes `frame-0001.png`, `frame-0002.png` and so on.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameFolder {
    folder: PathBuf,
    n_digits: usize,
}

impl FrameFolder {
    /// Uses the folder for `n_frames` frames, and creates it where it is missing. Frames of
    /// earlier exports are replaced one by one; those past the last new one stay.
    pub fn create(folder: &Path, n_frames: usize) -> Result<Self, ExportError> {
        if folder.exists() && !folder.is_dir() {
            return Err(ExportError::NotAFolder {
                path: folder.display().to_string(),
            });
        }
        fs::create_dir_all(folder).map_err(|e| ExportError::from_io(folder, e))?;
        Ok(Self {
            folder: folder.to_owned(),
            // Four digits sort well together with other exports; more where they are needed.
            n_digits: n_frames.max(1).to_string().len().max(4),
        })
    }

    /// The file of a frame, counted from zero; file names count from one.
    pub fn path(&self, index: usize) -> PathBuf {
        let width = self.n_digits;
        self.folder.join(format!("frame-{:0width$}.png", index + 1))
    }

    /// Writes a frame and says where.
    pub fn write(
        &self,
        index: usize,
        frame: &RgbImage,
        settings: Option<&str>,
    ) -> Result<PathBuf, ExportError> {
        let path = self.path(index);
        write_png(&path, frame, settings)?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_numbered_from_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/frames");
        let frames = FrameFolder::create(&path, 2).unwrap();
        for index in 0..2 {
            frames.write(index, &RgbImage::new(4, 4), None).unwrap();
        }
        assert!(path.join("frame-0001.png").is_file());
        assert!(path.join("frame-0002.png").is_file());
        let many = FrameFolder::create(&path, 12_345).unwrap();
        assert_eq!(many.path(6), path.join("frame-00007.png"));
    }

    #[test]
    fn a_file_is_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "x").unwrap();
        assert!(matches!(
            FrameFolder::create(&path, 1),
            Err(ExportError::NotAFolder { .. })
        ));
    }
}
