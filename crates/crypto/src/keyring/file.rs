//! A keyring in a file that only its owner may read.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{KeyId, KeyProvider, Keyring};
use crate::{Error, Result, exposed_mode, owner_only};

/// The file of a keyring.
///
/// On Unix, loading fails if group or others may read or write the file; elsewhere the operator controls access.
/// An update writes a new file in the same folder, flushes it to disk and renames it. It holds a lock (on the file
/// `.lock` in the same folder) from reading to writing, so that concurrent rotations lose no key.
pub struct KeyFile<'p> {
    path: PathBuf,
    provider: Option<&'p dyn KeyProvider>,
}

impl<'p> KeyFile<'p> {
    /// Creates a handle for a file with unwrapped keys.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), provider: None }
    }

    /// Creates a handle for a file whose keys the provider wraps.
    pub fn wrapped(path: impl Into<PathBuf>, provider: &'p dyn KeyProvider) -> Self {
        Self { path: path.into(), provider: Some(provider) }
    }

    /// Writes a keyring to a new file. Fails with [`Error::KeyFileExists`] if the file exists, and with
    /// [`Error::KeyFile`] if it cannot be written.
    pub fn create(&self, keyring: &Keyring) -> Result<()> {
        let _lock = self.lock()?;
        if fs::symlink_metadata(&self.path).is_ok() {
            return Err(Error::KeyFileExists { path: self.path.clone() });
        }
        self.replace(keyring)
    }

    /// Reads the keyring.
    ///
    /// Fails with [`Error::KeyFile`] if the file cannot be read, and with [`Error::KeyFileExposed`] if others may read
    /// or write it. Fails as [`Keyring::parse`] does for its text, or as [`Keyring::parse_wrapped`] does.
    pub fn load(&self) -> Result<Keyring> {
        let text = self.read()?;
        match self.provider {
            None => Keyring::parse(&text),
            Some(provider) => Keyring::parse_wrapped(&text, provider),
        }
    }

    /// Reads the keyring, changes it and writes it back, under the lock.
    ///
    /// If the change fails, the file is unchanged. Fails with the error of the change, as [`load`](Self::load) does,
    /// and with [`Error::KeyFile`] if the file cannot be written.
    ///
    /// ```
    /// # use rylie_crypto::{KeyFile, Keyring};
    /// # let folder = tempfile::tempdir()?;
    /// let file = KeyFile::new(folder.path().join("keyring.json"));
    /// file.create(&Keyring::generate()?)?;
    ///
    /// let new = file.update(Keyring::rotate)?;
    ///
    /// assert_eq!(file.load()?.active()?, &new);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn update<T>(&self, change: impl FnOnce(&mut Keyring) -> Result<T>) -> Result<T> {
        let real = self.resolved()?;
        let _lock = real.lock()?;
        let mut keyring = real.load()?;
        let outcome = change(&mut keyring)?;
        real.replace(&keyring)?;
        Ok(outcome)
    }

    /// Resolves symbolic links: a rename would replace the link and leave its target unchanged.
    fn resolved(&self) -> Result<Self> {
        let path = fs::canonicalize(&self.path).map_err(failed("reading key file", &self.path))?;
        Ok(Self { path, provider: self.provider })
    }

    fn lock(&self) -> Result<File> {
        let path = self.beside(".lock");
        let lock = owner_only(OpenOptions::new().create(true).truncate(false).write(true)).open(&path);
        lock.and_then(|file| file.lock().map(|()| file)).map_err(failed("locking", &path))
    }

    fn read(&self) -> Result<Zeroizing<String>> {
        let failed = failed("reading key file", &self.path);
        // Opening a pipe would wait for a writer, and a pipe can be read only once.
        if !fs::metadata(&self.path).map_err(&failed)?.is_file() {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")));
        }
        // Check the open file: the path may be replaced in between.
        let mut file = File::open(&self.path).map_err(&failed)?;
        let metadata = file.metadata().map_err(&failed)?;
        if let Some(mode) = exposed_mode(&metadata) {
            return Err(Error::KeyFileExposed { path: self.path.clone(), mode });
        }
        // Enough capacity to avoid a reallocation, which would leave a copy.
        let mut text = Zeroizing::new(String::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 64));
        file.read_to_string(&mut text).map_err(&failed)?;
        Ok(text)
    }

    /// Replaces the file atomically: a reader sees the old file or the new one, also after a crash.
    fn replace(&self, keyring: &Keyring) -> Result<()> {
        let text = match self.provider {
            None => keyring.to_text(),
            Some(provider) => keyring.to_wrapped_text(provider),
        }?;
        let draft = self.beside(&format!(".{}.new", KeyId::random()?));
        let written = write_new(&draft, text.expose()).and_then(|()| fs::rename(&draft, &self.path));
        if written.is_err() {
            // Report the first error.
            let _ = fs::remove_file(&draft);
        }
        written.and_then(|()| flush_folder(&self.path)).map_err(failed("writing key file", &self.path))
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(suffix);
        name.into()
    }
}

impl fmt::Debug for KeyFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile").field("path", &self.path).field("wrapped", &self.provider.is_some()).finish()
    }
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = owner_only(OpenOptions::new().create_new(true).write(true)).open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

fn failed(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::KeyFile { doing, path: path.to_owned(), source }
}

/// Flushes the folder, which makes a rename durable.
#[cfg(unix)]
fn flush_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn flush_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
