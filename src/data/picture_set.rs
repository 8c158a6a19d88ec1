//! The pictures of a folder or of tar shards at the model's size, decoded once where memory allows.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use image::RgbImage;
use sha2::{Digest as _, Sha256};

use super::folder::{self, FolderListing};
use super::labels::{self, LabelTable};
use super::names::has_picture_name;
use super::shards::{self, ShardMember};
use super::{DataError, PictureSource, crop, intake};

/// Decoded pictures kept in memory unless [`PictureSet::with_memory_budget`] says otherwise.
const DEFAULT_BUDGET: usize = 512 << 20;

/// The largest picture side that a set makes.
const MAX_SIZE: usize = 4096;

/// Pictures in a fixed order, each a square at `size` x `size` pixels: the largest in the middle, or with
/// [`PictureSet::with_faces_framed`] that round the face.
///
/// Safe to share between threads. A picture is decoded when it is first asked for and then kept
/// as bytes, up to a memory budget; past it, pictures are decoded anew each time.
#[derive(Debug)]
pub struct PictureSet {
    folder: PathBuf,
    /// Relative to the folder, sorted.
    names: Vec<String>,
    /// Where each lies in a shard; `None` where it is a file of its own.
    members: Vec<Option<ShardMember>>,
    /// The shards, relative to the folder.
    shards: Vec<String>,
    /// Folders inside, which are not read.
    n_folders: usize,
    size: usize,
    channels: usize,
    frames_faces: bool,
    kept: Vec<OnceLock<Box<[u8]>>>,
    budget: usize,
    used: AtomicUsize,
    /// Why a picture cannot be read; it is not tried again.
    failed: Mutex<BTreeMap<usize, String>>,
}

impl PictureSet {
    /// The pictures of `folder`, not of folders inside it, and of the tar shards in it; with a table, those that it
    /// lists under the split. No picture is decoded yet.
    ///
    /// `folder` may also be one shard, or several by a range of numbers: `faces-{0000..0015}.tar`. A picture of a shard
    /// has the shard's name ahead of its own, `faces-0000.tar/000123.jpg`; a table may leave that out.
    pub fn open(
        folder: &Path,
        table: Option<(&LabelTable, &str)>,
        size: usize,
        channels: usize,
    ) -> Result<Self, DataError> {
        if size == 0 || size > MAX_SIZE || !(channels == 1 || channels == 3) {
            return Err(DataError::BadShape { size, channels });
        }
        let path = folder.display().to_string();
        let (folder, shards, files, folders) = match shards::named(folder) {
            Some(named) => {
                let (folder, shards) = named?;
                (folder, shards, Vec::new(), Vec::new())
            }
            None => {
                let meta = fs::metadata(folder).map_err(|e| DataError::from_io(folder, e))?;
                if !meta.is_dir() {
                    return Err(DataError::NotAFolder { path });
                }
                let listing = match table {
                    None => folder::list(folder)?,
                    Some(_) => FolderListing::default(),
                };
                let (files, folders) = (listing.pictures, listing.folders);
                (
                    folder.to_owned(),
                    shards::in_folder(folder)?,
                    files,
                    folders,
                )
            }
        };
        let mut archived = Vec::new();
        for (number, shard) in shards.iter().enumerate() {
            let members = shards::members(&folder.join(shard), number as u32)?;
            let pictures = members
                .into_iter()
                .filter(|(name, _)| is_picture_inside(name));
            archived.extend(pictures.map(|(name, member)| (format!("{shard}/{name}"), member)));
        }
        let mut entries: Vec<(String, Option<ShardMember>)> = match table {
            None => files.into_iter().map(|name| (name, None)).collect(),
            Some((table, split)) => names_in_table(&folder, table, split, &archived)?,
        };
        if table.is_none() {
            entries.extend(archived.into_iter().map(|(name, m)| (name, Some(m))));
            entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        }
        if entries.is_empty() {
            return Err(folder::no_pictures(Path::new(&path), &folders));
        }
        let (names, members): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        Ok(Self {
            folder,
            kept: names.iter().map(|_| OnceLock::new()).collect(),
            names,
            members,
            shards,
            n_folders: folders.len(),
            size,
            channels,
            frames_faces: false,
            budget: DEFAULT_BUDGET,
            used: AtomicUsize::new(0),
            failed: Mutex::default(),
        })
    }

    /// Keeps at most this many bytes of decoded pictures.
    pub fn with_memory_budget(mut self, bytes: usize) -> Self {
        self.budget = bytes;
        self
    }

    /// Frames the face of each picture where there is one, as [`crop::frame_for_model`] does, rather than the largest
    /// square in the middle.
    pub fn with_faces_framed(mut self, wanted: bool) -> Self {
        self.frames_faces = wanted;
        self
    }

    /// Leaves out this file where it is one of the set, such as a sheet that an earlier run wrote into the folder. A
    /// set of nothing else stays as it is.
    pub fn without(mut self, file: &Path) -> Self {
        let Ok(file) = file.canonicalize() else {
            return self;
        };
        let is_other = |name: &String| {
            !self
                .folder
                .join(name)
                .canonicalize()
                .is_ok_and(|path| path == file)
        };
        let named = file.file_name().and_then(|name| name.to_str());
        let suspect = |name: &String| Path::new(name).file_name().and_then(|n| n.to_str()) == named;
        let entries = self.names.iter().zip(&self.members);
        let (names, members): (Vec<String>, Vec<Option<ShardMember>>) = entries
            .filter(|(name, member)| member.is_some() || !suspect(name) || is_other(name))
            .map(|(name, member)| (name.clone(), *member))
            .unzip();
        if !names.is_empty() {
            self.kept.truncate(names.len());
            (self.names, self.members) = (names, members);
        }
        self
    }

    /// Takes about one in `one_in` of the pictures out of the set, to measure on what was not learnt from. The name alone
    /// decides: a picture stays on its side while others come and go. Nothing is taken out where all or none would be.
    pub fn hold_out(self, one_in: u32) -> (Self, Option<Self>) {
        let limit = u32::MAX / one_in.max(1);
        let entries = self.names.iter().zip(&self.members);
        let entries = entries.map(|(name, member)| (name.clone(), *member));
        let (held, rest): (Vec<_>, Vec<_>) = entries.partition(|(name, _)| {
            let digest = Sha256::digest(name.as_bytes());
            u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) < limit
        });
        if held.is_empty() || rest.is_empty() {
            return (self, None);
        }
        (self.part(rest), Some(self.part(held)))
    }

    /// A set of some of the pictures.
    fn part(&self, entries: Vec<(String, Option<ShardMember>)>) -> Self {
        let (names, members): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        Self {
            folder: self.folder.clone(),
            kept: names.iter().map(|_| OnceLock::new()).collect(),
            names,
            members,
            shards: self.shards.clone(),
            used: AtomicUsize::new(0),
            failed: Mutex::default(),
            ..*self
        }
    }

    /// Pictures in the set, readable or not.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Always false: a set without pictures does not open.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Folders inside the set's own, which are not read.
    pub fn n_folders_inside(&self) -> usize {
        self.n_folders
    }

    /// Pixels a side.
    pub fn size(&self) -> usize {
        self.size
    }

    /// 3, or 1 for grey.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Bytes of one picture, `size * size * channels`.
    pub fn bytes_per_picture(&self) -> usize {
        self.size * self.size * self.channels
    }

    /// A digest of the names, and with `sizes` of the files' sizes too: equal for sets that hold the same pictures. A
    /// file that cannot be looked at counts as one without a size.
    pub fn listing_digest(&self, sizes: bool) -> String {
        let mut digest = Sha256::new();
        for (name, member) in self.names.iter().zip(&self.members) {
            digest.update(name.as_bytes());
            digest.update([0]);
            if sizes {
                let of_file = || fs::metadata(self.folder.join(name)).ok().map(|m| m.len());
                let size = member.map_or_else(of_file, |m| Some(m.len));
                digest.update(size.unwrap_or(u64::MAX).to_le_bytes());
            }
        }
        let digest = digest.finalize();
        digest.iter().take(8).map(|b| format!("{b:02x}")).collect()
    }

    /// File name of a picture, relative to the folder.
    pub fn name(&self, index: usize) -> Option<&str> {
        self.names.get(index).map(String::as_str)
    }

    /// The picture with this file name.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.names.binary_search_by(|n| n.as_str().cmp(name)).ok()
    }

    /// One picture, rows of pixels of channels.
    pub fn get(&self, index: usize) -> Result<Vec<u8>, DataError> {
        let mut pixels = vec![0; self.bytes_per_picture()];
        self.copy_to(index, &mut pixels)?;
        Ok(pixels)
    }

    /// Writes one picture to `target`, which holds [`PictureSet::bytes_per_picture`] bytes.
    pub(super) fn copy_to(&self, index: usize, target: &mut [u8]) -> Result<(), DataError> {
        let n = self.len();
        let missing = || DataError::NoSuchIndex { index, n };
        let slot = self.kept.get(index).ok_or_else(missing)?;
        if let Some(pixels) = slot.get() {
            target.copy_from_slice(pixels);
            return Ok(());
        }
        let pixels = self.decode(index)?;
        target.copy_from_slice(&pixels);
        let n_bytes = pixels.len();
        if self.used.fetch_add(n_bytes, Ordering::Relaxed) + n_bytes <= self.budget {
            // Another thread may have been first; then this copy is dropped.
            if slot.set(pixels).is_err() {
                self.used.fetch_sub(n_bytes, Ordering::Relaxed);
            }
        } else {
            self.used.fetch_sub(n_bytes, Ordering::Relaxed);
        }
        Ok(())
    }

    fn decode(&self, index: usize) -> Result<Box<[u8]>, DataError> {
        let n = self.len();
        let name = self
            .names
            .get(index)
            .ok_or(DataError::NoSuchIndex { index, n })?;
        let source = match self.members.get(index).copied().flatten() {
            None => PictureSource::Path(self.folder.join(name)),
            Some(member) => {
                let shard = self.folder.join(&self.shards[member.shard as usize]);
                PictureSource::Bytes {
                    name: self.folder.join(name).display().to_string(),
                    bytes: shards::read(&shard, member)?.into(),
                }
            }
        };
        let picture = intake::read(&source)?;
        let (rgb, _, _) = crop::frame_for_model(&picture, self.size, !self.frames_faces)?;
        Ok(if self.channels == 1 {
            grey_from_rgb(&rgb).into_boxed_slice()
        } else {
            rgb.into_raw().into_boxed_slice()
        })
    }

    /// Whether the picture is in memory.
    pub(super) fn is_kept(&self, index: usize) -> bool {
        self.kept
            .get(index)
            .is_some_and(|slot| slot.get().is_some())
    }

    /// Remembers that a picture cannot be read; true the first time.
    pub(crate) fn note_failure(&self, index: usize, reason: String) -> bool {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.insert(index, reason).is_none()
    }

    /// Whether the picture is known to be unreadable.
    pub(super) fn has_failed(&self, index: usize) -> bool {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.contains_key(&index)
    }

    /// The pictures that batches left out so far, each with the reason.
    pub fn failures(&self) -> Vec<String> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.values().cloned().collect()
    }

    /// The error where every picture has failed.
    pub(crate) fn all_failed(&self) -> Option<DataError> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let first = failed.values().next()?;
        (failed.len() == self.len()).then(|| DataError::AllFailed {
            path: self.folder.display().to_string(),
            n: self.len(),
            first: first.clone(),
        })
    }
}

/// Luma of BT.601, with Pillow's rounding for mode `L`.
fn grey_from_rgb(rgb: &RgbImage) -> Vec<u8> {
    rgb.pixels()
        .map(|p| {
            let [r, g, b] = p.0.map(u32::from);
            ((r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16) as u8
        })
        .collect()
}

/// Whether a name inside a shard is that of a picture that is not hidden.
fn is_picture_inside(name: &str) -> bool {
    let last = Path::new(name).file_name().and_then(|n| n.to_str());
    has_picture_name(name) && last.is_some_and(|last| !last.starts_with('.'))
}

/// The pictures that a table names, files of the folder or members of its shards.
fn names_in_table(
    folder: &Path,
    table: &LabelTable,
    split: &str,
    archived: &[(String, ShardMember)],
) -> Result<Vec<(String, Option<ShardMember>)>, DataError> {
    let nothing = |problem: String| DataError::NothingSelected {
        path: folder.display().to_string(),
        problem,
    };
    let names = table.files(Some(split));
    if names.is_empty() {
        let splits = table.splits();
        return Err(nothing(if splits.is_empty() {
            "the label table has no column `split`; add one, or train without a table".into()
        } else {
            format!(
                "no picture has the split `{split}`; the table knows {}",
                splits.join(", ")
            )
        }));
    }
    let escapes = |name: &&&str| {
        !Path::new(name)
            .components()
            .all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
    };
    if let Some(name) = names.iter().find(escapes) {
        return Err(nothing(format!(
            "the label table names `{name}`, which is not inside the folder; use relative names"
        )));
    }
    // By their whole names, and by those inside the shards.
    let mut by_name: HashMap<&str, &(String, ShardMember)> = HashMap::new();
    for entry in archived {
        by_name.insert(&entry.0, entry);
        if let Some((_, inside)) = entry.0.split_once(".tar/") {
            by_name.entry(inside).or_insert(entry);
        }
    }
    // A table may say p00.jpg of P00.JPG, or leave the ending out.
    let alike = labels::by_alias(folder::list(folder)?.pictures);
    let found = |name: &str| -> Option<String> {
        let only = alike.get(&labels::alias(name))?.as_ref()?;
        let is_as_written =
            only == name || by_name.contains_key(name) || folder.join(name).is_file();
        (!is_as_written).then(|| only.clone())
    };
    let names = names.into_iter();
    let names: Vec<String> = names
        .map(|name| found(name).unwrap_or_else(|| name.to_owned()))
        .collect();
    // Single pictures that are missing are left out and counted when their turn comes.
    let is_there =
        |name: &String| by_name.contains_key(name.as_str()) || folder.join(name).is_file();
    if !names.iter().any(is_there) {
        return Err(nothing(format!(
            "none of the {} pictures of the label table is in this folder; name their folder",
            names.len()
        )));
    }
    let mut entries: Vec<(String, Option<ShardMember>)> = names
        .into_iter()
        .map(|name| match by_name.get(name.as_str()) {
            Some((whole, member)) => (whole.clone(), Some(*member)),
            None => (name, None),
        })
        .collect();
    if !archived.is_empty() {
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        entries.dedup_by(|a, b| a.0 == b.0);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn save(folder: &Path, name: &str, width: u32, height: u32) {
        let picture = RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 60])
        });
        picture.save(folder.join(name)).unwrap();
    }

    #[test]
    fn a_file_of_the_folder_can_be_left_out() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.png", "b.png"] {
            save(folder.path(), name, 8, 8);
        }
        let open = || PictureSet::open(folder.path(), None, 8, 3).unwrap();
        let set = open().without(&folder.path().join("./b.png"));
        assert_eq!((set.len(), set.name(0)), (1, Some("a.png")));
        assert_eq!(set.without(&folder.path().join("a.png")).len(), 1);
        assert_eq!(open().without(&folder.path().join("c.png")).len(), 2);
    }

    #[test]
    fn a_picture_is_held_out_by_its_name_whatever_else_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let names = |set: &PictureSet| -> Vec<String> {
            let names = (0..set.len()).filter_map(|i| set.name(i));
            names.map(str::to_owned).collect()
        };
        let split = || {
            let set = PictureSet::open(folder.path(), None, 8, 3).unwrap();
            let (rest, held) = set.hold_out(3);
            (names(&rest), held.as_ref().map(names).unwrap_or_default())
        };
        for i in 0..30 {
            save(folder.path(), &format!("{i}.png"), 8, 8);
        }
        let (rest, held) = split();
        assert_eq!(rest.len() + held.len(), 30);
        assert!((3..18).contains(&held.len()), "{held:?}");
        for i in 30..60 {
            save(folder.path(), &format!("{i}.png"), 8, 8);
        }
        let (more_rest, more_held) = split();
        assert!(rest.iter().all(|name| more_rest.contains(name)));
        assert!(held.iter().all(|name| more_held.contains(name)));
        let one = PictureSet::open(folder.path(), None, 8, 3).unwrap();
        assert!(
            one.hold_out(1).1.is_none(),
            "something is left to learn from"
        );
    }

    #[test]
    fn a_folder_gives_its_pictures_in_order_of_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        save(path, "b.png", 16, 16);
        save(path, "a.PNG", 40, 20);
        fs::write(path.join("notes.txt"), "no picture").unwrap();
        fs::create_dir(path.join("deeper.png")).unwrap();
        let set = PictureSet::open(path, None, 16, 3).unwrap();
        assert_eq!(set.len(), 2);
        assert_eq!(set.name(0), Some("a.PNG"));
        assert_eq!(set.name(1), Some("b.png"));
        assert_eq!(set.index_of("b.png"), Some(1));
        assert_eq!(set.index_of("c.png"), None);
        // Already at the model's size: taken as it is.
        let b = image::open(path.join("b.png")).unwrap().to_rgb8();
        assert_eq!(set.get(1).unwrap(), b.into_raw());
        // The middle of the wide one: its red starts at a quarter.
        let a = set.get(0).unwrap();
        assert!(a[0].abs_diff(64) < 8, "{}", a[0]);
        assert!(set.is_kept(0));
        assert!(set.get(2).is_err());
    }

    #[test]
    fn a_table_selects_and_missing_pictures_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        save(path, "a.png", 8, 8);
        save(path, "b.png", 8, 8);
        let csv = path.join("t.csv");
        let table = |text: &str| {
            fs::write(&csv, text).unwrap();
            LabelTable::read(&csv).unwrap()
        };
        let open = |table: &LabelTable, split: &str| {
            PictureSet::open(path, Some((table, split)), 8, 3).map_err(|e| e.to_string())
        };
        let good = table("file,split\nb.png,train\na.png,valid\ngone.png,train\n");
        let set = open(&good, "train").unwrap();
        assert_eq!(
            (set.name(0), set.name(1)),
            (Some("b.png"), Some("gone.png"))
        );
        assert!(matches!(set.get(1), Err(DataError::Missing { .. })));
        let other = table("file,split\nB.PNG,train\na,train\n");
        let set = open(&other, "train").unwrap();
        assert_eq!((set.name(0), set.name(1)), (Some("b.png"), Some("a.png")));
        let message = open(&good, "test").unwrap_err();
        assert!(message.contains("knows train, valid"), "{message}");
        let message = open(&table("file,split\nx.png,train\n"), "train").unwrap_err();
        assert!(message.contains("none of the 1 pictures"), "{message}");
        let message = open(&table("file,split\n../a.png,train\n"), "train").unwrap_err();
        assert!(message.contains("not inside the folder"), "{message}");
        let message = open(&table("file,age\na.png,1\n"), "train").unwrap_err();
        assert!(message.contains("no column `split`"), "{message}");
    }

    /// A shard of these files of a folder.
    fn shard(folder: &Path, name: &str, files: &[&str]) {
        let mut archive = tar::Builder::new(fs::File::create(folder.join(name)).unwrap());
        for file in files {
            archive
                .append_path_with_name(folder.join(file), file)
                .unwrap();
        }
        archive.finish().unwrap();
    }

    #[test]
    fn pictures_of_shards_are_those_of_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let (files, tars) = (folder.path().join("files"), folder.path().join("tars"));
        fs::create_dir(&files).unwrap();
        fs::create_dir(&tars).unwrap();
        for i in 0..5 {
            save(&files, &format!("{i}.png"), 16 + i, 16);
        }
        fs::write(files.join("0.json"), "{}").unwrap();
        shard(&files, "../tars/s-00.tar", &["0.png", "0.json", "1.png"]);
        shard(&files, "../tars/s-01.tar", &["2.png", "3.png", "4.png"]);
        let open = |path: &Path| PictureSet::open(path, None, 16, 3).unwrap();
        let (plain, whole) = (open(&files), open(&tars));
        assert_eq!(whole.len(), 5);
        assert_eq!(whole.name(1), Some("s-00.tar/1.png"));
        assert_eq!(whole.index_of("s-01.tar/2.png"), Some(2));
        for i in 0..5 {
            assert_eq!(whole.get(i).unwrap(), plain.get(i).unwrap());
        }
        assert_eq!(open(&tars.join("s-{00..01}.tar")).len(), 5);
        assert_eq!(open(&tars.join("s-01.tar")).len(), 3);
        // A table names them with the shard or without.
        let csv = folder.path().join("t.csv");
        fs::write(
            &csv,
            "file,split\n3.png,train\ns-00.tar/1.png,train\n0.png,valid\n",
        )
        .unwrap();
        let table = LabelTable::read(&csv).unwrap();
        let chosen = PictureSet::open(&tars, Some((&table, "train")), 16, 3).unwrap();
        assert_eq!(chosen.name(0), Some("s-00.tar/1.png"));
        assert_eq!(chosen.get(1).unwrap(), plain.get(3).unwrap());
    }

    #[test]
    fn broken_shards_say_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        save(path, "a.png", 64, 64);
        save(path, "b.png", 64, 64);
        shard(path, "s.tar", &["a.png", "b.png"]);
        let tar = path.join("s.tar");
        let whole = fs::read(&tar).unwrap();
        let message = || {
            let found = PictureSet::open(&tar, None, 16, 3);
            found.unwrap_err().to_string()
        };
        fs::write(&tar, &whole[..whole.len() - 1500]).unwrap();
        assert!(message().contains("ends early"), "{}", message());
        fs::write(&tar, vec![7; 2000]).unwrap();
        assert!(message().contains("s.tar"), "{}", message());
        fs::remove_file(&tar).unwrap();
        assert!(message().contains("no such file"), "{}", message());
        let gone = PictureSet::open(&path.join("s-{3..1}.tar"), None, 16, 3);
        assert!(gone.unwrap_err().to_string().contains("{3..1}"));
    }

    #[test]
    fn listings_differ_by_names_and_on_request_by_sizes() {
        let digest = |names: &[(&str, u32)], sizes| {
            let folder = tempfile::tempdir().unwrap();
            names
                .iter()
                .for_each(|(name, w)| save(folder.path(), name, *w, 8));
            let set = PictureSet::open(folder.path(), None, 8, 3).unwrap();
            set.listing_digest(sizes)
        };
        let (one, other) = ([("a.png", 8)], [("a.png", 90)]);
        assert_eq!(digest(&one, false), digest(&other, false));
        assert_ne!(digest(&one, true), digest(&other, true));
        assert_eq!(digest(&one, true), digest(&one, true));
        assert_ne!(digest(&one, false), digest(&[("b.png", 8)], false));
    }

    #[test]
    fn without_a_face_framing_faces_takes_the_middle() {
        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), "a.png", 60, 40);
        let open = || PictureSet::open(folder.path(), None, 16, 3).unwrap();
        let middle = open().get(0).unwrap();
        assert_eq!(open().with_faces_framed(true).get(0).unwrap(), middle);
    }

    #[test]
    fn the_memory_budget_holds() {
        let folder = tempfile::tempdir().unwrap();
        for i in 0..4 {
            save(folder.path(), &format!("{i}.png"), 8, 8);
        }
        let set = PictureSet::open(folder.path(), None, 8, 1)
            .unwrap()
            .with_memory_budget(2 * 64);
        for i in 0..4 {
            assert_eq!(set.get(i).unwrap().len(), 64);
        }
        let kept: Vec<bool> = (0..4).map(|i| set.is_kept(i)).collect();
        assert_eq!(kept, [true, true, false, false]);
    }

    #[test]
    fn unusable_folders_and_shapes_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let open = |path: &Path, size, channels| PictureSet::open(path, None, size, channels);
        assert!(matches!(
            open(path, 8, 3),
            Err(DataError::NoPictures { .. })
        ));
        assert!(matches!(
            open(&path.join("none"), 8, 3),
            Err(DataError::Missing { .. })
        ));
        save(path, "a.png", 8, 8);
        assert!(matches!(
            open(&path.join("a.png"), 8, 3),
            Err(DataError::NotAFolder { .. })
        ));
        assert!(matches!(open(path, 0, 3), Err(DataError::BadShape { .. })));
        assert!(matches!(open(path, 8, 2), Err(DataError::BadShape { .. })));
    }
}
