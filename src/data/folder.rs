//! What a folder holds, by name: pictures, and what is left out.

use std::fs;
use std::path::{Path, PathBuf};

use super::DataError;
use super::names::has_picture_name;
use crate::disk;

/// What a folder holds; folders inside it are named, not read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FolderListing {
    /// The folder.
    pub folder: PathBuf,
    /// Names of its pictures, sorted. A name that is not Unicode could not stand in a table either, and is left out.
    pub pictures: Vec<String>,
    /// Names of its other files, sorted; hidden ones do not count.
    pub others: Vec<String>,
    /// Folders inside, sorted.
    pub folders: Vec<PathBuf>,
}

/// Lists a folder. A file is taken for a picture by the ending of its name, or else by its first bytes.
///
/// Errors: no folder, or one that cannot be read.
pub fn list(folder: &Path) -> Result<FolderListing, DataError> {
    let fail = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotADirectory => DataError::NotAFolder {
            path: folder.display().to_string(),
        },
        _ => DataError::from_io(folder, e),
    };
    let mut listing = FolderListing {
        folder: folder.to_owned(),
        ..FolderListing::default()
    };
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let path = entry.path();
        let name = entry.file_name();
        let is_hidden = name.to_string_lossy().starts_with('.');
        if is_hidden {
            continue;
        }
        if path.is_dir() {
            listing.folders.push(path);
            continue;
        }
        match name.into_string() {
            Ok(name)
                if path.is_file() && (has_picture_name(&name) || begins_like_a_picture(&path)) =>
            {
                listing.pictures.push(name);
            }
            Ok(name) => listing.others.push(name),
            Err(name) => listing.others.push(name.to_string_lossy().into_owned()),
        }
    }
    listing.pictures.sort_unstable();
    listing.others.sort_unstable();
    listing.folders.sort_unstable();
    Ok(listing)
}

/// As [`list`], of a folder that is to have pictures.
///
/// Errors: as [`list`], and a folder without any.
pub fn list_pictures(folder: &Path) -> Result<FolderListing, DataError> {
    let listing = list(folder)?;
    match listing.pictures.is_empty() {
        true => Err(no_pictures(&listing.folder, &listing.folders)),
        false => Ok(listing),
    }
}

/// The error of a folder without pictures; it names a folder inside that has some.
pub(super) fn no_pictures(folder: &Path, inside: &[PathBuf]) -> DataError {
    let has_some = |f: &&PathBuf| list(f).is_ok_and(|listing| !listing.pictures.is_empty());
    DataError::NoPictures {
        path: folder.display().to_string(),
        inside: inside
            .iter()
            .find(has_some)
            .map(|f| f.display().to_string()),
    }
}

/// Whether a file of another name holds a picture all the same.
fn begins_like_a_picture(path: &Path) -> bool {
    let start = disk::RegularFile::new(path, u64::MAX).and_then(|mut file| file.next(32));
    start.is_ok_and(|start| image::guess_format(&start).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_told_apart_by_name_and_first_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let save = |name: &str| {
            let picture = image::RgbImage::new(4, 4);
            picture
                .save_with_format(path.join(name), image::ImageFormat::Png)
                .unwrap();
        };
        save("b.PNG");
        save("a.png");
        save("without-an-ending");
        fs::write(path.join("notes.txt"), "text").unwrap();
        fs::write(path.join(".hidden.png"), "text").unwrap();
        fs::create_dir(path.join("inside")).unwrap();
        let listing = list_pictures(path).unwrap();
        assert_eq!(listing.pictures, ["a.png", "b.PNG", "without-an-ending"]);
        assert_eq!(listing.others, ["notes.txt"]);
        assert_eq!(listing.folders, [path.join("inside")]);
    }

    #[test]
    fn what_is_no_folder_or_has_no_pictures_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let message = |path: &Path| list_pictures(path).unwrap_err().to_string();
        assert!(
            message(path).contains("no pictures here"),
            "{}",
            message(path)
        );
        assert!(message(&path.join("gone")).contains("no such file or folder"));
        fs::write(path.join("a.txt"), "text").unwrap();
        let message = message(&path.join("a.txt"));
        assert!(message.contains("this is a file"), "{message}");
        fs::create_dir(path.join("more")).unwrap();
        fs::write(path.join("more/a.jpg"), "text").unwrap();
        let message = list_pictures(path).unwrap_err().to_string();
        assert!(message.contains("name that folder"), "{message}");
    }
}
