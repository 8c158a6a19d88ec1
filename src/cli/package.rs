//! `glow-explorer package-files`: what an installation needs beside the program, made by the program itself.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap_complete::Shell;

const NAME: &str = "glow-explorer";

/// Completions that are written, each with the folder that its shell looks in.
const SHELLS: [(Shell, &str); 3] = [
    (Shell::Bash, "bash-completion/completions"),
    (Shell::Zsh, "zsh/vendor-completions"),
    (Shell::Fish, "fish/vendor_completions.d"),
];

/// Sides of the icon, pixels.
#[cfg(feature = "gui")]
const SIDES: [u32; 7] = [16, 32, 48, 64, 128, 256, 512];

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Folder for `share`, as under /usr: manual pages, completions, icons
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let share = args.folder.join("share");
    let pages = folder(&share, "man/man1")?;
    let fail = |path: &Path| format!("cannot be written: {}", path.display());
    clap_mangen::generate_to(super::command(), &pages).with_context(|| fail(&pages))?;
    for (shell, place) in SHELLS {
        let place = folder(&share, place)?;
        let path = clap_complete::generate_to(shell, &mut super::command(), NAME, &place)
            .with_context(|| fail(&place))?;
        if shell == Shell::Bash {
            // The loader of bash-completion looks for the plain name.
            let plain = place.join(NAME);
            std::fs::rename(&path, &plain).with_context(|| fail(&plain))?;
        }
    }
    icons(&share)
}

#[cfg(feature = "gui")]
fn icons(share: &Path) -> anyhow::Result<()> {
    for side in SIDES {
        let place = folder(share, &format!("icons/hicolor/{side}x{side}/apps"))?;
        let path = place.join(NAME).with_extension("png");
        let icon = crate::app::icon::draw(side);
        icon.save(&path)
            .with_context(|| format!("cannot be written: {}", path.display()))?;
    }
    Ok(())
}

#[cfg(not(feature = "gui"))]
fn icons(_share: &Path) -> anyhow::Result<()> {
    super::common::note("no icons: this program was built without its window");
    Ok(())
}

fn folder(share: &Path, inside: &str) -> anyhow::Result<PathBuf> {
    let folder = share.join(inside);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot be made: {}", folder.display()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_has_pages_completions_and_icons() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().to_owned();
        run(Args { folder }).unwrap();
        let read = |name: &str| std::fs::read_to_string(place.path().join(name)).unwrap();
        let page = read("share/man/man1/glow-explorer-train.1");
        assert!(
            page.contains("hold") && page.starts_with(".ie"),
            "{page:.80}"
        );
        assert!(
            !place
                .path()
                .join("share/man/man1/glow-explorer-convert.1")
                .exists()
        );
        for (file, word) in [
            (
                "share/bash-completion/completions/glow-explorer",
                "--temperature",
            ),
            (
                "share/zsh/vendor-completions/_glow-explorer",
                "#compdef glow-explorer",
            ),
            (
                "share/fish/vendor_completions.d/glow-explorer.fish",
                "temperature",
            ),
        ] {
            assert!(read(file).contains(word), "{file}");
        }
        #[cfg(feature = "gui")]
        {
            let icon = "share/icons/hicolor/48x48/apps/glow-explorer.png";
            let icon = image::open(place.path().join(icon)).unwrap();
            assert_eq!((icon.width(), icon.height()), (48, 48));
        }
    }
}
