//! Session files: the shelf, with its latents beside it.
//!
//! A session is JSON ([`SessionFile`]); latents and pasted pictures lie beside it in files whose names hold a hash of
//! what is in them. They are written first, the JSON replaces the older one last, so that at any moment the JSON names
//! files that are there and belong to it. What only the older JSON named is removed then, unless another session in
//! the folder names it too.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::{Library, Stamp};
use crate::data::intake;
use crate::engine::error::EngineError;
use crate::engine::message::{
    ItemId, ItemSource, KeptItem, PictureSource, SESSION_FORMAT, SessionFile, StoredItem,
    StoredLatents, StoredModel, StoredPhoto,
};
use crate::export::{write_atomically, write_png};
use crate::files::attributes::{self, Precision};
use crate::files::latents::{self, LatentsFile};
use crate::latent::attributes::{Direction, Directions};
use crate::latent::{Condition, Latent};

/// More than any shelf needs; a larger file is something else.
const MAX_BYTES: u64 = 16 << 20;
/// Ending of the latents files beside a session.
const LATENTS_ENDING: &str = "latents.safetensors";
/// Ending of the files beside a session with the directions that were built in it.
const DIRECTIONS_ENDING: &str = "directions.safetensors";
/// Ending of the pictures beside a session that came from no file.
const PICTURE_ENDING: &str = "picture.png";

/// Latents of one model, on their way to a file.
struct LatentsOf {
    of: Arc<Stamp>,
    names: Vec<String>,
    latents: Vec<Latent>,
}

impl Library {
    /// Writes a session. Every item keeps its place: by its latent, by its photo, by its recipe, or by its name.
    ///
    /// Errors: the system's, naming the session.
    pub(in crate::engine) fn save_session(
        &self,
        path: &Path,
        kept: &[KeptItem],
        model: Option<StoredModel>,
        window: serde_json::Value,
    ) -> Result<(), EngineError> {
        check_folder(path)?;
        // Whoever saves a session need not know what lies beside it.
        let about = |e: EngineError| {
            EngineError::Request(format!(
                "the session cannot be written ({e}): {}",
                path.display()
            ))
        };
        let model = model.or_else(|| self.stamp().map(|stamp| stamp.model.clone()));
        let mut groups: Vec<LatentsOf> = Vec::new();
        // For each item its group and its row in there.
        let mut places = Vec::new();
        for item in kept {
            let known = self.items.get(&item.id);
            let owned = known.and_then(|known| known.kept.as_ref());
            let owned = owned.filter(|o| o.latent.iter().all(|v| v.is_finite()));
            places.push(owned.map(|owned| {
                let at = groups.iter().position(|g| g.of == owned.of);
                let at = at.unwrap_or_else(|| {
                    groups.push(LatentsOf {
                        of: Arc::clone(&owned.of),
                        names: Vec::new(),
                        latents: Vec::new(),
                    });
                    groups.len() - 1
                });
                groups[at].names.push(item.name.clone());
                groups[at].latents.push((*owned.latent).clone());
                (at, groups[at].latents.len() - 1, owned.crop)
            }));
        }
        let (mut own, mut others, mut files) = (None, Vec::new(), Vec::new());
        for group in groups {
            let stamp = Arc::clone(&group.of);
            let name = write_latents(path, group).map_err(about)?;
            files.push(name.clone());
            if own.is_none() && model.as_ref().is_some_and(|model| stamp.is(model)) {
                own = Some(name);
            } else {
                others.push(StoredLatents {
                    file: name,
                    model: stamp.model.clone(),
                });
            }
        }
        let mut directions = Vec::new();
        for (of, list) in self.wanted_built() {
            let file = write_directions(path, &of, list).map_err(about)?;
            let model = of.model.clone();
            directions.push(StoredLatents { file, model });
        }
        let mut items = Vec::new();
        for (item, place) in kept.iter().zip(places) {
            let file = place.map(|(group, _, _)| &files[group]);
            let encoded = place.and_then(|(_, _, crop)| crop);
            let known = self.items.get(&item.id);
            let (photo, recipe) = match &item.source {
                ItemSource::Photo { source, crop } => {
                    let path = self.stored_path(path, item.id, source).map_err(about)?;
                    let photo = StoredPhoto {
                        path,
                        crop: *crop,
                        latent_crop: encoded.filter(|_| encoded != *crop),
                        condition: known.map_or_else(Condition::default, |k| k.condition()),
                    };
                    (Some(photo), None)
                }
                ItemSource::Recipe(recipe) => (None, Some(recipe.clone())),
                ItemSource::Latent => (None, None),
            };
            items.push(StoredItem {
                id: item.id,
                name: item.name.clone(),
                latent: place.map(|(_, row, _)| row),
                latents: file.filter(|file| own.as_ref() != Some(file)).cloned(),
                photo,
                recipe: recipe.filter(|_| place.is_none()),
            });
        }
        let session = SessionFile {
            format: SESSION_FORMAT.to_owned(),
            model,
            latents: own,
            others,
            directions,
            items,
            window,
        };
        let older = named_by_file(path);
        let text = serde_json::to_string_pretty(&session)
            .map_err(|e| EngineError::Request(format!("{e}: {}", path.display())))?;
        write_atomically(path, |file| file.write_all(text.as_bytes()))
            .map_err(|e| EngineError::Outside(e.to_string()))?;
        remove_unneeded(path, &older, &named_by(&session));
        Ok(())
    }

    /// Where the photo of an item is to be found again. One that came from no file, or that lies beside another
    /// session, is written beside this one.
    fn stored_path(
        &self,
        session: &Path,
        id: ItemId,
        source: &PictureSource,
    ) -> Result<PathBuf, EngineError> {
        if let PictureSource::Path(path) = source {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !name.ends_with(&format!(".{PICTURE_ENDING}")) {
                return Ok(std::path::absolute(path).unwrap_or_else(|_| path.clone()));
            }
            if *path == beside(session, &name) && name.starts_with(&*stem(session)) {
                return Ok(PathBuf::from(&*name));
            }
        }
        let known = self.from_clipboard.borrow().get(&id).cloned();
        let hash = match known {
            Some(hash) => hash,
            None => {
                let hash = hash_of_source(source);
                self.from_clipboard.borrow_mut().insert(id, hash.clone());
                hash
            }
        };
        let name = format!("{}.{hash}.{PICTURE_ENDING}", stem(session));
        let file = beside(session, &name);
        if !file.is_file() {
            match intake::read(source) {
                Ok(picture) => write_png(&file, &picture.rgb, None)?,
                // It lay beside another session and is not there now: its place is kept.
                Err(_) if matches!(source, PictureSource::Path(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let (PictureSource::Path(path), false) = (source, file.is_file()) {
            return Ok(path.clone());
        }
        Ok(PathBuf::from(name))
    }
}

/// Writes latents beside a session; the file's name.
fn write_latents(path: &Path, group: LatentsOf) -> Result<String, EngineError> {
    let contents = LatentsFile {
        config: group.of.config.clone(),
        fingerprint: group.of.model.fingerprint,
        names: Some(group.names),
        latents: group.latents,
        bits_per_dim: None,
        settings: None,
    };
    let name = format!("{}.{}.{LATENTS_ENDING}", stem(path), hash(&contents));
    let file = beside(path, &name);
    // The name says what is in it; an autosave of an unchanged shelf writes nothing anew.
    if !file.is_file() {
        latents::write(&file, &contents)?;
    }
    Ok(name)
}

/// Writes directions beside a session, to the last bit; the file's name.
fn write_directions(path: &Path, of: &Stamp, list: Vec<Direction>) -> Result<String, EngineError> {
    let mut hash = Sha256::new();
    hash.update(format!("{:?}{:?}", of.model.fingerprint, of.config));
    for direction in &list {
        let (name, center, range) = (&direction.name, direction.center, direction.range);
        hash.update(format!("{name:?}{center}{range:?}{:?}", direction.figures));
        for value in direction.vector.iter() {
            hash.update(value.to_le_bytes());
        }
    }
    let name = format!("{}.{}.{DIRECTIONS_ENDING}", stem(path), digits(hash));
    let file = beside(path, &name);
    if !file.is_file() {
        let directions = Directions::new(list)?;
        let fingerprint = of.model.fingerprint;
        attributes::write(&file, &of.config, fingerprint, &directions, Precision::F32)?;
    }
    Ok(name)
}

/// The one thing that is likely to be wrong with a place that somebody typed, in words about what they typed.
fn check_folder(path: &Path) -> Result<(), EngineError> {
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
    match folder.map(fs::metadata) {
        None => Ok(()),
        Some(Ok(meta)) if meta.is_dir() => Ok(()),
        Some(found) => {
            let what = match found {
                Ok(_) => "its folder is a file",
                Err(_) => "its folder is not there",
            };
            Err(EngineError::Request(format!(
                "the session cannot be written, as {what}; make the folder or choose another: {}",
                path.display()
            )))
        }
    }
}

/// Removes what an older session named and the new one does not: only what looks like ours, and nothing that another
/// session in the folder needs.
fn remove_unneeded(path: &Path, older: &BTreeSet<String>, newer: &BTreeSet<String>) {
    let endings = [LATENTS_ENDING, DIRECTIONS_ENDING, PICTURE_ENDING];
    let ours = |name: &str| endings.iter().any(|ending| name.ends_with(ending));
    let gone: Vec<&String> = older.difference(newer).filter(|name| ours(name)).collect();
    if gone.is_empty() {
        return;
    }
    let elsewhere = named_by_others(path);
    for name in gone {
        if !elsewhere.as_ref().is_some_and(|all| all.contains(name)) && elsewhere.is_some() {
            let _ = fs::remove_file(beside(path, name));
        }
    }
}

/// What the other sessions in a folder name; `None` where that cannot be known.
fn named_by_others(path: &Path) -> Option<BTreeSet<String>> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(folder).ok()? {
        let other = entry.ok()?.path();
        let is_json = other.extension().is_some_and(|e| e == "json");
        if is_json && other.file_name() != path.file_name() {
            all.extend(named_by_file(&other));
        }
    }
    Some(all)
}

/// Names of the files that the session at `path` needs; none where it is no session.
fn named_by_file(path: &Path) -> BTreeSet<String> {
    let session = parse(path).ok();
    session.as_ref().map_or_else(BTreeSet::new, named_by)
}

fn named_by(session: &SessionFile) -> BTreeSet<String> {
    let others = session.others.iter().chain(&session.directions);
    let others = others.map(|other| other.file.clone());
    let photos = session.items.iter().filter_map(|item| {
        let path = &item.photo.as_ref()?.path;
        let name = path.to_str().filter(|name| is_plain_name(name))?;
        Some(name.to_owned())
    });
    session
        .latents
        .iter()
        .cloned()
        .chain(others)
        .chain(photos)
        .collect()
}

/// Reads a session file and checks it.
///
/// Errors: one message that names the file, what is wrong and what to do.
pub(in crate::engine) fn read_session(path: &Path) -> Result<SessionFile, EngineError> {
    let session = parse(path)?;
    let refuse = |what: String| EngineError::Request(format!("{what}: {}", path.display()));
    if let Some(odd) = session.directions.iter().find(|d| !is_plain_name(&d.file)) {
        return Err(refuse(format!(
            "the session is damaged (its directions are not beside it but at {:?}); open another",
            odd.file
        )));
    }
    let others = session.others.iter().map(|other| &other.file);
    for name in session.latents.iter().chain(others) {
        if !is_plain_name(name) {
            return Err(refuse(format!(
                "the session is damaged (its latents are not beside it but at {name:?}); open another"
            )));
        }
        if !beside(path, name).is_file() {
            let what = format!("the session's latents are missing; put {name} back beside it");
            return Err(refuse(what));
        }
    }
    Ok(session)
}

fn parse(path: &Path) -> Result<SessionFile, EngineError> {
    let refuse = |what: String| EngineError::Request(format!("{what}: {}", path.display()));
    let meta = fs::metadata(path)
        .map_err(|e| refuse(format!("the session cannot be read ({e}); check the path")))?;
    if !meta.is_file() {
        let what = "the session is not a file; name one that was saved with File > Save session";
        return Err(refuse(what.to_owned()));
    }
    if meta.len() > MAX_BYTES {
        let what = "the file is too large for a session; name another";
        return Err(refuse(what.to_owned()));
    }
    let text = fs::read(path)
        .map_err(|e| refuse(format!("the session cannot be read ({e}); check the path")))?;
    let damaged = |why: String| refuse(format!("the session is damaged ({why}); open another"));
    let session: SessionFile = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
    if session.format != SESSION_FORMAT {
        let what = format!(
            "the file's format is {:?}, not {SESSION_FORMAT:?}; open a session of this program",
            session.format
        );
        return Err(refuse(what));
    }
    Ok(session)
}

/// A latents file of the session at `path`.
pub(in crate::engine) fn beside(path: &Path, name: &str) -> PathBuf {
    path.with_file_name(name)
}

fn is_plain_name(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|n| n == name)
}

fn stem(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_stem().unwrap_or_default().to_string_lossy()
}

/// The first 8 bytes of SHA-256 over the model, names and numbers, in hexadecimal.
fn hash(contents: &LatentsFile) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{:?}{:?}", contents.fingerprint, contents.config));
    for name in contents.names.iter().flatten() {
        hash.update(name);
        hash.update([0]);
    }
    let mut bytes = Vec::new();
    for latent in &contents.latents {
        bytes.clear();
        let given = format!("{:?}", latent.condition);
        bytes.extend(given.as_bytes());
        bytes.extend(latent.iter().flat_map(|v| v.to_le_bytes()));
        hash.update(&bytes);
    }
    digits(hash)
}

fn hash_of_source(source: &PictureSource) -> String {
    let mut hash = Sha256::new();
    match source {
        PictureSource::Path(path) => hash.update(path.to_string_lossy().as_bytes()),
        PictureSource::Bytes { bytes, .. } => hash.update(bytes),
        PictureSource::Rgba { size, pixels } => {
            hash.update(size.map(u32::to_le_bytes).concat());
            hash.update(pixels);
        }
    }
    digits(hash)
}

fn digits(hash: Sha256) -> String {
    let bytes = hash.finalize();
    bytes[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
