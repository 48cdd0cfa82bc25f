//! Whole files: read within a bound, replaced by rename, removed if there.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufWriter, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, Result};

/// The largest document of most kinds. They have a few thousand bytes.
const LARGEST: u64 = 8 << 20;

/// Room for a document of ours, so that one read takes it.
const TYPICAL: usize = 8 << 10;

/// How often a directory is made again that others remove as empty in the same moment.
const ATTEMPTS: u32 = 1000;

/// The extension of a document.
pub(crate) const DOCUMENT: &str = "json";

/// The extension of a file that is being written. One name per document, so that a killed writer leaves at most one,
/// which the next writer of that document overwrites.
const TEMPORARY: &str = "tmp";

/// Opens for reading what is expected to be a plain file: a FIFO does not block, a link is not followed.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a file")) }
}

/// A document with a version, so that an older program says so instead of misreading it.
pub(crate) trait Document: Serialize + DeserializeOwned {
    /// The newest version known here.
    const KNOWN: u32;

    /// The largest one that is read and written, in bytes.
    const LARGEST: u64 = LARGEST;

    /// The version of this one.
    fn version(&self) -> u32;
}

/// The document at `path`, `None` where there is none.
///
/// # Errors
/// [`Error::Newer`] when its version is above the one known here, [`Error::Malformed`] when it is too large, no JSON,
/// or of another shape.
pub(crate) fn read<T: Document>(path: &Path) -> Result<Option<T>> {
    let file = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| Error::io("read", path, error))?,
    };
    let mut bytes = Vec::with_capacity(TYPICAL);
    let size = file.take(T::LARGEST + 1).read_to_end(&mut bytes).map_err(|error| Error::io("read", path, error))?;
    if u64::try_from(size).is_ok_and(|size| size > T::LARGEST) {
        return Err(Error::malformed(path, &format_args!("it has more than {} bytes", T::LARGEST)));
    }
    let newer = |version| Error::Newer { path: path.to_owned(), version, known: T::KNOWN };
    match serde_json::from_slice::<T>(&bytes) {
        Ok(document) if document.version() > T::KNOWN => Err(newer(document.version().into())),
        Ok(document) => Ok(Some(document)),
        Err(error) => match version(&bytes) {
            Some(version) if version > T::KNOWN.into() => Err(newer(version)),
            _ => Err(Error::malformed(path, &error)),
        },
    }
}

/// The version of a document whose other fields are unknown.
fn version(bytes: &[u8]) -> Option<u64> {
    serde_json::from_slice::<serde_json::Value>(bytes).ok()?.get("version")?.as_u64()
}

/// Puts the document at `path`, whole or not at all; makes its directory if need be.
///
/// The caller holds the lock that stands for the document. One that nobody would read is not written.
pub(crate) fn replace<T: Document>(path: &Path, document: &T) -> Result<()> {
    let written = replace_with(path, |file| {
        // One write, but for the few that are large: of those there is no copy.
        let mut bounded = BufWriter::with_capacity(TYPICAL, Bounded { file, left: T::LARGEST, largest: T::LARGEST });
        serde_json::to_writer(&mut bounded, document)?;
        bounded.flush()
    });
    written.map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => Error::malformed(path, &error),
        _ => Error::io("write", path, error),
    })
}

/// A file that takes so many bytes more.
struct Bounded<'f> {
    file: &'f mut File,
    left: u64,
    largest: u64,
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(left) = self.left.checked_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX)) else {
            let text = format!("it would have more than {} bytes", self.largest);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        };
        self.left = left;
        self.file.write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a whole file at `path`.
pub(crate) fn replace_bytes(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(path, |file| file.write_all(bytes))
}

fn replace_with(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let temporary = path.with_extension(TEMPORARY);
    let written = create(&temporary).and_then(|mut file| write(&mut file));
    written.and_then(|()| put_in_place(&temporary, path)).inspect_err(|_| drop(fs::remove_file(&temporary)))
}

/// Gives a written file its name. Where there is an old one, the two change names before the old one goes: ext4 begins to
/// write out at once what is renamed over another file (`auto_da_alloc`, ext4(5)), which takes milliseconds.
fn put_in_place(temporary: &Path, path: &Path) -> io::Result<()> {
    match renameat_with(CWD, temporary, CWD, path, RenameFlags::EXCHANGE) {
        Ok(()) => fs::remove_file(temporary),
        // There is no old one, or the file system cannot do this.
        Err(_) => fs::rename(temporary, path),
    }
}

/// An empty file of mode 0600 at `path`, in a directory that is made if need be.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).read(true).create(true).truncate(true);
    open_in_directory(path, &options)
}

/// Opens with mode 0600 in a directory that is made if need be, again and again while others remove it as empty.
pub(crate) fn open_in_directory(path: &Path, options: &OpenOptions) -> io::Result<File> {
    let mut options = options.clone();
    options.mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    let mut attempts = 0;
    loop {
        match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && attempts < ATTEMPTS => {
                attempts += 1;
                path.parent().map_or(Ok(()), make_directory)?;
            }
            opened => return opened,
        }
    }
}

/// Makes a directory and those above it, unless others remove one of them as empty in the same moment: the caller finds
/// out when it uses the directory.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().recursive(true).mode(0o755).create(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => Ok(()),
        made => made,
    }
}

/// Removes the document at `path` and what a killed writer of it left; whether it was there.
pub(crate) fn remove(path: &Path) -> Result<bool> {
    remove_file(&path.with_extension(TEMPORARY))?;
    remove_file(path)
}

fn remove_file(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("remove", path, error)),
    }
}
