//! The file of one tenant: JSON lines (one JSON document per line, UTF-8).
//!
//! It has a header, lines that show how the audit records were sealed, one line per row with its table, and a trailer.
//! The trailer contains the number of rows and a digest of all lines before it, so that cut or damaged files are
//! recognised. The digest is not a signature: anyone who can write the file can compute it. The seal in the trailer
//! needs the keyring.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use ring::digest::{Context, SHA256};
use rylie_audit::{TenantBatch, TenantLeaf};
use rylie_crypto::{Object, object};
use rylie_repositories::{TenantCounts, TenantRow};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// The version of the file format that this version reads and writes.
pub(crate) const FORMAT: u32 = 1;

/// Maximum length of a line, in bytes. PostgreSQL's values have at most 1 GB, and ours are far shorter.
const MAX_LINE: u64 = 256 << 20;

/// The first line.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) rylie_tenant_format: u32,
    /// The tenant key.
    pub(crate) tenant: String,
    /// The newest migration of the database.
    pub(crate) schema: String,
    /// When the export began, in UTC.
    pub(crate) made_at: String,
    /// Number of rows of each table that follow.
    pub(crate) rows: TenantCounts,
}

/// A line between header and trailer.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    pub(crate) table: String,
    pub(crate) row: TenantRow,
}

/// A line on how an audit record was sealed. These lines precede the rows.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SealLine {
    audit: Seal,
}

/// How the tenant's audit records were sealed: a batch, its leaves, the next batch; at the end the latest checkpoint
/// and the signed head.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Seal {
    Batch(#[serde(deserialize_with = "object")] TenantBatch),
    Leaf(#[serde(deserialize_with = "object")] TenantLeaf),
    Latest(String),
    Head(String),
}

/// The content of a line.
pub(crate) enum Content {
    Row(Line),
    Seal(Seal),
}

/// The last line.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Trailer {
    #[serde(deserialize_with = "object")]
    end: End,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct End {
    rows: TenantCounts,
    sha256: String,
    /// Made with the keyring of the store that wrote the file, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seal: Option<String>,
}

/// The trailer, after it was checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Ending {
    /// The digest of all lines before it, in hexadecimal.
    pub(crate) sha256: String,
    pub(crate) seal: Option<String>,
}

/// Writes to a temporary file in the folder of the final one, readable for its owner only. Dropping it before
/// [`finish`](Self::finish) leaves nothing.
pub(crate) struct Writer {
    to: BufWriter<NamedTempFile>,
    digest: Context,
    written: TenantCounts,
}

impl Writer {
    /// Creates a writer. Fails if the path exists.
    pub(crate) fn create(out: &Path) -> Result<Self> {
        if out.symlink_metadata().is_ok() {
            return Err(Error::FileExists { path: out.to_owned() });
        }
        let file = tempfile::Builder::new().prefix(".rylie-tenant-").tempfile_in(folder(out));
        let file = file.map_err(Error::file("creating a temporary file next to", out))?;
        Ok(Self { to: BufWriter::new(file), digest: Context::new(&SHA256), written: TenantCounts::new() })
    }

    pub(crate) fn header(&mut self, header: &Header, out: &Path) -> Result<()> {
        self.line(header, out)
    }

    pub(crate) fn seal(&mut self, audit: Seal, out: &Path) -> Result<()> {
        self.line(&SealLine { audit }, out)
    }

    pub(crate) fn row(&mut self, table: &str, row: TenantRow, out: &Path) -> Result<()> {
        *self.written.entry(table.to_owned()).or_default() += 1;
        self.line(&Line { table: table.to_owned(), row }, out)
    }

    /// Returns the digest of all lines so far, in hexadecimal.
    pub(crate) fn digest(&self) -> String {
        hex::encode(self.digest.clone().finish().as_ref())
    }

    /// Writes the trailer and makes the file durable. [`Finished::publish`] then gives it its name.
    pub(crate) fn finish(mut self, rows: TenantCounts, seal: Option<String>, out: &Path) -> Result<Finished> {
        if rows.iter().any(|(table, rows)| self.written.get(table).copied().unwrap_or(0) != *rows) {
            return Err(Error::TenantFile { line: 0, reason: "rows were lost while it was written; try again" });
        }
        let sha256 = self.digest();
        self.line(&Trailer { end: End { rows, sha256, seal } }, out)?;
        let failed = Error::file("writing", out);
        let file = self.to.into_inner().map_err(|error| failed(error.into_error()))?;
        file.as_file().sync_all().map_err(failed)?;
        Ok(Finished { file })
    }

    fn line(&mut self, line: &impl Serialize, out: &Path) -> Result<()> {
        let failed = Error::file("writing", out);
        let mut text = serde_json::to_vec(line).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        self.digest.update(&text);
        self.to.write_all(&text).map_err(failed)
    }
}

/// A complete file that has no name yet.
pub(crate) struct Finished {
    file: NamedTempFile,
}

impl Finished {
    /// Gives the file its name. Fails if the name was taken in the meantime.
    pub(crate) fn publish(self, out: &Path) -> Result<()> {
        self.file.persist_noclobber(out).map_err(|error| match error.error.kind() {
            std::io::ErrorKind::AlreadyExists => Error::FileExists { path: out.to_owned() },
            _ => Error::file("naming", out)(error.error),
        })?;
        // The folder's entry must survive a crash as well.
        File::open(folder(out)).and_then(|folder| folder.sync_all()).map_err(Error::file("syncing the folder of", out))
    }
}

fn folder(out: &Path) -> &Path {
    out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Reads a file from its beginning and checks each line.
pub(crate) struct Reader {
    from: BufReader<File>,
    digest: Context,
    line: u64,
    read: TenantCounts,
    header: Header,
    ending: Option<Ending>,
}

impl Reader {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::file("opening", path))?;
        let header = Header {
            rylie_tenant_format: 0,
            tenant: String::new(),
            schema: String::new(),
            made_at: String::new(),
            rows: TenantCounts::new(),
        };
        let (digest, read) = (Context::new(&SHA256), TenantCounts::new());
        let mut reader = Self { from: BufReader::new(file), digest, line: 0, read, header, ending: None };
        let text = reader.next_line()?.ok_or_else(|| reader.wrong("it is empty"))?;
        reader.digest.update(&text);
        let not_ours = "it is not a tenant file";
        Object(reader.header) = serde_json::from_slice(&text).map_err(|_| reader.wrong(not_ours))?;
        if reader.header.rylie_tenant_format != FORMAT {
            return Err(reader.wrong("this version does not read its format; use the version that wrote it"));
        }
        Ok(reader)
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the checked trailer; `None` before all of the file has been read.
    pub(crate) fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// Returns the number of the last line read, from 1.
    pub(crate) fn line_number(&self) -> u64 {
        self.line
    }

    /// Returns the next row; `None` after the trailer has been read and checked.
    pub(crate) fn next_row(&mut self) -> Result<Option<Line>> {
        loop {
            match self.next_content()? {
                Some(Content::Row(line)) => return Ok(Some(line)),
                Some(Content::Seal(_)) => {}
                None => return Ok(None),
            }
        }
    }

    /// Returns the next row or seal; `None` after the trailer has been read and checked.
    pub(crate) fn next_content(&mut self) -> Result<Option<Content>> {
        let Some(text) = self.next_line()? else {
            return Err(self.wrong("the file ends too early: its last line is missing"));
        };
        if let Ok(Object(Trailer { end })) = serde_json::from_slice(&text) {
            self.check(&end)?;
            self.ending = Some(Ending { sha256: end.sha256, seal: end.seal });
            return Ok(None);
        }
        self.digest.update(&text);
        if let Ok(Object(SealLine { audit })) = serde_json::from_slice(&text) {
            return Ok(Some(Content::Seal(audit)));
        }
        let Object::<Line>(line) =
            serde_json::from_slice(&text).map_err(|_| self.wrong("it is not a row of a tenant"))?;
        *self.read.entry(line.table.clone()).or_default() += 1;
        Ok(Some(Content::Row(line)))
    }

    fn check(&mut self, end: &End) -> Result<()> {
        if self.next_line()?.is_some() {
            return Err(self.wrong("data follows the last line"));
        }
        self.line -= 1;
        if end.sha256 != hex::encode(self.digest.clone().finish().as_ref()) {
            return Err(self.wrong("the file was changed after it was written: its digest differs"));
        }
        let read = |table: &str| self.read.get(table).copied().unwrap_or(0);
        let counted = end.rows.iter().all(|(table, rows)| read(table) == *rows);
        if !counted || end.rows != self.header.rows || self.read.keys().any(|table| !end.rows.contains_key(table)) {
            return Err(self.wrong("the numbers of rows do not match"));
        }
        Ok(())
    }

    fn next_line(&mut self) -> Result<Option<Vec<u8>>> {
        let mut text = Vec::new();
        self.line += 1;
        let read = self.from.by_ref().take(MAX_LINE).read_until(b'\n', &mut text);
        read.map_err(|source| Error::File { doing: "reading the tenant file".to_owned(), source })?;
        match text.last() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(text)),
            Some(_) => Err(self.wrong("it is cut off, or too long")),
        }
    }

    pub(crate) fn wrong(&self, reason: &'static str) -> Error {
        Error::TenantFile { line: self.line, reason }
    }
}
