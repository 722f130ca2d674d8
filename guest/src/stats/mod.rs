//! Statistics over reports: what each measured host's latency was, and when.
//!
//! A [`question::Question`] is answered ([`answer`]) as a [`table::Table`]. What
//! is asked most, by host and in whole minutes, is answered from a file for each
//! segment below `index/` ([`index`], [`side_file`]), which holds sketches
//! ([`latencies`], [`clients`]) by minute and host ([`rows`]). Everything else is
//! counted from the reports themselves ([`lines`]), as are the journals
//! ([`stock`]). Over long periods the files of whole hours and days are taken
//! instead ([`roll_up`]); [`upkeep`] makes them all in good time. [`fold`] puts
//! everything together.
//!
//! This module knows the stored formats, disk and clock, and no HTTP.

mod answer;
pub mod clients;
mod fold;
mod index;
pub mod index_name;
pub mod latencies;
mod lines;
pub mod mapping;
pub mod question;
mod roll_up;
pub mod rows;
pub mod side_file;
mod stock;
pub mod table;
mod upkeep;

#[cfg(test)]
mod tests;

pub use answer::{StatsError, answer};
pub use lines::NONE;
pub use upkeep::Upkeep;
