//! What was acknowledged, held against what is published.

use crate::disk::Folder;
use crate::journal::name::JournalFile;
use crate::segment::name::SegmentName;
use crate::simulation::World;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::rc::Rc;

/// Shared by all clients of a world; survives every crash.
#[derive(Clone, Default)]
pub(super) struct Ledger(Rc<RefCell<Pages>>);

#[derive(Default)]
struct Pages {
    issued: u64,
    acknowledged: BTreeSet<u64>,
}

/// A report's stored line: its number, and bytes that compress neither well nor
/// badly.
pub(super) fn line(report: u64) -> Vec<u8> {
    let noise = report.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("{{\"report\":{report},\"noise\":\"{noise:x}{noise:b}\"}}\n").into_bytes()
}

fn number(line: &str) -> u64 {
    let digits = line.strip_prefix("{\"report\":").expect("a report's line");
    let end = digits.find(',').expect("a member behind the number");
    digits[..end].parse().expect("a number")
}

impl Ledger {
    pub(super) fn next_reports(&self, reports: u32) -> Vec<u64> {
        let mut pages = self.0.borrow_mut();
        let first = pages.issued;
        pages.issued += u64::from(reports);
        (first..pages.issued).collect()
    }

    pub(super) fn acknowledge(&self, reports: &[u64]) {
        self.0.borrow_mut().acknowledged.extend(reports);
    }

    pub(super) fn acknowledged(&self) -> usize {
        self.0.borrow().acknowledged.len()
    }

    /// Every published report, with how often it is there.
    fn published(&self, world: &World) -> BTreeMap<u64, u32> {
        reports(stored(world))
    }

    /// Every acknowledged report is published or was pruned, none in two files,
    /// and nothing that was pruned was published again.
    pub(super) fn check_kept_or_pruned(&self, world: &World) {
        self.check_files(world);
        let mut ever = world.disk().removed();
        ever.extend(stored(world));
        let ever = reports(ever);
        let doubled: Vec<_> = ever.iter().filter(|(_, n)| **n > 1).collect();
        assert!(doubled.is_empty(), "in more than one file: {doubled:?}");
        let pages = self.0.borrow();
        let all = pages.acknowledged.iter();
        let lost: Vec<_> = all.filter(|r| !ever.contains_key(*r)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    }

    pub(super) fn segments(&self, world: &World) -> usize {
        stored(world).len()
    }

    /// Every published file is whole, and what it was when it was published.
    pub(super) fn check_files(&self, world: &World) {
        self.published(world);
        assert_eq!(world.disk().violations(), Vec::<String>::new());
        assert_eq!(world.disk().damaged(), Vec::<String>::new());
    }

    /// The files are sound, and nothing is there twice.
    pub(super) fn check_sound(&self, world: &World) {
        let doubled: Vec<_> = self
            .published(world)
            .into_iter()
            .filter(|(_, n)| *n > 1)
            .collect();
        assert!(doubled.is_empty(), "published more than once: {doubled:?}");
        self.check_files(world);
    }

    /// Sound, and every acknowledged report is published.
    pub(super) fn check_complete(&self, world: &World) {
        self.check_sound(world);
        let published = self.published(world);
        let pages = self.0.borrow();
        let lost: Vec<_> = pages
            .acknowledged
            .iter()
            .filter(|r| !published.contains_key(*r))
            .collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    }

    /// No journal, temporary file or plan is left, and nothing in `index/` that
    /// must not be lost.
    pub(super) fn check_nothing_left_over(&self, world: &World) {
        let files = world.disk().snapshot();
        let left: Vec<_> = files
            .keys()
            .filter(|(folder, _)| !matches!(folder, Folder::Data | Folder::Index))
            .collect();
        assert!(left.is_empty(), "left over: {left:?}");
    }

    /// No journal and no temporary file is left.
    pub(super) fn check_journals_gone(&self, world: &World) {
        for (folder, name) in world.disk().snapshot().keys() {
            let file = JournalFile::parse(name);
            let gone = !matches!(
                file,
                Some(
                    JournalFile::Journal(_)
                        | JournalFile::Temporary(_)
                        | JournalFile::Attempts(_)
                        | JournalFile::Intent(_)
                )
            );
            assert!(*folder != Folder::Journal || gone, "left over: {name}");
        }
    }
}

/// The files in `DATA_DIR` with the names of segments.
fn stored(world: &World) -> BTreeMap<String, Vec<u8>> {
    let files = world.disk().snapshot().into_iter();
    let data = files.filter(|((folder, _), _)| *folder == Folder::Data);
    data.map(|((_, name), bytes)| (name, bytes))
        .filter(|(name, _)| !name.starts_with("foreign"))
        .collect()
}

/// Every report in some segments, with how often it is there.
fn reports(segments: BTreeMap<String, Vec<u8>>) -> BTreeMap<u64, u32> {
    let mut reports = BTreeMap::new();
    for (name, bytes) in segments {
        assert!(SegmentName::parse(&name).is_some(), "foreign name {name}");
        let mut plain = String::new();
        ruzstd::decoding::StreamingDecoder::new(&bytes[..])
            .expect("a zstd frame")
            .read_to_string(&mut plain)
            .expect("a whole zstd frame");
        assert!(!plain.is_empty(), "{name} is empty");
        for line in plain.split_terminator('\n') {
            let report = number(line);
            assert_eq!(format!("{line}\n").into_bytes(), self::line(report));
            *reports.entry(report).or_insert(0) += 1;
        }
    }
    reports
}
