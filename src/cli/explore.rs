//! `glow-explorer explore`: the window.

use std::path::PathBuf;

use super::common::ModelArgs;

pub(super) const EXAMPLES: &str = "Examples:
  glow-explorer                          the model that comes with the program
  glow-explorer anna.jpg ben.jpg         two photos on the shelf
  glow-explorer explore holiday/         all photos of a folder on the shelf
  glow-explorer explore --model my.safetensors --device cuda";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Photos, folders of photos, sessions, attributes or weight files to open
    #[arg(value_name = "FILES")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    // A mistyped command arrives here as the name of a file. One that is not there among others is said in the window.
    if let Some(path) = args.files.first()
        && !args.files.iter().any(|path| path.exists())
    {
        anyhow::bail!(
            "no such file or command; `glow-explorer --help` lists the commands: {}",
            path.display()
        );
    }
    open_window(args)
}

/// Opens the window with a worker behind it.
#[cfg(feature = "gui")]
fn open_window(args: Args) -> anyhow::Result<()> {
    use std::cell::RefCell;
    use std::rc::Rc;

    use crate::app::{AppOptions, Wake};
    use crate::engine::{Engine, Loader};

    let ModelArgs {
        model,
        device,
        threads,
        tf32,
        foreign,
        condition,
    } = args.model;
    if condition.is_given() {
        super::common::note(
            "a condition is chosen in the window: --condition and --class are for the other commands",
        );
    }
    let loader = Loader {
        device,
        threads: threads.map_or_else(super::cores, usize::from),
        tf32,
        foreign: foreign.options(),
    };
    // The worker lives as long as the window: dropping the engine ends and joins its thread.
    let engine = Rc::new(RefCell::new(None));
    let keep = Rc::clone(&engine);
    let link = move |wake: Wake| {
        let options = loader.into_options();
        let engine = Engine::spawn(options, move || wake());
        let link = engine.link();
        *keep.borrow_mut() = Some(engine);
        link
    };
    let options = AppOptions {
        link: Box::new(link),
        files: args.files,
        model,
        autosave: directories::ProjectDirs::from("", "", "glow-explorer")
            .map(|dirs| dirs.data_dir().to_owned()),
        on_terminate: Some(Box::new(|close| {
            // Where that cannot be listened to, the end is a crash, and the work is brought back all the same.
            let _ = ctrlc::set_handler(close);
        })),
    };
    let closed = crate::app::run(options);
    drop(engine);
    closed.map_err(anyhow::Error::from)
}

#[cfg(not(feature = "gui"))]
fn open_window(_: Args) -> anyhow::Result<()> {
    anyhow::bail!("this program was built without its window; {COMMANDS}")
}

#[cfg(not(feature = "gui"))]
const COMMANDS: &str =
    "use the commands sample, encode, decode, morph, edit (see glow-explorer --help)";
