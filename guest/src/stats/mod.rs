//! Statistics over reports: what each measured host's latency was, and when.

pub mod clients;
pub mod index_name;
pub mod latencies;
pub mod mapping;
pub mod rows;
pub mod side_file;
pub mod table;
