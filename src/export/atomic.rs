//! Files that are either whole or not there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ExportError;

/// Tells apart the partial files of one process.
static N_PARTIAL: AtomicU64 = AtomicU64::new(0);

/// Writes a file through `write`, so that `path` holds the old content or all of the new.
///
/// The bytes go to `.name.partial-..` in the same folder, are flushed to the disk and then renamed;
/// on any error the partial file is removed. Links are followed; a device or a pipe is written to
/// directly.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), ExportError> {
    let fail = |e| ExportError::from_io(path, e);
    let target = existing_target(path)?;
    let folder = folder_of(path, &target)?;
    if fs::metadata(&target).is_ok_and(|m| !m.is_file()) {
        let mut writer = BufWriter::new(File::create(&target).map_err(fail)?);
        return write(&mut writer)
            .and_then(|()| writer.flush())
            .map_err(fail);
    }
    let partial = Partial::create(folder, &target).map_err(fail)?;
    let mut writer = BufWriter::new(partial.file.try_clone().map_err(fail)?);
    write(&mut writer)
        .and_then(|()| writer.flush())
        .map_err(fail)?;
    drop(writer);
    partial.finish(folder, &target).map_err(fail)
}

/// As [`write_atomically`], for a file that another program writes: `produce` is given the path that it is to write to,
/// in the same folder.
pub(super) fn produce_atomically(
    path: &Path,
    produce: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), ExportError> {
    let fail = |e| ExportError::from_io(path, e);
    let target = existing_target(path)?;
    let folder = folder_of(path, &target)?;
    let partial = Partial::create(folder, &target).map_err(fail)?;
    let place = partial.path.clone().unwrap_or_default();
    produce(&place).map_err(fail)?;
    partial.finish(folder, &target).map_err(fail)
}

/// The folder that a file lies in.
fn folder_of<'a>(path: &Path, target: &'a Path) -> Result<&'a Path, ExportError> {
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match fs::metadata(folder) {
        Ok(meta) if meta.is_dir() => Ok(folder),
        Ok(_) => Err(ExportError::NotAFolder {
            path: folder.display().to_string(),
        }),
        Err(e) => Err(ExportError::from_io(path, e)),
    }
}

/// The file that `path` stands for, once links are followed, if it may be replaced.
fn existing_target(path: &Path) -> Result<PathBuf, ExportError> {
    let name = || path.display().to_string();
    if path.file_name().is_none() {
        return Err(match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => ExportError::IsFolder { path: name() },
            _ => ExportError::NoName { path: name() },
        });
    }
    let Ok(meta) = fs::metadata(path) else {
        // A link whose target is gone: that is what is written anew, and the link stays.
        return Ok(match fs::read_link(path) {
            Ok(target) => path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => path.to_owned(),
        });
    };
    if meta.is_dir() {
        return Err(ExportError::IsFolder { path: name() });
    }
    if meta.permissions().readonly() {
        return Err(ExportError::WriteProtected { path: name() });
    }
    let is_link = fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink());
    if is_link {
        fs::canonicalize(path).map_err(|e| ExportError::from_io(path, e))
    } else {
        Ok(path.to_owned())
    }
}

/// Removes what killed processes have left of files on their way to this name. One that is still written is locked.
fn remove_left_over(folder: &Path, start: &str) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(start) {
            continue;
        }
        let is_abandoned = File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok());
        if is_abandoned {
            // Someone else may have been first.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A file on its way, removed unless it is renamed.
struct Partial {
    file: File,
    path: Option<PathBuf>,
}

impl Partial {
    fn create(folder: &Path, target: &Path) -> io::Result<Self> {
        // Shortened, as the longest names leave no room for more.
        let name: String = target
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .chars()
            .take(50)
            .collect();
        let number = N_PARTIAL.fetch_add(1, Ordering::Relaxed);
        let start = format!(".{name}.partial-");
        remove_left_over(folder, &start);
        let path = folder.join(format!("{start}{}-{number}", process::id()));
        let open = || OpenOptions::new().write(true).create_new(true).open(&path);
        let file = match open() {
            // Left behind by a crashed process that had the same number.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&path)?;
                open()
            }
            other => other,
        }?;
        // Where the file system has no locks, nothing that is left over is told from what is written, or removed.
        let _ = file.try_lock();
        // Whoever could read the old file, and no one else, can read the new one.
        if let Ok(old) = fs::metadata(target) {
            let _ = file.set_permissions(old.permissions());
        }
        Ok(Self {
            file,
            path: Some(path),
        })
    }

    /// Gives the file its name, once it is on the disk.
    fn finish(mut self, folder: &Path, target: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        if let Some(path) = &self.path {
            fs::rename(path, target)?;
        }
        self.path = None;
        // The new name should survive a power cut too; where folders cannot be synced, so be it.
        if let Ok(folder) = File::open(folder) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn replaces_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        for text in ["first", "second"] {
            write_atomically(&path, |w| w.write_all(text.as_bytes())).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn a_failure_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, "old").unwrap();
        let error = write_atomically(&path, |w| {
            w.write_all(b"new")?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        assert!(matches!(error, ExportError::DiskFull { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn another_programs_file_takes_its_name_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        produce_atomically(&path, |to| fs::write(to, "made")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "made");
        let failed = produce_atomically(&path, |to| {
            fs::write(to, "half")?;
            Err(io::ErrorKind::Other.into())
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "made");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn each_wrong_target_has_its_own_error() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &Path| write_atomically(path, |w| w.write_all(b"x"));
        assert!(matches!(
            write(&folder.path().join("none/a.png")),
            Err(ExportError::NoFolder { .. })
        ));
        assert!(matches!(
            write(folder.path()),
            Err(ExportError::IsFolder { .. })
        ));
        assert!(matches!(
            write(Path::new("")),
            Err(ExportError::NoName { .. })
        ));
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(matches!(
            write(&file.join("a.png")),
            Err(ExportError::NotAFolder { .. })
        ));
        let mut protection = fs::metadata(&file).unwrap().permissions();
        protection.set_readonly(true);
        fs::set_permissions(&file, protection).unwrap();
        let error = write(&file).unwrap_err();
        assert!(matches!(error, ExportError::WriteProtected { .. }));
        assert!(error.to_string().ends_with(&file.display().to_string()));
    }

    #[test]
    fn long_names_have_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n".repeat(250));
        write_atomically(&path, |w| w.write_all(b"x")).unwrap();
        assert!(path.is_file());
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_is_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(folder.path().join(".a.txt.partial-1-0"), "left").unwrap();
        fs::write(folder.path().join(".b.txt.partial-1-0"), "another's").unwrap();
        write_atomically(&path, |w| {
            w.write_all(b"outer")?;
            // Somebody else writes the same name meanwhile.
            write_atomically(&path, |w| w.write_all(b"inner")).map_err(io::Error::other)?;
            Ok(())
        })
        .unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "outer");
        assert_eq!(names(folder.path()), [".b.txt.partial-1-0", "a.txt"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_replaced_file_keeps_its_mode_and_a_dangling_link_its_target() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::os::unix::fs::symlink("file", &link).unwrap();
        write_atomically(&link, |w| w.write_all(b"first")).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "first");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        write_atomically(&file, |w| w.write_all(b"second")).unwrap();
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_devices_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_atomically(&link, |w| w.write_all(b"new")).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        write_atomically(Path::new("/dev/null"), |w| w.write_all(b"gone")).unwrap();
    }
}
