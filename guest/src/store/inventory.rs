//! What is stored: the published segments and their sizes, and who reads them.
//!
//! A published file never changes, so its size is asked for once.

use super::Store;
use crate::clock::Clock;
use crate::disk::{Disk, DiskError, DiskFile, DiskResult, Folder};
use crate::limits::{INVENTORY_SHARE, INVENTORY_TRUST, MAX_INVENTORY, MAX_SIZES_A_LOOK};
use crate::segment::name::SegmentName;
use std::cell::RefCell;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;
use std::time::Duration;

/// What an instance knows of the stored segments.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    sizes: BTreeMap<SegmentName, u64>,
    /// Segments that are younger than all of these and not known one by one.
    beyond: u64,
    /// All of them.
    segments: u64,
    /// When it was taken, and how long that took.
    taken: Option<(Duration, Duration)>,
}

impl Inventory {
    /// What those beyond are taken for.
    fn beyond_bytes(&self) -> u64 {
        let known: u64 = self.sizes.values().sum();
        let each = known.checked_div(self.sizes.len() as u64).unwrap_or(0);
        self.beyond.saturating_mul(each)
    }
}

/// All that is stored.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// The oldest segments, in the order in which they are to go: by when their
    /// last report was received.
    pub(super) stored: Vec<Stored>,
    /// Bytes of the others; 0 if these are all.
    pub(super) beyond_bytes: u64,
}

/// A published segment; its size, bytes, if it is known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) name: SegmentName,
    pub(super) bytes: Option<u64>,
}

/// The segments that are being read in this instance.
pub(super) type Readers = Rc<RefCell<BTreeMap<SegmentName, u32>>>;

/// As long as this lives, its segment is not pruned by this instance. Another
/// may remove the name; what is open stays readable to its end all the same, as
/// POSIX has it.
#[derive(Debug)]
pub struct Reading {
    readers: Readers,
    name: SegmentName,
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut readers = self.readers.borrow_mut();
        if let Some(number) = readers.get_mut(&self.name) {
            *number -= 1;
            if *number == 0 {
                readers.remove(&self.name);
            }
        }
    }
}

impl<D: Disk, C: Clock> Store<D, C> {
    /// Says that a segment is being read.
    pub fn reading(&self, name: SegmentName) -> Reading {
        *self.readers.borrow_mut().entry(name).or_insert(0) += 1;
        Reading {
            readers: Rc::clone(&self.readers),
            name,
        }
    }

    pub(super) fn is_read(&self, name: &SegmentName) -> bool {
        self.readers.borrow().contains_key(name)
    }

    /// Whether looking again would not take too much of the time.
    pub(super) fn may_look(&self, now: Duration) -> bool {
        let taken = self.inventory.borrow().taken;
        taken.is_none_or(|(at, took)| now.saturating_sub(at) >= took * INVENTORY_SHARE)
    }

    /// The published segments, as [`Folder::Data`] is now.
    pub(super) async fn take_inventory(&self) -> DiskResult<Shelf> {
        let began = self.clock.monotonic();
        let begin = || (BinaryHeap::new(), 0_u64);
        let put = |(oldest, number): &mut (BinaryHeap<(u64, SegmentName)>, u64), name: &str| {
            let Some(name) = SegmentName::parse(name) else {
                return;
            };
            *number += 1;
            oldest.push((name.last_ms, name));
            if oldest.len() > MAX_INVENTORY {
                oldest.pop();
            }
        };
        let (oldest, number) = self.disk.scan(Folder::Data, begin, put).await?;
        let mut stored: Vec<Stored> = {
            let known = &self.inventory.borrow().sizes;
            let sized = |(_, name)| Stored {
                name,
                bytes: known.get(&name).copied(),
            };
            oldest.into_sorted_vec().into_iter().map(sized).collect()
        };
        let unknown = stored.iter_mut().filter(|one| one.bytes.is_none());
        for one in unknown.take(MAX_SIZES_A_LOOK) {
            one.bytes = self.size_of(&one.name).await?;
            self.clock.breathe().await;
        }
        let sizes = stored.iter().filter_map(|one| Some((one.name, one.bytes?)));
        let mut inventory = self.inventory.borrow_mut();
        inventory.sizes = sizes.collect();
        inventory.segments = number;
        inventory.beyond = number - stored.len() as u64;
        let now = self.clock.monotonic();
        inventory.taken = Some((now, now.saturating_sub(began)));
        let beyond_bytes = inventory.beyond_bytes();
        Ok(Shelf {
            stored,
            beyond_bytes,
        })
    }

    /// `None` where the file has gone meanwhile.
    async fn size_of(&self, name: &SegmentName) -> DiskResult<Option<u64>> {
        let path = name.to_string();
        match self.disk.open(Folder::Data, &path, false).await {
            Ok(file) => file.size().await.map(Some),
            Err(DiskError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn forget(&self, name: &SegmentName) {
        let mut inventory = self.inventory.borrow_mut();
        inventory.sizes.remove(name);
        inventory.segments = inventory.segments.saturating_sub(1);
    }

    /// Segments and their bytes. Looks where nobody in this instance has lately and
    /// it does not take too much of the time; `None` where the disk does not say.
    pub async fn stored(&self) -> Option<(u64, u64)> {
        if self.stored_lately().is_none() && self.may_look(self.clock.monotonic()) {
            self.take_inventory().await.ok()?;
        }
        self.stored_lately()
    }

    /// Segments and their bytes, if this instance has looked lately.
    pub(super) fn stored_lately(&self) -> Option<(u64, u64)> {
        let inventory = self.inventory.borrow();
        let (at, took) = inventory.taken?;
        let trusted = (took * INVENTORY_SHARE).max(INVENTORY_TRUST) + took;
        let fresh = self.clock.monotonic().saturating_sub(at) <= trusted;
        let bytes = || inventory.sizes.values().sum::<u64>() + inventory.beyond_bytes();
        fresh.then(|| (inventory.segments, bytes()))
    }
}
