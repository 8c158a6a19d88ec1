//! MP4 through the ffmpeg that is installed: H.264, which every player and every messenger shows.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::ExportError;
use super::atomic::produce_atomically;
use super::film::{Film, FilmStop};

/// The program; the environment may name another.
const FFMPEG: &str = "ffmpeg";
const FFMPEG_VARIABLE: &str = "GLOW_EXPLORER_FFMPEG";

/// Whether MP4 can be written here: an ffmpeg answers.
pub fn has_ffmpeg() -> bool {
    let mut command = Command::new(program());
    command.arg("-version");
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
    quiet
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

fn program() -> std::ffi::OsString {
    std::env::var_os(FFMPEG_VARIABLE).unwrap_or_else(|| FFMPEG.into())
}

/// Writes an MP4.
///
/// Errors: as [`write_film`](super::film_file::write_film); no ffmpeg, or what it complains of.
pub(super) fn write_mp4(
    path: &Path,
    film: &Film<'_>,
    proceed: &mut dyn FnMut(usize) -> bool,
) -> Result<(), ExportError> {
    write_with(&program(), path, film, proceed)
}

fn write_with(
    program: &OsStr,
    path: &Path,
    film: &Film<'_>,
    proceed: &mut dyn FnMut(usize) -> bool,
) -> Result<(), ExportError> {
    // H.264 first; what an ffmpeg without it takes for MP4 is still a film.
    match encode(program, H264, path, film, proceed) {
        Err(ExportError::Ffmpeg { reason, .. }) if reason.contains("Unknown encoder") => {
            encode(program, &["-q:v", "2"], path, film, proceed)
        }
        result => result,
    }
}

/// Nearly without loss; fast, as the films are short.
const H264: &[&str] = &["-c:v", "libx264", "-preset", "medium", "-crf", "16"];

fn encode(
    program: &OsStr,
    codec: &[&str],
    path: &Path,
    film: &Film<'_>,
    proceed: &mut dyn FnMut(usize) -> bool,
) -> Result<(), ExportError> {
    let (width, height) = film.size()?;
    let name = || path.display().to_string();
    let mut stop = None;
    let mut complaint = None;
    let written = produce_atomically(path, |partial| {
        let mut command = Command::new(program);
        command.args(["-hide_banner", "-loglevel", "error", "-y"]);
        command.args(["-f", "rawvideo", "-pix_fmt", "rgb24"]);
        command.args(["-s", &format!("{width}x{height}")]);
        let rate = film.rate;
        let rate = format!("{}/{}", rate.frames.max(1), rate.seconds.max(1));
        command.args(["-framerate", &rate, "-i", "-", "-an"]);
        command.args(codec);
        // Half the colour samples, as players want it, which needs even sides; sRGB's primaries are BT.709's.
        let filter = "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white,\
                      scale=out_color_matrix=bt709:out_range=tv,format=yuv420p";
        command.args(["-vf", filter]);
        command.args(["-colorspace", "bt709", "-color_primaries", "bt709"]);
        command.args(["-color_trc", "bt709", "-color_range", "tv"]);
        command
            .args(["-movflags", "+faststart", "-f", "mp4"])
            .arg(partial);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => FfmpegProcess(child),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                stop = Some(FilmStop::Frame(ExportError::NoFfmpeg { path: name() }));
                return Err(e);
            }
            Err(e) => return Err(e),
        };
        let said = child.0.stderr.take().map(|mut stderr| {
            // Read beside the writing: a full pipe would hold both up.
            std::thread::spawn(move || {
                let mut text = String::new();
                let _ = stderr.read_to_string(&mut text);
                text
            })
        });
        let mut to = child.0.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        for index in 0..film.n_frames() {
            if !proceed(index) {
                stop = Some(FilmStop::Cancelled);
                return Err(io::ErrorKind::Interrupted.into());
            }
            match film.frame(index) {
                // It ends early where it does not like something, which it then says.
                Ok(frame) => {
                    if to.write_all(frame.as_raw()).is_err() {
                        break;
                    }
                }
                Err(error) => {
                    stop = Some(FilmStop::Frame(error));
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
        }
        drop(to);
        let status = child.0.wait()?;
        let said = said
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        let mut lines = said.lines().map(str::trim).filter(|l| !l.is_empty());
        // The encoder that is missing stands in one of several lines; else the last says most.
        let unknown = said.lines().find(|l| l.contains("Unknown encoder"));
        let line = unknown.or_else(|| lines.next_back());
        complaint = Some(line.map_or_else(|| status.to_string(), str::to_owned));
        Err(io::Error::other("ffmpeg failed"))
    });
    if let Some(reason) = complaint {
        return Err(ExportError::Ffmpeg {
            reason,
            path: name(),
        });
    }
    FilmStop::or(stop, written)
}

/// A child that does not outlive what is done with it.
struct FfmpegProcess(Child);

impl Drop for FfmpegProcess {
    fn drop(&mut self) {
        // Both fail where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::super::film::tests::{film, pictures};
    use super::*;

    /// A program that stands in for ffmpeg.
    fn stand_in(folder: &Path, script: &str) -> PathBuf {
        let path = folder.join("stand-in");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Writes its arguments and what it is fed to the file that it is to write.
    const ECHO: &str = r#"for last; do :; done; { echo "$@"; cat; } > "$last""#;

    #[test]
    fn frames_are_fed_in_order_and_the_file_takes_its_name_when_whole() {
        let folder = tempfile::tempdir().unwrap();
        let program = stand_in(folder.path(), ECHO);
        let path = folder.path().join("a.mp4");
        let pictures = pictures(2);
        let order = [0, 1, 0];
        write_with(
            program.as_os_str(),
            &path,
            &film(&pictures, &order),
            &mut |_| true,
        )
        .unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let end = bytes.iter().position(|&b| b == b'\n').unwrap();
        let arguments = String::from_utf8_lossy(&bytes[..end]);
        assert!(
            arguments.contains("-s 12x10 -framerate 100/7"),
            "{arguments}"
        );
        let fed: Vec<u8> = order
            .iter()
            .flat_map(|&i| pictures[i].as_raw().clone())
            .collect();
        assert_eq!(&bytes[end + 1..], fed);
        assert_eq!(folder.path().read_dir().unwrap().count(), 2);
    }

    #[test]
    fn a_missing_program_is_said_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        let pictures = pictures(1);
        let program = folder.path().join("none");
        let result = write_with(
            program.as_os_str(),
            &path,
            &film(&pictures, &[0]),
            &mut |_| true,
        );
        let error = result.unwrap_err().to_string();
        assert!(error.contains("ffmpeg") && error.contains(".png") && error.ends_with("a.mp4"));
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn its_complaint_is_told_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let program = stand_in(
            folder.path(),
            "cat > /dev/null; echo 'no room in here' >&2; exit 3",
        );
        let path = folder.path().join("a.mp4");
        let pictures = pictures(1);
        let result = write_with(
            program.as_os_str(),
            &path,
            &film(&pictures, &[0]),
            &mut |_| true,
        );
        let error = result.unwrap_err().to_string();
        assert!(error.contains("no room in here"), "{error}");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn without_h264_the_next_best_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            r#"case "$*" in *libx264*) echo "Unknown encoder 'libx264'" >&2; exit 1;; esac; {ECHO}"#
        );
        let program = stand_in(folder.path(), &script);
        let path = folder.path().join("a.mp4");
        let pictures = pictures(1);
        write_with(
            program.as_os_str(),
            &path,
            &film(&pictures, &[0]),
            &mut |_| true,
        )
        .unwrap();
        assert!(path.is_file());
    }

    #[test]
    fn cancelling_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let program = stand_in(folder.path(), ECHO);
        let path = folder.path().join("a.mp4");
        let pictures = pictures(1);
        let film = film(&pictures, &[0, 0, 0]);
        let result = write_with(program.as_os_str(), &path, &film, &mut |i| i < 1);
        assert!(matches!(result, Err(ExportError::Cancelled)));
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn the_ffmpeg_of_this_machine_makes_a_film_that_it_can_read() {
        if !has_ffmpeg() {
            println!("skipped: no ffmpeg");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        let pictures: Vec<_> = pictures(4)
            .iter()
            .map(|p| image::imageops::resize(p, 65, 49, image::imageops::FilterType::Nearest))
            .collect();
        write_mp4(&path, &film(&pictures, &[0, 1, 2, 3, 2, 1]), &mut |_| true).unwrap();
        let output = Command::new(program())
            .args(["-v", "error", "-i"])
            .arg(&path)
            .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
            .output()
            .unwrap();
        assert!(output.status.success());
        let (width, height) = (66, 50);
        assert_eq!(output.stdout.len(), 6 * width * height * 3);
        // The third frame, where it was not padded.
        let at = (2 * width * height + 20 * width + 20) * 3;
        let expected = pictures[2].get_pixel(20, 20).0;
        for (a, b) in output.stdout[at..at + 3].iter().zip(expected) {
            assert!(
                a.abs_diff(b) < 12,
                "{:?} {expected:?}",
                &output.stdout[at..at + 3]
            );
        }
    }
}
