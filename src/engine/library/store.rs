//! Library files: the shelf, with its latents beside it.
//!
//! A session is JSON ([`SessionFile`]); the latents lie beside it in a file whose name holds a hash of
//! what is in it. The latents are written first, the JSON replaces the older one last, so that at any
//! moment the JSON names latents that are there and belong to it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Library;
use super::items::stored_photo;
use crate::engine::error::EngineError;
use crate::engine::message::{Event, ItemId, SESSION_FORMAT, SessionFile, StoredItem, StoredModel};
use crate::engine::seams::Cancelled;
use crate::export::write_atomically;
use crate::files::latents::{self, LatentsFile};
use crate::latent::Latent;

/// More than any shelf needs; a larger file is something else.
const MAX_BYTES: u64 = 16 << 20;
/// Ending of the latents file beside a session.
const LATENTS_ENDING: &str = "latents.safetensors";

impl Library {
    /// Writes a session. Items without a latent and without a file to read again are left out.
    ///
    /// Errors: the system's, naming the file.
    pub(in crate::engine) fn save_session(
        &self,
        path: &Path,
        ids: &[ItemId],
        window: serde_json::Value,
    ) -> Result<(), EngineError> {
        let mut rows: Vec<Latent> = Vec::new();
        let mut items = Vec::new();
        for id in ids {
            let Some(item) = self.items.get(id) else {
                continue;
            };
            let finite = |l: &&Arc<Latent>| l.iter().all(|v| v.is_finite());
            let row = item.latent.as_ref().filter(finite).map(|latent| {
                rows.push((**latent).clone());
                rows.len() - 1
            });
            let photo = stored_photo(item);
            if row.is_some() || photo.is_some() {
                items.push(StoredItem {
                    id: *id,
                    name: item.name.clone(),
                    latent: row,
                    photo,
                });
            }
        }
        let latents = match rows.is_empty() {
            true => None,
            false => Some(self.write_latents(path, rows, &items)?),
        };
        let session = SessionFile {
            format: SESSION_FORMAT.to_owned(),
            model: self.model.as_ref().map(|model| StoredModel {
                name: model.info.name.clone(),
                path: model.info.path.clone(),
            }),
            latents,
            items,
            window,
        };
        let older = latents_named_by(path);
        let text = serde_json::to_string_pretty(&session)
            .map_err(|e| EngineError::Request(format!("{e}: {}", path.display())))?;
        write_atomically(path, |file| file.write_all(text.as_bytes()))
            .map_err(|e| EngineError::Outside(e.to_string()))?;
        // Only what the replaced session named, and only what looks like ours.
        if let Some(older) = older.filter(|name| session.latents.as_ref() != Some(name)) {
            let _ = fs::remove_file(beside(path, &older));
        }
        Ok(())
    }

    /// Writes the latents beside a session; the file's name.
    fn write_latents(
        &self,
        path: &Path,
        rows: Vec<Latent>,
        items: &[StoredItem],
    ) -> Result<String, EngineError> {
        let names = items.iter().filter(|item| item.latent.is_some());
        let contents = LatentsFile {
            config: self.config()?.clone(),
            names: Some(names.map(|item| item.name.clone()).collect()),
            latents: rows,
            bits_per_dim: None,
            settings: None,
        };
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("{stem}.{:016x}.{LATENTS_ENDING}", hash(&contents));
        let file = beside(path, &name);
        // The name says what is in it; an autosave of an unchanged shelf writes nothing anew.
        if !file.is_file() {
            latents::write(&file, &contents)?;
        }
        Ok(name)
    }

    /// Puts a latent from a session under an id.
    pub(in crate::engine) fn put_back(
        &mut self,
        id: ItemId,
        name: String,
        latent: Arc<Latent>,
        cancelled: Cancelled<'_>,
    ) -> Result<Event, EngineError> {
        if !latent.fits(self.shape()?) {
            return Err(EngineError::Foreign { names: vec![name] });
        }
        self.shelve(id, name, latent, cancelled)
    }
}

/// Reads a session file and checks it; the second is its latents file.
///
/// Errors: one message that names the file, what is wrong and what to do.
pub(in crate::engine) fn read_session(
    path: &Path,
) -> Result<(SessionFile, Option<PathBuf>), EngineError> {
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
    let Some(name) = &session.latents else {
        return Ok((session, None));
    };
    if !is_plain_name(name) {
        return Err(damaged(format!(
            "its latents are not beside it but at {name:?}"
        )));
    }
    let latents = beside(path, name);
    if !latents.is_file() {
        let what = format!("the session's latents are missing; put {name} back beside it");
        return Err(refuse(what));
    }
    Ok((session, Some(latents)))
}

/// The latents that the session at `path` names now, if they are of this module's making.
fn latents_named_by(path: &Path) -> Option<String> {
    let (session, _) = read_session(path).ok()?;
    session
        .latents
        .filter(|name| name.ends_with(LATENTS_ENDING))
}

fn is_plain_name(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|n| n == name)
}

fn beside(path: &Path, name: &str) -> PathBuf {
    path.with_file_name(name)
}

/// FNV-1a over names and numbers, enough to tell one shelf from another.
fn hash(contents: &LatentsFile) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |word: u64| {
        hash = (hash ^ word)
            .wrapping_mul(0x0000_0100_0000_01b3)
            .rotate_left(5)
    };
    for name in contents.names.iter().flatten() {
        name.bytes().for_each(|b| take(u64::from(b)));
        take(256);
    }
    for latent in &contents.latents {
        latent.iter().for_each(|v| take(u64::from(v.to_bits())));
    }
    hash
}
