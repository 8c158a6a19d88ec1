//! Files that a command writes: checked before any work is spent on them, and never one that it reads.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::disk::is_same_file;
use crate::export::{ExportError, FrameFolder, PictureFormat, check_target};

/// The name that stands for standard output.
const STANDARD_OUTPUT: &str = "-";

/// Whether standard output takes a file's bytes: words for people go to standard error then.
static TAKES_BYTES: AtomicBool = AtomicBool::new(false);

/// Whether a command writes a file to standard output.
pub(super) fn takes_bytes() -> bool {
    TAKES_BYTES.load(Ordering::Relaxed)
}

/// Endings of the files that programs of this kind keep numbers in.
pub(super) const SAFETENSORS: &[&str] = &["safetensors"];

/// The files that a command reads and those that it will write.
#[derive(Default)]
pub(super) struct Outputs {
    inputs: Vec<PathBuf>,
    outputs: Vec<PathBuf>,
    /// What goes to standard output in the end.
    piped: Option<(TempDir, PathBuf)>,
    /// Whether standard output takes JSON already.
    json: bool,
}

impl Outputs {
    /// For a command that reads these files; those that are not there do not matter.
    pub(super) fn beside<'a>(inputs: impl IntoIterator<Item = &'a Path>) -> Self {
        Self {
            inputs: inputs.into_iter().map(Path::to_owned).collect(),
            ..Self::default()
        }
    }

    /// The same for a command that prints JSON where it is asked to.
    pub(super) fn json(mut self, json: bool) -> Self {
        self.json = json;
        self
    }

    /// Takes up a file to write, and gives where to write it: `-` is written to a file of its own first, so that only what
    /// is whole reaches standard output.
    ///
    /// Errors: a file that could not be written, a name with none of these `endings` (none: any), one that the command
    /// reads or that it writes already.
    pub(super) fn file(
        &mut self,
        path: &Path,
        endings: &[&str],
        what: &str,
    ) -> anyhow::Result<PathBuf> {
        if path.as_os_str() == STANDARD_OUTPUT {
            return self.pipe(endings, what);
        }
        check_target(path)?;
        if !(endings.is_empty() || endings.iter().any(|e| has_extension(path, e))) {
            let all: Vec<String> = endings.iter().map(|e| format!(".{e}")).collect();
            bail!(
                "{what}; end its name in {}: {}",
                all.join(" or "),
                path.display()
            );
        }
        self.claim(path)?;
        Ok(path.to_owned())
    }

    /// The same for a picture: PNG, JPEG or WebP by its name; PNG on standard output.
    pub(super) fn picture(&mut self, path: &Path) -> anyhow::Result<PathBuf> {
        let what = "the picture is written as PNG, JPEG or WebP";
        self.file(path, &PictureFormat::ENDINGS, what)
    }

    /// The same for a file that others are kept beside, or that a command goes on with later.
    pub(super) fn kept(
        &mut self,
        path: &Path,
        endings: &[&str],
        what: &str,
    ) -> anyhow::Result<PathBuf> {
        refuse_standard_output(path)?;
        self.file(path, endings, what)
    }

    /// A folder for so many frames; the frames that are there already may not be what the command reads.
    pub(super) fn frames(&mut self, folder: &Path, n_frames: usize) -> anyhow::Result<PathBuf> {
        refuse_standard_output(folder)?;
        if folder.exists() && !folder.is_dir() {
            bail!(ExportError::NotAFolder {
                path: folder.display().to_string()
            });
        }
        let frames = FrameFolder::new(folder, n_frames);
        // Only files in that folder can be meant.
        let is_inside = |input: &&PathBuf| {
            let parent = input.parent().filter(|p| !p.as_os_str().is_empty());
            is_same_file(parent.unwrap_or(Path::new(".")), folder)
        };
        let inside: Vec<&PathBuf> = self.inputs.iter().filter(is_inside).collect();
        if !inside.is_empty() {
            for path in (0..n_frames).map(|index| frames.path(index)) {
                if inside.iter().any(|input| is_same_file(input, &path)) {
                    return Err(over_input(&path));
                }
            }
        }
        Ok(folder.to_owned())
    }

    /// Refuses a file that is read, or written already.
    pub(super) fn claim(&mut self, path: &Path) -> anyhow::Result<()> {
        if self.inputs.iter().any(|input| is_same_file(input, path)) {
            return Err(over_input(path));
        }
        if self.outputs.iter().any(|other| is_same_file(other, path)) {
            bail!(
                "two files would be written under one name; choose another for one of them: {}",
                path.display()
            );
        }
        self.outputs.push(path.to_owned());
        Ok(())
    }

    fn pipe(&mut self, endings: &[&str], what: &str) -> anyhow::Result<PathBuf> {
        if self.piped.is_some() {
            bail!("standard output takes one file only; name the others");
        }
        if self.json {
            bail!("--json writes to standard output, which takes no file beside it; name the file");
        }
        if io::stdout().is_terminal() && !endings.is_empty() {
            bail!("{what}, which a terminal does not show; name a file or send it on with | or >");
        }
        let folder = tempfile::tempdir().context("cannot write a temporary file")?;
        let ending = endings.first().unwrap_or(&"bin");
        let path = folder.path().join(format!("output.{ending}"));
        self.piped = Some((folder, path.clone()));
        TAKES_BYTES.store(true, Ordering::Relaxed);
        Ok(path)
    }

    /// Sends to standard output what was written for it.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let Some((_folder, path)) = self.piped else {
            return Ok(());
        };
        let send = || -> io::Result<()> {
            let mut file = std::fs::File::open(&path)?;
            let mut out = io::stdout().lock();
            io::copy(&mut file, &mut out)?;
            out.flush()
        };
        match send() {
            // A reader that has gone away ends the program quietly.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            result => result.context("cannot write to standard output"),
        }
    }
}

/// Whether the name ends in `.extension`, in whatever case.
pub(super) fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case(extension))
}

/// Where a file went, for people.
pub(super) fn shown(path: &Path) -> String {
    let in_temporary = takes_bytes() && path.starts_with(std::env::temp_dir());
    let is_piped = in_temporary && path.file_stem().is_some_and(|s| s == "output");
    match is_piped {
        true => "standard output".to_owned(),
        false => path.display().to_string(),
    }
}

fn over_input(path: &Path) -> anyhow::Error {
    anyhow::anyhow!(
        "this would be written over a file that the command reads; choose another name: {}",
        path.display()
    )
}

fn refuse_standard_output(path: &Path) -> anyhow::Result<()> {
    if path.as_os_str() == STANDARD_OUTPUT {
        bail!("more than one file is written, which standard output cannot take; choose a name");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_not_written_over_whatever_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["a.png", "b.png", "frame-0002.png"] {
            std::fs::write(at(name), name).unwrap();
        }
        let inputs = [at("a.png"), at("frame-0002.png"), at("none.png")];
        let mut outputs = Outputs::beside(inputs.iter().map(PathBuf::as_path));
        let refused = |found: anyhow::Result<PathBuf>, word: &str| {
            let error = found.unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        refused(outputs.picture(&at("./a.png")), "reads");
        refused(outputs.frames(folder.path(), 2), "reads");
        outputs.frames(folder.path(), 1).unwrap();
        assert_eq!(outputs.picture(&at("b.png")).unwrap(), at("b.png"));
        refused(outputs.file(&at("./b.png"), &[], ""), "two files");
        refused(outputs.picture(&at("c.gif")), ".webp");
        refused(outputs.kept(Path::new("-"), &[], ""), "standard output");
        refused(outputs.picture(&at("none/c.png")), "folder");
        outputs.finish().unwrap();
    }
}
