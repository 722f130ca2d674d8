//! Mistakes that the simulation must catch. Outside of tests none is ever made,
//! and the questions compile to nothing.

/// A step of the write path done wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// Requests are told before their reports are in the journal.
    AcknowledgeBeforeAppend,
    /// In `power` the journal is not synced.
    SkipSync,
    /// New names are not synced.
    SkipFolderSync,
    /// Frames are believed whatever their checksum.
    SkipChecksum,
    /// The journal goes before the segment is there.
    UnlinkBeforePublish,
    /// Segments are pruned whose journals may still be published.
    PruneUnsettled,
    /// A segment is linked though another has published it meanwhile.
    LinkThoughOvertaken,
    /// A segment is pruned though somebody reads it.
    PruneWhatIsRead,
}

#[cfg(test)]
thread_local! {
    static MADE: std::cell::Cell<Option<Mistake>> = const { std::cell::Cell::new(None) };
}

/// From now on this mistake is made in this thread.
#[cfg(test)]
pub(crate) fn make(mistake: Option<Mistake>) {
    MADE.set(mistake);
}

/// Whether a mistake is to be made.
#[cfg(test)]
pub(crate) fn made(mistake: Mistake) -> bool {
    MADE.get() == Some(mistake)
}

/// Whether a mistake is to be made: no.
#[cfg(not(test))]
pub(crate) const fn made(_: Mistake) -> bool {
    false
}
