//! The window. It keeps plain state, sends commands to the worker and takes its answers in; it never
//! waits and never holds a latent.
//!
//! A frame: `logic` takes events in, `ui` draws the views, and what the person wished for is
//! applied last, in one `match` ([`State::apply`]). Then [`State::sync`] asks the worker for
//! whatever the screen still lacks.

pub mod action;
pub mod answers;
mod apply;
pub mod autosave;
pub mod dialog;
pub mod document;
pub mod export;
pub mod folder;
pub mod history;
pub mod icon;
pub mod intake;
pub mod keys;
pub mod live;
pub mod maps;
pub mod picture;
mod receive;
pub mod reopened;
pub mod replay;
pub mod requests;
pub mod screens;
pub mod session;
mod shelf;
pub mod state;
pub mod theme;
pub mod trace;
pub mod training;
pub mod views;
pub mod widgets;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use eframe::{APP_KEY, CreationContext, Frame, Storage};
use egui::{Context, Ui, ViewportBuilder, ViewportCommand};

use crate::engine::EngineLink;
use crate::engine::message::{Command, Recipe};
use action::Action;
use autosave::{Keeper, PlaceAnswer};
use dialog::{Dialog, ExportFormat, PathPurpose, PathsChosen};
use state::{LogLevel, State};
use theme::Tokens;
use widgets::Cx;
use widgets::picture::Textures;

/// Wakes the window from another thread.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Starts the worker once the window is there to be woken.
pub type LinkFactory = Box<dyn FnOnce(Wake) -> EngineLink>;

/// How to start.
pub struct AppOptions {
    /// Starts the worker.
    pub link: LinkFactory,
    /// Pictures to import at once.
    pub files: Vec<PathBuf>,
    /// The model to open; `None` is the shipped one.
    pub model: Option<PathBuf>,
    /// Folder for the session that is saved by itself; `None` saves none.
    pub autosave: Option<PathBuf>,
    /// Told how to close the window from outside, for a system that ends its programs in peace.
    pub on_terminate: Option<OnTerminate>,
}

/// Takes what closes the window, to call it when the system wants the program to end.
pub type OnTerminate = Box<dyn FnOnce(Box<dyn Fn() + Send>)>;

/// The window could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// There is no screen to open it on.
    #[error(
        "no display to open a window on{0}; the same can be done without one: `glow-explorer sample`, `morph`, `edit`, `encode`, see `glow-explorer --help`"
    )]
    NoDisplay(String),
    /// There is a screen, but the graphics could not be set up.
    #[error(
        "the window could not be opened: {0}; without a window there are `glow-explorer sample`, `morph`, `edit`, `encode`, see `glow-explorer --help`"
    )]
    Window(String),
}

/// Opens the window and returns when it is closed.
///
/// Errors: [`AppError::NoDisplay`] on a machine without a screen.
pub fn run(options: AppOptions) -> Result<(), AppError> {
    // winit would fail as well, but late and in its own words.
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    check_display(cfg!(all(unix, not(target_os = "macos"))), set)?;
    let viewport = ViewportBuilder::default()
        .with_title("Glow Explorer")
        .with_app_id("glow-explorer")
        .with_inner_size([1280.0, 800.0])
        .with_min_inner_size([600.0, 450.0])
        .with_icon(icon::icon_data());
    let native_options = eframe::NativeOptions {
        viewport,
        ..Default::default()
    };
    eframe::run_native(
        "glow-explorer",
        native_options,
        Box::new(|cc| Ok(Box::new(ExplorerApp::new(cc, options)))),
    )
    .map_err(app_error)
}

fn check_display(needs_variable: bool, set: impl Fn(&str) -> bool) -> Result<(), AppError> {
    let names = ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "DISPLAY"];
    if needs_variable && !names.into_iter().any(set) {
        let why = " (neither WAYLAND_DISPLAY nor DISPLAY is set)";
        return Err(AppError::NoDisplay(why.to_owned()));
    }
    Ok(())
}

fn app_error(error: eframe::Error) -> AppError {
    match error {
        // winit's own words here name its source files, which help nobody.
        eframe::Error::WinitEventLoop(_) => AppError::NoDisplay(
            " (the one that DISPLAY or WAYLAND_DISPLAY names does not answer)".to_owned(),
        ),
        error => AppError::Window(error.to_string()),
    }
}

/// The program in its window.
pub struct ExplorerApp {
    state: State,
    textures: Textures,
    link: EngineLink,
    wake: Wake,
    paths_out: Sender<PathsChosen>,
    paths_in: Receiver<PathsChosen>,
    /// Whether the worker has gone; said once.
    worker_gone: bool,
    /// Holds the place where the session is saved by itself.
    keeper: Option<Keeper>,
    /// Whether the last run's session is still being brought back.
    restoring: bool,
    /// Whether another place was asked for and has not come.
    renewing: bool,
    /// Set from outside: the window is to close without a question.
    terminated: Arc<AtomicBool>,
    /// Whether the person, or the system, has said that the window is to close now.
    may_close: bool,
    /// The title that the window has.
    title: String,
    /// A file dialog of the system that has not answered yet.
    browsing: Option<Browsing>,
    /// The clock of the trace and of saving.
    started: Instant,
    /// Whether the window was told to take the whole screen.
    full_screen: bool,
}

/// A file dialog of the system, asked for and not answered yet.
struct Browsing {
    /// Whether the window had the focus all the time: then no dialog has come up.
    kept_focus: bool,
    /// What was typed meanwhile: it is meant for the field that may come.
    typed: String,
}

/// How long a window that closes waits for its session to be on the disk. It is written before anything else, so this
/// is for a model that is just being opened, or a slow disk.
const LAST_SAVE: Duration = Duration::from_secs(10);

impl ExplorerApp {
    /// Sets the window up, starts the worker and sends it the first commands.
    pub fn new(cc: &CreationContext<'_>, options: AppOptions) -> Self {
        theme::install(&cc.egui_ctx);
        let ctx = cc.egui_ctx.clone();
        let wake: Wake = Arc::new(move || ctx.request_repaint());
        let stored = cc
            .storage
            .and_then(|s| eframe::get_value::<State>(s, APP_KEY));
        let mut state = stored.unwrap_or_default().restored();
        if state.export_folder.is_none() {
            let dirs = directories::UserDirs::new();
            let pictures = dirs
                .as_ref()
                .and_then(|d| d.picture_dir())
                .filter(|p| p.is_dir());
            state.export_folder = pictures
                .map(Path::to_path_buf)
                .or_else(|| std::env::current_dir().ok());
        }
        let keeper = options.autosave.as_deref().and_then(|folder| {
            let wake = Arc::clone(&wake);
            match Keeper::start(folder, move || wake()) {
                Ok(keeper) => Some(keeper),
                Err(error) => {
                    let text = format!(
                        "nothing is saved by itself ({error}); save with File > Save session"
                    );
                    state.log(LogLevel::Notice, text);
                    None
                }
            }
        });
        state.session.awaits_place = keeper.is_some();
        let terminated = Arc::new(AtomicBool::new(false));
        if let Some(on_terminate) = options.on_terminate {
            let (flag, wake) = (Arc::clone(&terminated), Arc::clone(&wake));
            on_terminate(Box::new(move || {
                flag.store(true, Ordering::Relaxed);
                wake();
            }));
        }
        let link = (options.link)(Arc::clone(&wake));
        let (paths_out, paths_in) = crossbeam_channel::unbounded();
        if cc.storage.is_some() && !state.settings.tour_seen {
            state.tour = Some(0);
        }
        let commands = state.start(options.model, options.files);
        let app = Self {
            state,
            textures: Textures::default(),
            link,
            wake,
            paths_out,
            paths_in,
            worker_gone: false,
            restoring: keeper.is_some(),
            keeper,
            renewing: false,
            terminated,
            may_close: false,
            title: String::new(),
            browsing: None,
            started: Instant::now(),
            full_screen: false,
        };
        app.send(commands);
        app
    }

    /// Everything on the screen.
    #[cfg(test)]
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    fn send(&self, commands: Vec<Command>) {
        for command in commands {
            // A worker that has gone is reported when its events end.
            let _ = self.link.commands.send(command);
        }
    }

    /// Takes in everything that came since the last frame.
    fn take_events(&mut self) {
        loop {
            match self.link.events.try_recv() {
                Ok(event) => {
                    let commands = self.state.receive(event);
                    self.send(commands);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    if !std::mem::replace(&mut self.worker_gone, true) {
                        self.state.live.opening = false;
                        let text = "the worker has stopped; save what you need and start the program again";
                        self.state.log(LogLevel::Error, text);
                    }
                    break;
                }
            }
        }
    }

    /// Takes in where the session is saved by itself, and asks for another place where one is wanted.
    fn take_places(&mut self) {
        let Some(keeper) = &self.keeper else {
            return;
        };
        while let Ok(answer) = keeper.answers.try_recv() {
            let (place, notes, commands) = match answer {
                PlaceAnswer::Taken {
                    place,
                    restore,
                    notes,
                    kept,
                } => {
                    self.state.session.kept = kept;
                    let commands = self.state.place_found(place.clone(), restore);
                    (place, notes, commands)
                }
                PlaceAnswer::Renewed { place, notes, kept } => {
                    self.renewing = false;
                    self.state.session.kept = kept;
                    self.state.place_renewed(place.clone());
                    (place, notes, Vec::new())
                }
            };
            for text in notes {
                let level = if place.is_some() {
                    LogLevel::Notice
                } else {
                    LogLevel::Error
                };
                self.state.log(level, text);
            }
            commands
                .into_iter()
                .for_each(|c| drop(self.link.commands.send(c)));
        }
        // What is on its way to the old place is written before that is given up.
        if self.state.session.wants_place && !self.renewing && !self.state.is_saving() {
            self.state.session.wants_place = false;
            self.renewing = true;
            keeper.renew();
        }
    }

    /// Keeps the window open where it is closed over an export, a build or a training, and asks.
    fn ask_before_closing(&mut self, ctx: &Context) {
        if self.terminated.load(Ordering::Relaxed) && !self.may_close {
            self.may_close = true;
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
        if self.state.training.closes && !self.state.training.is_active() && !self.may_close {
            self.may_close = true;
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
        let closing = ctx.input(|i| i.viewport().close_requested());
        let working = self.state.is_at_work() || self.state.training.is_active();
        if closing && !self.may_close && working {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            self.state.dialog = Some(Dialog::Quit);
        }
    }

    /// Does what the person wished for: what needs the window here, the rest in the state.
    fn perform(&mut self, ctx: &Context, action: impl Into<Action>) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        self.state.chance = u64::from(now.subsec_nanos()) / 100;
        match action.into() {
            Action::Browse(purpose) => {
                if self.browsing.is_some() {
                    return; // one dialog at a time
                }
                let suggestion = self.suggestion(purpose);
                let (out, wake) = (self.paths_out.clone(), Arc::clone(&self.wake));
                if let Err(error) = intake::browse(purpose, suggestion, out, wake) {
                    let text = format!("the file dialog could not be started: {error}");
                    self.state.log(LogLevel::Error, text);
                    return;
                }
                self.browsing = Some(Browsing {
                    kept_focus: ctx.input(|i| i.focused),
                    typed: String::new(),
                });
            }
            Action::CopyImage(recipe) => self.copy_image(ctx, &recipe),
            Action::CopyText(text) => {
                ctx.copy_text(text);
                self.state.log(LogLevel::Done, "copied the text");
            }
            Action::Paste => ctx.send_viewport_cmd(ViewportCommand::RequestPaste),
            Action::Quit => ctx.send_viewport_cmd(ViewportCommand::Close),
            Action::QuitAtOnce => {
                self.may_close = true;
                ctx.send_viewport_cmd(ViewportCommand::Close);
            }
            Action::Export if self.must_ask_to_replace() => {}
            action => {
                let commands = self.state.apply(action);
                self.send(commands);
            }
        }
    }

    /// The path that a dialog for saving begins with.
    fn suggestion(&self, purpose: PathPurpose) -> PathBuf {
        match (purpose, &self.state.dialog) {
            (PathPurpose::SaveSession, _) => session::suggestion(&self.state),
            (PathPurpose::SaveDirections, _) => {
                let folder = self.state.export_folder.clone().unwrap_or_default();
                folder.join("my.attributes.safetensors")
            }
            (PathPurpose::TrainPictures, _) => PathBuf::from(&self.state.desks.train.images),
            (PathPurpose::TrainWeights, _) => PathBuf::from(&self.state.desks.train.out),
            (_, Some(Dialog::Export(form))) => PathBuf::from(&form.path),
            _ => PathBuf::new(),
        }
    }

    /// Whether the export would overwrite something the person has not agreed to; asks then.
    fn must_ask_to_replace(&mut self) -> bool {
        let Some(Dialog::Export(form)) = &mut self.state.dialog else {
            return false;
        };
        let path = form.target();
        let exists = match form.format {
            // A folder may exist, as long as nothing is in it.
            ExportFormat::Frames => {
                std::fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some())
            }
            _ => path.exists(),
        };
        exists && !std::mem::replace(&mut form.ask_replace, true)
    }

    fn copy_image(&mut self, ctx: &Context, recipe: &Recipe) {
        match self.state.exact_picture_of(recipe) {
            Some(picture) => {
                let size = [
                    picture.pixels.width() as usize,
                    picture.pixels.height() as usize,
                ];
                ctx.copy_image(egui::ColorImage::from_rgb(size, picture.pixels.as_raw()));
                self.state.log(LogLevel::Done, "copied the picture");
            }
            None => self.state.log(
                LogLevel::Info,
                "this picture is not drawn yet; try again in a moment",
            ),
        }
    }
}

impl eframe::App for ExplorerApp {
    fn logic(&mut self, ctx: &Context, _frame: &mut Frame) {
        self.take_events();
        self.take_places();
        self.ask_before_closing(ctx);
        if let Some(browsing) = &mut self.browsing {
            browsing.kept_focus &= ctx.input(|i| i.focused);
        }
        while let Ok(mut answer) = self.paths_in.try_recv() {
            let browsing = self.browsing.take();
            // A dialog takes the focus from the window, however long the system needs to find that it has none.
            answer.at_once |= browsing.as_ref().is_some_and(|b| b.kept_focus);
            let suggestion = self.suggestion(answer.purpose);
            for action in intake::actions_of_answer(answer, self.state.dialog.as_ref(), &suggestion)
            {
                self.perform(ctx, action);
            }
            if let (Some(browsing), Some(dialog)) = (browsing, &mut self.state.dialog)
                && !browsing.typed.is_empty()
            {
                dialog.typed_before(&browsing.typed);
            }
        }
        theme::follow(ctx, &self.state.settings);
        let is_full = ctx.input(|i| i.viewport().fullscreen.unwrap_or(false));
        if std::mem::replace(&mut self.full_screen, self.state.full_screen)
            != self.state.full_screen
            && is_full != self.state.full_screen
        {
            ctx.send_viewport_cmd(ViewportCommand::Fullscreen(self.state.full_screen));
        }
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut Frame) {
        let ctx = ui.ctx().clone();
        let now = self.started.elapsed().as_secs_f64();
        let mut actions = intake::actions_of_input(&ctx);
        match &mut self.browsing {
            // Somebody who types now types a path, not shortcuts.
            Some(browsing) if !ctx.egui_wants_keyboard_input() => {
                browsing.typed.push_str(&intake::typed(&ctx));
            }
            _ => actions.extend(keys::actions_of_keys(&ctx, &self.state)),
        }
        self.textures.begin_frame(self.state.settings.smooth);
        let mut cx = Cx {
            state: &self.state,
            textures: &mut self.textures,
            actions: &mut actions,
            tokens: Tokens::of(ui),
        };
        views::window_ui(ui, &mut cx);
        if let Some(running) = self.state.running() {
            let elapsed_secs = ctx.input(|i| i.unstable_dt).min(0.1);
            actions.push((running.step)(elapsed_secs));
            ctx.request_repaint_after(running.next_frame);
        }
        // What changes only where the pointer is needs no second frame, and what runs has its own
        // pace; everything else does, since this frame was drawn before it happened.
        let had_dialog = self.state.dialog.is_some();
        let quiet = |a: &Action| matches!(a, Action::Screen(wish) if wish.is_quiet());
        let worth_a_frame = !actions.iter().all(quiet);
        for action in actions {
            self.perform(&ctx, action);
        }
        if !had_dialog && let Some(dialog) = &mut self.state.dialog {
            // Somebody who types fast is ahead of the field.
            dialog.type_ahead(&intake::typed(&ctx));
        }
        let settled = !ctx.input(|i| i.pointer.any_down());
        let at_rest = settled && self.state.running().is_none();
        if at_rest {
            self.state.history.observe(&self.state.doc);
        }
        let commands = self.state.sync(settled);
        self.send(commands);
        // What this frame painted was on the screen before the actions above; what they ask for begins
        // with this frame's input.
        self.state.trace_shown(self.started.elapsed().as_secs_f64());
        self.state.trace_wanted(now);
        // Also while something moves: a drag that is held, or a morph that plays, may take long.
        let (commands, again) = self.state.autosave(now);
        self.send(commands);
        if let Some(secs) = again {
            ctx.request_repaint_after(Duration::from_secs_f64(secs));
        }
        if self.restoring
            && !self.state.session.is_opening()
            && let Some(keeper) = &self.keeper
        {
            self.restoring = false;
            keeper.is_running();
        }
        let title = session::title(&self.state);
        if title != self.title {
            ctx.send_viewport_cmd(ViewportCommand::Title(title.clone()));
            self.title = title;
        }
        if worth_a_frame {
            ctx.request_repaint();
        }
    }

    fn save(&mut self, storage: &mut dyn Storage) {
        eframe::set_value(storage, APP_KEY, &self.state);
    }

    fn on_exit(&mut self) {
        if let Some(keeper) = &self.keeper {
            keeper.is_closing();
        }
        // Films that are given up anyway must not hold up the session.
        let exports = self.state.live.exporting.iter();
        self.send(
            exports
                .map(|(ticket, _)| Command::Cancel(*ticket))
                .collect(),
        );
        self.take_events();
        let deadline = Instant::now() + LAST_SAVE;
        // A place that is on its way comes at once.
        while (self.renewing || self.state.session.wants_place) && Instant::now() < deadline {
            self.take_events();
            self.take_places();
            std::thread::sleep(Duration::from_millis(2));
        }
        let commands = self.state.last_save();
        self.send(commands);
        // The window is gone already; this only keeps the worker alive until the file is whole.
        while self.state.is_saving() {
            match self.link.events.recv_deadline(deadline) {
                Ok(event) => drop(self.state.receive(event)),
                Err(_) => break,
            }
        }
        if !self.state.is_saved()
            && let Some(path) = &self.state.session.autosave
        {
            let reason = self.state.live.log.back();
            let reason = reason.map_or("the worker is busy", |line| line.text.as_str());
            // Standard error may be closed, and then nobody can be told.
            let _ = writeln!(
                std::io::stderr(),
                "glow-explorer: the last changes are not saved ({reason}): {}",
                path.display()
            );
        }
        // The place is given up in peace.
        drop(self.keeper.take());
    }

    fn persist_egui_memory(&self) -> bool {
        // Positions of panels are cheap to find again; stale ids of dialogs are not.
        false
    }
}
