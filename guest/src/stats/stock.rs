//! Takes stock: which segments there are, and what journals hold besides, so
//! that every report counts exactly once while journals are being published.
//!
//! 1. The journals are listed and counted, each by itself. *One that is gone by
//!    then has its segment already.*
//! 2. The segments are listed, then the plans are read, then the journals are
//!    listed again.
//! 3. A journal does not count that has its id in a segment's name (it was
//!    published alone), or that a plan names whose segment is there. As a plan
//!    stays until after its journals have gone, such a journal that no plan names
//!    any more is not in the second listing.
//! 4. A journal that is not in it, and not explained so, may or may not be in a
//!    segment that was listed. If there is a segment of its id by now, it was
//!    published alone and after the listing, and counts; otherwise all is begun
//!    again.

use super::StatsError;
use super::lines::Counter;
use super::mapping::Mapping;
use super::question::Question;
use super::rows::Rows;
use crate::clock::Clock;
use crate::disk::{Disk, DiskError, DiskFile, DiskResult, Folder};
use crate::journal::name::{JournalFile, JournalName};
use crate::limits::{MAX_PLAN_BYTES, MAX_STOCK_ATTEMPTS};
use crate::query::source::{self, Unreadable};
use crate::segment::name::{MAX_MS, SegmentName};
use crate::store::plan::Plan;
use std::collections::HashSet;

/// What there is to count.
#[derive(Default)]
pub(super) struct Stock {
    /// By their first report.
    pub(super) segments: Vec<SegmentName>,
    /// What journals hold that are in none of the segments.
    pub(super) journals: Vec<Rows>,
    /// Files that could not be read, with the reason.
    pub(super) problems: Vec<String>,
}

/// Takes stock for a question.
///
/// # Errors
/// Those of the disk, or that reports are published faster than they are read.
pub(super) async fn take<D: Disk, C: Clock>(
    disk: &D,
    clock: &C,
    mapping: &Mapping,
    question: &Question,
) -> Result<Stock, StatsError> {
    for _ in 0..MAX_STOCK_ATTEMPTS {
        if let Some(stock) = attempt(disk, clock, mapping, question).await? {
            return Ok(stock);
        }
        clock.breathe().await;
    }
    Err(StatsError::Restless)
}

async fn attempt<D: Disk, C: Clock>(
    disk: &D,
    clock: &C,
    mapping: &Mapping,
    question: &Question,
) -> DiskResult<Option<Stock>> {
    let mut stock = Stock::default();
    let counted = count_journals(disk, clock, mapping, question, &mut stock).await?;
    let (segments, foreign) = source::segments(disk).await?;
    stock.segments = segments;
    for name in foreign {
        stock
            .problems
            .push(format!("{name}: not the name of a segment"));
    }
    if counted.is_empty() {
        return Ok(Some(stock));
    }
    let there: HashSet<&SegmentName> = stock.segments.iter().collect();
    let ids: HashSet<[u8; 16]> = stock.segments.iter().map(|segment| segment.id).collect();
    let mut published = HashSet::new();
    for plan in plans(disk).await? {
        if there.contains(&plan.segment) {
            published.extend(plan.journals.into_iter().map(|(journal, _)| journal));
        }
    }
    let remaining: HashSet<JournalName> = source::journals(disk).await?.into_iter().collect();
    let mut gone = Vec::new();
    for (name, rows) in counted {
        if ids.contains(&name.id.0) || published.contains(&name) {
            continue;
        }
        if remaining.contains(&name) {
            stock.journals.push(rows);
        } else {
            gone.push((name, rows));
        }
    }
    if gone.is_empty() {
        return Ok(Some(stock));
    }
    let (segments, _) = source::segments(disk).await?;
    let ids: HashSet<[u8; 16]> = segments.into_iter().map(|segment| segment.id).collect();
    for (name, rows) in gone {
        if !ids.contains(&name.id.0) {
            return Ok(None);
        }
        stock.journals.push(rows);
    }
    Ok(Some(stock))
}

/// Counts each journal that holds something the question is about.
async fn count_journals<D: Disk, C: Clock>(
    disk: &D,
    clock: &C,
    mapping: &Mapping,
    question: &Question,
    stock: &mut Stock,
) -> DiskResult<Vec<(JournalName, Rows)>> {
    let mut counted = Vec::new();
    for name in source::journals(disk).await? {
        let mut counter = Counter::to_answer(mapping, question, (0, MAX_MS));
        let read = source::read_journal(disk, clock, &name, |line| counter.line(line)).await;
        match read {
            Ok(()) => {}
            Err(Unreadable::Gone) => continue,
            // What was shown is good, and will be published.
            Err(Unreadable::Content(why)) => {
                stock.problems.push(format!("journal {}: {why}", name.id));
            }
            Err(Unreadable::Disk(error)) => return Err(error),
        }
        if !counter.rows.is_empty() {
            counted.push((name, counter.rows));
        }
    }
    Ok(counted)
}

/// The plans there are, carried out or not.
async fn plans<D: Disk>(disk: &D) -> DiskResult<Vec<Plan>> {
    let mut plans = Vec::new();
    for name in disk.list(Folder::Journal).await? {
        let Some(JournalFile::Plan(_)) = JournalFile::parse(&name) else {
            continue;
        };
        let bytes = match disk.open(Folder::Journal, &name, false).await {
            Ok(file) => file.read_at(0, MAX_PLAN_BYTES).await?,
            // Carried out: its journals are gone as well.
            Err(DiskError::NotFound) => continue,
            Err(error) => return Err(error),
        };
        plans.extend(Plan::parse(&bytes));
    }
    Ok(plans)
}
