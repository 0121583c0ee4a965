//! The files of the write-ahead log (WAL): names, headers, timelines, and whether they are contiguous.
//!
//! The layout is that of `access/xlog_internal.h` and `access/timeline.h` of PostgreSQL.
//!
//! This file is long because the tests write the files whose layout it reads.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::lsn::Lsn;
use crate::error::{Error, Result};

/// The bytes of a first page's header that are read.
const HEADER: usize = 36;

/// The flag of a first page's header, which has the system identifier.
const LONG_HEADER: u16 = 0x0002;

/// A segment of the WAL: its timeline, and its number from the beginning of the WAL.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) timeline: u32,
}

impl Segment {
    /// The name of its file.
    pub(super) fn name(self, segment_bytes: u64) -> String {
        let per_file_id = 0x1_0000_0000 / segment_bytes.max(1);
        let (high, low) = (self.number / per_file_id.max(1), self.number % per_file_id.max(1));
        format!("{:08X}{high:08X}{low:08X}", self.timeline)
    }

    fn parse(name: &str, segment_bytes: u64) -> Option<Self> {
        let plain = name.len() == 24 && name.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte));
        let part = |from: usize| u32::from_str_radix(name.get(from..from + 8)?, 16).ok();
        let per_file_id = 0x1_0000_0000 / segment_bytes.max(1);
        let (timeline, high, low) = plain.then(|| Some((part(0)?, part(8)?, part(16)?)))??;
        let number = u64::from(high).checked_mul(per_file_id)?.checked_add(u64::from(low))?;
        (u64::from(low) < per_file_id).then_some(Self { number, timeline })
    }
}

/// A file of a segment.
#[derive(Clone, Debug)]
pub(super) struct SegmentFile {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// Whether it is still being received.
    pub(super) is_partial: bool,
    pub(super) modified: SystemTime,
}

impl SegmentFile {
    /// Its present path: the receiver may have completed it since it was listed.
    pub(super) fn present(&self) -> PathBuf {
        if self.is_partial && !self.path.exists() { self.path.with_extension("") } else { self.path.clone() }
    }
}

/// The files of the WAL in a folder.
#[derive(Clone, Debug)]
pub(super) struct WalArchive {
    segment_bytes: u64,
    pub(super) segments: BTreeMap<Segment, SegmentFile>,
    /// For each timeline with a history: its ancestors, the oldest first, with the position at which each was left.
    histories: BTreeMap<u32, Vec<(u32, Lsn)>>,
    pub(super) history_files: Vec<PathBuf>,
}

/// The result of following the WAL from a position.
#[derive(Clone, Debug, Default)]
pub(super) struct Stretch {
    /// The segments in order; only the last one may be partial.
    pub(super) segments: Vec<Segment>,
    /// The gap or the damaged file that ended it before the end of the WAL.
    pub(super) problem: Option<String>,
}

impl WalArchive {
    /// Lists a folder. Files with other names are passed over.
    pub(super) fn read(folder: &Path, segment_bytes: u64) -> Result<Self> {
        let failed = Error::file("reading", folder);
        let mut archive =
            Self { segment_bytes, segments: BTreeMap::new(), histories: BTreeMap::new(), history_files: Vec::new() };
        for entry in fs::read_dir(folder).map_err(&failed)? {
            let entry = entry.map_err(&failed)?;
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if let Some(timeline) = name.strip_suffix(".history").and_then(|id| u32::from_str_radix(id, 16).ok()) {
                let text = fs::read_to_string(&path).map_err(Error::file("reading", &path))?;
                archive.histories.insert(timeline, parse_history(&text));
                archive.history_files.push(path);
                continue;
            }
            let complete = name.strip_suffix(".partial");
            let Some(segment) = Segment::parse(complete.unwrap_or(&name), segment_bytes) else { continue };
            // The receiver renames and removes files.
            let Ok(found) = entry.metadata() else { continue };
            let modified = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let file = SegmentFile { path, bytes: found.len(), is_partial: complete.is_some(), modified };
            let is_better = archive.segments.get(&segment).is_none_or(|known| known.is_partial);
            if is_better {
                archive.segments.insert(segment, file);
            }
        }
        Ok(archive)
    }

    pub(super) fn number_of(&self, position: Lsn) -> u64 {
        position.0 / self.segment_bytes.max(1)
    }

    pub(super) fn name(&self, segment: Segment) -> String {
        segment.name(self.segment_bytes)
    }

    /// The newest timeline that has a file.
    pub(super) fn newest_timeline(&self) -> Option<u32> {
        let of_segments = self.segments.keys().map(|segment| segment.timeline);
        of_segments.chain(self.histories.keys().copied()).max()
    }

    /// The newest segment on the newest timeline that has one.
    pub(super) fn newest(&self) -> Option<(Segment, &SegmentFile)> {
        let newest = self.segments.iter().max_by_key(|(segment, _)| (segment.timeline, segment.number));
        newest.map(|(segment, file)| (*segment, file))
    }

    /// The ancestors of a timeline and itself, each with the position at which it begins.
    fn chain(&self, timeline: u32) -> Vec<(u32, Lsn)> {
        let mut begin = Lsn(0);
        let mut chain = Vec::new();
        for (ancestor, left_at) in self.histories.get(&timeline).into_iter().flatten() {
            chain.push((*ancestor, begin));
            begin = *left_at;
        }
        chain.push((timeline, begin));
        chain
    }

    /// Whether `timeline` continues `base` at `position`.
    pub(super) fn leads_to(&self, base: u32, position: Lsn, timeline: u32) -> bool {
        let chain = self.chain(timeline);
        let at = chain.iter().position(|(id, _)| *id == base);
        at.is_some_and(|at| chain.get(at + 1).is_none_or(|(_, next)| *next >= position))
    }

    /// Follows the WAL from a position along a timeline and its ancestors. Reads the first page of each file.
    pub(super) fn follow(&self, from: Lsn, timeline: u32, system_identifier: &str) -> Result<Stretch> {
        let chain = self.chain(timeline);
        // A new timeline begins with a copy of the segment in which the old one was left.
        let owner_of = |number| {
            let owner = chain.iter().rev().find(|(_, begin)| self.number_of(*begin) <= number);
            owner.map_or(timeline, |(id, _)| *id)
        };
        let ours = self.segments.keys().filter(|segment| segment.timeline == owner_of(segment.number));
        let Some(last) = ours.map(|segment| segment.number).max() else { return Ok(Stretch::default()) };
        let mut stretch = Stretch::default();
        for number in self.number_of(from)..=last {
            let segment = Segment { number, timeline: owner_of(number) };
            match self.problem_of(segment, last, system_identifier)? {
                None => stretch.segments.push(segment),
                Some(problem) => {
                    stretch.problem = Some(problem);
                    break;
                }
            }
        }
        Ok(stretch)
    }

    fn problem_of(&self, segment: Segment, last: u64, system_identifier: &str) -> Result<Option<String>> {
        let name = self.name(segment);
        let Some(file) = self.segments.get(&segment) else {
            return Ok(Some(format!("WAL segment {name} is missing, and later ones are there")));
        };
        if file.is_partial && segment.number < last {
            return Ok(Some(format!("WAL segment {name} was not received to its end, and later ones are there")));
        }
        if file.bytes != self.segment_bytes {
            let (found, wanted) = (file.bytes, self.segment_bytes);
            return Ok(Some(format!("WAL segment {name} is truncated: {found} bytes of {wanted}")));
        }
        let header = read_header(&file.present())?;
        if file.is_partial && header.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        Ok(self.damage_in(header, segment, system_identifier).map(|damage| format!("WAL segment {name} {damage}")))
    }

    /// Compares the header of a segment's first page with what it must hold.
    fn damage_in(&self, header: [u8; HEADER], segment: Segment, system_identifier: &str) -> Option<String> {
        let number = |from: usize, to: usize| {
            // Servers of one cluster have one byte order, and this machine restores it.
            let mut bytes = [0; 8];
            bytes[..to - from].copy_from_slice(&header[from..to]);
            u64::from_ne_bytes(bytes)
        };
        let info = u16::from_ne_bytes([header[2], header[3]]);
        if info & LONG_HEADER == 0 || number(8, 16) != segment.number * self.segment_bytes {
            return Some("is damaged: its first page is not that of this segment".to_owned());
        }
        let system = number(24, 32).to_string();
        if system != system_identifier {
            return Some(format!("is of another database cluster: system identifier {system}"));
        }
        (number(32, 36) != self.segment_bytes).then(|| "has another segment size".to_owned())
    }
}

fn read_header(path: &Path) -> Result<[u8; HEADER]> {
    let mut header = [0; HEADER];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.map(|()| header).map_err(Error::file("reading", path))
}

/// Lines of a parent timeline, the position at which it was left, and a reason.
fn parse_history(text: &str) -> Vec<(u32, Lsn)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entries = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u64 = 16 << 20;

    fn page(number: u64, system: u64) -> Vec<u8> {
        let mut page = vec![0; usize::try_from(SEGMENT).unwrap()];
        page[0..2].copy_from_slice(&0xD110_u16.to_ne_bytes());
        page[2..4].copy_from_slice(&LONG_HEADER.to_ne_bytes());
        page[8..16].copy_from_slice(&(number * SEGMENT).to_ne_bytes());
        page[24..32].copy_from_slice(&system.to_ne_bytes());
        page[32..36].copy_from_slice(&u32::try_from(SEGMENT).unwrap().to_ne_bytes());
        page
    }

    fn archive(files: &[(u32, u64, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (timeline, number, suffix) in files {
            let name = Segment { number: *number, timeline: *timeline }.name(SEGMENT);
            fs::write(folder.path().join(format!("{name}{suffix}")), page(*number, 7)).unwrap();
        }
        folder
    }

    fn follow(folder: &tempfile::TempDir, from: u64, timeline: u32) -> (Vec<u64>, String) {
        let archive = WalArchive::read(folder.path(), SEGMENT).unwrap();
        let stretch = archive.follow(Lsn(from * SEGMENT + 40), timeline, "7").unwrap();
        (stretch.segments.iter().map(|segment| segment.number).collect(), stretch.problem.unwrap_or_default())
    }

    #[test]
    fn names_are_those_of_the_server() {
        let segment = Segment { number: 256 + 10, timeline: 2 };
        assert_eq!(segment.name(SEGMENT), "00000002000000010000000A");
        assert_eq!(Segment::parse("00000002000000010000000A", SEGMENT), Some(segment));
        for wrong in ["0000000200000001000001FF", "00000002000000010000000a", "00000002", "00000002.history", ""] {
            assert_eq!(Segment::parse(wrong, SEGMENT), None, "{wrong}");
        }
    }

    #[test]
    fn a_contiguous_log_ends_with_the_segment_that_is_being_received() {
        let folder = archive(&[(1, 3, ""), (1, 4, ""), (1, 5, ".partial")]);
        assert_eq!(follow(&folder, 3, 1), (vec![3, 4, 5], String::new()));
    }

    #[test]
    fn a_missing_a_truncated_and_a_foreign_segment_are_named() {
        let folder = archive(&[(1, 3, ""), (1, 4, ""), (1, 6, "")]);
        let (found, problem) = follow(&folder, 3, 1);
        assert_eq!((found, problem.contains("000000010000000000000005 is missing")), (vec![3, 4], true), "{problem}");

        let four = folder.path().join("000000010000000000000004");
        fs::write(&four, &page(4, 7)[..8192]).unwrap();
        assert!(follow(&folder, 3, 1).1.contains("04 is truncated: 8192 bytes"));
        fs::write(&four, page(4, 8)).unwrap();
        assert!(follow(&folder, 3, 1).1.contains("04 is of another database cluster"));
        fs::write(&four, page(5, 7)).unwrap();
        assert!(follow(&folder, 3, 1).1.contains("04 is damaged"));
    }

    #[test]
    fn a_segment_that_was_not_received_to_its_end_is_a_gap_unless_it_is_the_last() {
        let folder = archive(&[(1, 3, ".partial"), (1, 4, "")]);
        assert!(follow(&folder, 3, 1).1.contains("03 was not received to its end"));
    }

    #[test]
    fn a_new_timeline_continues_in_the_segment_in_which_the_old_one_was_left() {
        let folder = archive(&[(1, 3, ""), (1, 4, ".partial"), (2, 4, ""), (2, 5, ".partial"), (1, 9, "")]);
        fs::write(folder.path().join("00000002.history"), "1\t0/4000100\tno recovery target specified\n").unwrap();
        let archive = WalArchive::read(folder.path(), SEGMENT).unwrap();

        let stretch = archive.follow(Lsn(3 * SEGMENT), 2, "7").unwrap();

        let names: Vec<_> = stretch.segments.iter().map(|segment| (segment.timeline, segment.number)).collect();
        assert_eq!(archive.newest_timeline(), Some(2));
        assert!(archive.leads_to(1, Lsn(0x0400_0000), 2) && !archive.leads_to(1, Lsn(0x0400_0200), 2));
        // Segment 9 of timeline 1 was written by the old primary after the promotion.
        assert_eq!(names, [(1, 3), (2, 4), (2, 5)], "{stretch:?}");
    }
}
