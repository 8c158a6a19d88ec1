//! What a person can do. [`State::apply`](super::state::State::apply) says what it does.

use std::path::PathBuf;

use super::dialog::{Dialog, ExportSource, PathPurpose};
use super::screens::{Tab, Wish};
use super::state::{LogLevel, Named, Selection, ThemeChoice};
use crate::engine::message::{
    Condition, CropSquare, FolderListing, ItemId, ModelOptions, PictureSource, Recipe, Ticket,
};

/// A wish of the person. Views return them; they are applied after the frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Open a tab.
    SetTab(Tab),
    /// Select a picture for the inspector.
    Select(Selection),
    /// Move the selection over the grid, the filmstrip or the shelf.
    MoveSelection(i32, i32),
    /// Something on one of the screens.
    Screen(Wish),

    /// Keep a picture on the shelf.
    Pin(Named),
    /// Import all pictures of a folder.
    OpenFolder(PathBuf),
    /// Import the first pictures of a folder, as many as this.
    ImportFolder(FolderListing, usize),
    /// Import pictures.
    Import(Vec<PictureSource>),
    /// Give a shelf item a name.
    Rename(ItemId, String),
    /// Take an item off the shelf.
    Remove(ItemId),
    /// Import failed items again, or frame a photo anew.
    Recrop(ItemId, CropSquare),

    /// Open a model; `None` is the shipped one.
    OpenModel(Option<PathBuf>),
    /// Show what a model's file comes to with these answers.
    TryModel(PathBuf, ModelOptions),
    /// Open a model, given what its file does not say.
    OpenModelAs(PathBuf, ModelOptions),
    /// Give a shelf item another condition.
    Give(ItemId, Condition),
    /// Open directions.
    OpenAttributes(PathBuf),
    /// Open the export dialog.
    OpenExport(ExportSource),
    /// Write the file that the open export dialog describes.
    Export,
    /// Write the session to a file.
    SaveSession(PathBuf),
    /// Open a session.
    OpenSession(PathBuf),
    /// An empty shelf and fresh tabs.
    NewSession,
    /// Close a message on the screen, by its place.
    CloseToast(usize),
    /// Give up the imports that are not done.
    CancelImports,
    /// Give up a request.
    Cancel(Ticket),

    /// Open a dialog, or change the open one.
    Show(Dialog),
    /// Close the open dialog, or leave the enlarged picture.
    Close,
    /// Light or dark.
    SetTheme(ThemeChoice),
    /// Size of everything.
    SetScale(f32),
    /// Fold the shelf.
    SetShelfOpen(bool),
    /// Fold the inspector.
    SetInspectorOpen(bool),
    /// Enlarge smoothly.
    SetSmooth(bool),
    /// The selected picture alone, on the whole screen.
    SetFullScreen(bool),
    /// Open a step of the tour, or leave it.
    Tour(Option<usize>),
    /// One step back.
    Undo,
    /// One step forward.
    Redo,
    /// Write a line to the log.
    Log(LogLevel, String),

    /// Ask the system for files (done by the window, not by the state).
    Browse(PathPurpose),
    /// Copy a picture to the clipboard (done by the window).
    CopyImage(Recipe),
    /// Copy text to the clipboard (done by the window).
    CopyText(String),
    /// Ask for the clipboard (done by the window).
    Paste,
    /// Leave (done by the window).
    Quit,
    /// Leave, whatever is under way (done by the window).
    QuitAtOnce,
    /// Save the training, then leave.
    QuitOnceSaved,
    /// A path was typed, for this; what comes of it is shown beside it.
    Typed(PathPurpose, PathBuf),
}
