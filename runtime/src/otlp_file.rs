//! OTLP as JSON lines: to a file that rotates, for the collector to read, or to stdout.
//!
//! Knows when a file is full, moved or broken. What stands in a line is `message`'s.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::disk;
use crate::keep::weight;
use crate::message::{self, Service};

/// How large a file becomes and how many old ones there are, unless it is said otherwise.
const SIZE: u64 = 100 << 20;
const OLD: u32 = 4;
/// How much longer JSON may be than what it is of: a control character is six.
const LONGER: usize = 8;

/// A span exporter that writes OTLP as JSON lines, the form of OpenTelemetry's file exporter, which the collector's
/// `otlpjsonfile` receiver reads and Jaeger's UI loads.
///
/// ```
/// use traced::OtlpFile;
///
/// #[traced::traced]
/// fn checkout() {}
///
/// # let folder = std::env::temp_dir().join(format!("traced-otlp-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let path = folder.join("traces.jsonl");
/// let tracing = traced::builder("shop").exporter(OtlpFile::new(&path).rotate_at(10 << 20).old_files(2)).install()?;
/// checkout();
/// tracing.flush()?;
/// assert!(std::fs::read_to_string(&path)?.starts_with(r#"{"resourceSpans":[{"resource":{"attributes":["#));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Each line is an `ExportTraceServiceRequest` and is written at once, at the end of what is there. Before a line that
/// would make it larger than 100 MB the file becomes `traces.jsonl.1`, that one `.2`, and beyond four old files the oldest
/// is gone: 500 MB altogether, unless told otherwise. Only a single span that is larger than a file may be makes one larger.
///
/// The folder must be there. A file that somebody moved away is begun again. A line that could not be written whole is
/// taken back; its spans count as not exported, and the next ones are tried anew. A line that a process left half
/// is ended before the next one, so that it spoils no other. Only the user of the process may read the file, where the
/// platform knows users. A path is for one process.
///
/// The environment may ask for stdout: `OTEL_TRACES_EXPORTER=otlp/stdout`. OpenTelemetry has no variable for a path.
pub struct OtlpFile {
    place: Mutex<Place>,
    size: u64,
    old: u32,
    service: Service,
}

/// Where lines go.
enum Place {
    Path { path: PathBuf, open: Option<Open> },
    Stdout,
}

struct Open {
    file: File,
    length: u64,
    /// Whether the last line has no end.
    is_ragged: bool,
}

impl OtlpFile {
    /// A file at that path, 100 MB at most, and four older ones.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::to(Place::Path { path: path.into(), open: None })
    }

    /// To stdout instead of a file, for whoever collects that.
    pub fn stdout() -> Self {
        Self::to(Place::Stdout)
    }

    fn to(place: Place) -> Self {
        Self { place: Mutex::new(place), size: SIZE, old: OLD, service: Service::default() }
    }

    /// How many bytes a file has at most.
    pub fn rotate_at(mut self, bytes: u64) -> Self {
        self.size = bytes;
        self
    }

    /// How many older files there are at most. With none, the file begins anew when it is full.
    pub fn old_files(mut self, files: u32) -> Self {
        self.old = files;
        self
    }

    /// Writes spans as lines of which none is larger than a file may be, if it can be helped.
    fn write(&self, place: &mut Place, mut spans: Vec<SpanData>) -> io::Result<()> {
        let most = usize::try_from(self.size).unwrap_or(usize::MAX);
        let may_be_long = |spans: &[SpanData]| spans.iter().map(weight).sum::<usize>() > most / LONGER;
        if spans.len() > 1 && matches!(place, Place::Path { .. }) && may_be_long(&spans) {
            let others = spans.split_off(spans.len() / 2);
            self.write(place, spans)?;
            return self.write(place, others);
        }
        let mut line = message::json(&spans, &self.service);
        line.push(b'\n');
        match place {
            Place::Path { path, open } => self.append(path, open, &line),
            Place::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(&line).and_then(|()| stdout.flush())
            }
        }
    }

    fn append(&self, path: &Path, open: &mut Option<Open>, line: &[u8]) -> io::Result<()> {
        if open.as_ref().is_some_and(|open| !disk::is_still(path, &open.file)) {
            *open = None;
        }
        // Taken out: what has failed is opened anew.
        let mut file = match open.take() {
            Some(open) => open,
            None => Open::at(path)?,
        };
        if file.length > 0 && file.length + line.len() as u64 > self.size {
            drop(file);
            self.rotate(path)?;
            file = Open::at(path)?;
        }
        file.write(line)?;
        *open = Some(file);
        Ok(())
    }

    /// Moves every file one further, and the last one out of the world.
    fn rotate(&self, path: &Path) -> io::Result<()> {
        if self.old == 0 {
            return fs::remove_file(path);
        }
        for number in (1..self.old).rev() {
            match fs::rename(disk::numbered(path, number), disk::numbered(path, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(path, disk::numbered(path, 1))
    }

    fn place<R>(&self, with: impl FnOnce(&mut Place) -> io::Result<R>) -> Result<R, OTelSdkError> {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        with(&mut place)
            .map_err(|error| OTelSdkError::InternalFailure(format!("{place} cannot be written: {error}")))
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        let mut file = disk::append(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let length = file.seek(SeekFrom::End(0))?;
        let mut last = [b'\n'];
        if length > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        Ok(Self { file, length, is_ragged: last != [b'\n'] })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_ragged {
            self.file.write_all(b"\n")?;
            self.length += 1;
            self.is_ragged = false;
        }
        if let Err(error) = self.file.write_all(line) {
            // Where even this fails, the line is ended when the file is opened again.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += line.len() as u64;
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { path, .. } => write!(f, "`{}`", path.display()),
            Self::Stdout => f.write_str("stdout"),
        }
    }
}

impl fmt::Debug for OtlpFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_tuple("OtlpFile").field(&place.to_string()).finish()
    }
}

impl SpanExporter for OtlpFile {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.place(|place| self.write(place, batch))
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.place(|place| match place {
            Place::Path { open: Some(open), .. } => open.file.sync_data(),
            Place::Path { open: None, .. } | Place::Stdout => Ok(()),
        })
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        self.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.service = Service::of(resource);
    }
}
