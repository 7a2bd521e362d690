//! Files for spans: nobody else's to read, where a platform knows owners, and replaced whole where they are replaced.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Whoever creates it may read and write it, and nobody else.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

/// Opens a file to be written at its end, and creates it where there is none.
#[cfg(feature = "otlp-file")]
pub(crate) fn append(path: &Path) -> io::Result<fs::File> {
    // Read as well: how it ends decides how it goes on.
    private(OpenOptions::new().append(true).read(true).create(true)).open(path)
}

/// Puts a file in the place of what is there, in one step: whoever reads finds the old one or the new one, whole.
#[cfg(feature = "jaeger-json")]
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> io::Result<()> {
    let beside = beside(path)?;
    // Of a process with this number that did not get to the end. A new file, so that nobody's link is followed.
    let _ = fs::remove_file(&beside);
    let file = private(OpenOptions::new().write(true).create_new(true)).open(&beside)?;
    let mut file = io::BufWriter::with_capacity(1 << 16, file);
    // Closed before it is renamed: some platforms insist.
    let written =
        write(&mut file).and_then(|()| file.into_inner().map(drop).map_err(io::IntoInnerError::into_error));
    let replaced = written.and_then(|()| fs::rename(&beside, path));
    if replaced.is_err() {
        let _ = fs::remove_file(&beside);
    }
    replaced
}

/// Where the next version of a file is written: in the same folder, which is all a rename can cross.
#[cfg(feature = "jaeger-json")]
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::other("it does not end in the name of a file"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.tmp", std::process::id()));
    Ok(path.with_file_name(hidden))
}

/// The path with a number behind it.
#[cfg(feature = "otlp-file")]
pub(crate) fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Whether the path still names the file that is open: it may have been moved, or removed with its folder.
#[cfg(feature = "otlp-file")]
pub(crate) fn is_still(path: &Path, file: &fs::File) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        match (fs::metadata(path), file.metadata()) {
            (Ok(named), Ok(open)) => (named.dev(), named.ino()) == (open.dev(), open.ino()),
            _ => false,
        }
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        fs::metadata(path).is_ok()
    }
}
