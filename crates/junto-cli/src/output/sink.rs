//! Where rows go: standard output, or a file that appears only when it is complete.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Destination of the rows.
pub(crate) enum Sink {
    Standard(io::Stdout),
    File {
        part: File,
        part_path: PathBuf,
        path: PathBuf,
    },
    /// A device, pipe or socket such as `/dev/null`: written in place.
    Device(File),
}

impl Sink {
    /// Standard output.
    pub(crate) fn standard() -> Self {
        Sink::Standard(io::stdout())
    }

    /// A file beside `path`, moved there by [`Self::commit`]. What `path` held stays until then.
    pub(crate) fn file(path: &Path) -> io::Result<Self> {
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return File::options().write(true).open(path).map(Sink::Device);
        }
        let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part_path = path.with_file_name(name);
        Ok(Sink::File { part: File::create(&part_path)?, part_path, path: path.to_owned() })
    }

    /// Whether rows go to standard output.
    pub(crate) fn is_standard(&self) -> bool {
        matches!(self, Sink::Standard(_))
    }

    /// Makes the output final.
    pub(crate) fn commit(mut self) -> io::Result<()> {
        self.flush()?;
        if let Sink::File { part_path, path, .. } = &self {
            fs::rename(part_path, path)?;
        }
        Ok(())
    }
}

impl Drop for Sink {
    /// A file that was not committed is incomplete: it goes. After a commit there is nothing left to remove.
    fn drop(&mut self) {
        if let Sink::File { part_path, .. } = self {
            let _ = fs::remove_file(part_path);
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Standard(output) => output.write(bytes),
            Sink::File { part: file, .. } | Sink::Device(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Standard(output) => output.flush(),
            Sink::File { part: file, .. } | Sink::Device(file) => file.flush(),
        }
    }
}
