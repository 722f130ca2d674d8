//! What an operator can set, read from the environment's names.

use std::time::Duration;

/// What an acknowledgement survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: reports are in memory until the next flush.
    Memory,
    /// The end of the process: reports are with the operating system.
    Crash,
    /// Loss of power: reports are synced to the disk.
    Power,
}

/// Which pages may post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// `*`
    Any,
    /// Exactly these, compared as ASCII without case.
    Listed(Vec<String>),
}

/// The component's settings; the same names in every way of running it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `DATA_DIR` as the component sees it.
    pub data_dir: String,
    /// `FLUSH_BYTES`: a journal is sealed at this many bytes of lines.
    pub flush_bytes: u64,
    /// `FLUSH_INTERVAL`: … or this long after its first report.
    pub flush_interval: Duration,
    /// `DURABILITY`
    pub durability: Durability,
    /// `MAX_BODY_BYTES`: of one request, after decompression.
    pub max_body_bytes: u64,
    /// `ALLOWED_ORIGINS`
    pub allowed_origins: Origins,
    /// `INGEST_KEY`
    pub ingest_key: Option<String>,
    /// `DEBUG`
    pub debug: bool,
}
