//! Numbered pictures in a folder, for video programs.

use std::fs;
use std::path::{Path, PathBuf};

use image::RgbImage;

use super::{ExportError, write_png};

/// A folder that takes `frame-0001.png`, `frame-0002.png` and so on.
#[derive(Debug)]
pub struct FrameFolder {
    folder: PathBuf,
    n_frames: usize,
    /// Whether it was made for these frames.
    is_new: bool,
    /// Frames written where there was nothing before.
    new: Vec<PathBuf>,
    /// Frames written over others.
    n_replaced: usize,
}

/// What the names of frames begin and end with.
const PREFIX: &str = "frame-";
const SUFFIX: &str = ".png";

impl FrameFolder {
    /// The folder for `n_frames` frames; nothing is made yet.
    pub fn new(folder: &Path, n_frames: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            n_frames,
            is_new: false,
            new: Vec::new(),
            n_replaced: 0,
        }
    }

    /// Makes the folder where it is missing. Frames of earlier exports are replaced one by one; those past the last new
    /// one stay: [`FrameFolder::left_over`].
    ///
    /// Errors: a file of that name, the system's.
    pub fn create(folder: &Path, n_frames: usize) -> Result<Self, ExportError> {
        if folder.exists() && !folder.is_dir() {
            return Err(ExportError::NotAFolder {
                path: folder.display().to_string(),
            });
        }
        let is_new = !folder.exists();
        fs::create_dir_all(folder).map_err(|e| ExportError::from_io(folder, e))?;
        Ok(Self {
            is_new,
            ..Self::new(folder, n_frames)
        })
    }

    /// Four digits sort well together with other exports; more where they are needed.
    fn n_digits(&self) -> usize {
        self.n_frames.max(1).to_string().len().max(4)
    }

    /// Frames of earlier exports that are none of these, by name, sorted: a film made of the folder would show them too.
    pub fn left_over(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|e| e.file_name().into_string().ok());
        let is_other = |name: &String| {
            let number = name
                .strip_prefix(PREFIX)
                .and_then(|n| n.strip_suffix(SUFFIX));
            let digits = number.filter(|n| n.len() >= 4 && n.bytes().all(|b| b.is_ascii_digit()));
            digits.is_some_and(|n| {
                let index = n.parse::<usize>().ok();
                !(n.len() == self.n_digits()
                    && index.is_some_and(|i| (1..=self.n_frames).contains(&i)))
            })
        };
        let mut names: Vec<String> = names.filter(is_other).collect();
        names.sort_unstable();
        names
    }

    /// The file of a frame, counted from zero; file names count from one.
    pub fn path(&self, index: usize) -> PathBuf {
        let width = self.n_digits();
        let name = format!("{PREFIX}{:0width$}{SUFFIX}", index + 1);
        self.folder.join(name)
    }

    /// Writes a frame and says where.
    pub fn write(
        &mut self,
        index: usize,
        frame: &RgbImage,
        settings: Option<&str>,
    ) -> Result<PathBuf, ExportError> {
        let path = self.path(index);
        let was_there = path.symlink_metadata().is_ok();
        write_png(&path, frame, settings)?;
        match was_there {
            true => self.n_replaced += 1,
            false => self.new.push(path.clone()),
        }
        Ok(path)
    }

    /// Takes back what was written, of frames that are not wanted to the end: those that replaced none, and the folder
    /// where it was made for them. Gives the number of frames that stay, having replaced older ones.
    pub fn take_back(self) -> usize {
        for path in &self.new {
            // One that cannot be removed is no worse than one that was left.
            let _ = fs::remove_file(path);
        }
        if self.is_new {
            // It goes only where it is empty.
            let _ = fs::remove_dir(&self.folder);
        }
        self.n_replaced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_numbered_from_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/frames");
        let mut frames = FrameFolder::create(&path, 2).unwrap();
        for index in 0..2 {
            frames.write(index, &RgbImage::new(4, 4), None).unwrap();
        }
        assert!(path.join("frame-0001.png").is_file());
        assert!(path.join("frame-0002.png").is_file());
        let many = FrameFolder::create(&path, 12_345).unwrap();
        assert_eq!(many.path(6), path.join("frame-00007.png"));
    }

    #[test]
    fn what_is_taken_back_is_only_what_was_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("frames");
        let write = |n_frames: usize| {
            let mut frames = FrameFolder::create(&path, 9).unwrap();
            for index in 0..n_frames {
                frames.write(index, &RgbImage::new(4, 4), None).unwrap();
            }
            frames
        };
        assert_eq!(write(3).take_back(), 0);
        assert!(!path.exists(), "the folder was made for them");
        drop(write(2));
        fs::write(path.join("mine.txt"), "mine").unwrap();
        assert_eq!(write(5).take_back(), 2);
        let mut names: Vec<_> = (fs::read_dir(&path).unwrap())
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["frame-0001.png", "frame-0002.png", "mine.txt"]);
    }

    #[test]
    fn older_frames_that_stay_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let touch = |name: &str| fs::write(folder.path().join(name), "").unwrap();
        let six = FrameFolder::create(folder.path(), 6).unwrap();
        (0..6).for_each(|i| fs::write(six.path(i), "").unwrap());
        for name in ["frame-.png", "frame-12.png", "photo.png", "frame-00001.png"] {
            touch(name);
        }
        let three = FrameFolder::new(folder.path(), 3);
        let names = [
            "frame-00001.png",
            "frame-0004.png",
            "frame-0005.png",
            "frame-0006.png",
        ];
        assert_eq!(three.left_over(), names);
        assert_eq!(six.left_over(), names[..1]);
        assert!(
            FrameFolder::new(Path::new("none"), 3)
                .left_over()
                .is_empty()
        );
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
