//! Statistics over reports: what each measured host's latency was, and when.

pub mod table;
