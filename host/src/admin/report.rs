//! What is said of a tenant.

use crate::tenant::{Tenant, count_directory};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// `GET /tenants`
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Rows {
    pub(crate) tenants: Vec<Row>,
}

/// One tenant: its state, and what it uses of what it may use.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// `awake`, `asleep` or `failing`
    pub(crate) state: String,
    /// `embedded`, or the SHA-256 of its file.
    pub(crate) component: String,
    pub(crate) workers: usize,
    pub(crate) requests_in_flight: usize,
    pub(crate) requests_in_flight_limit: usize,
    /// Of all its instances together.
    pub(crate) memory_bytes: u64,
    /// Of each instance.
    pub(crate) memory_bytes_limit: u64,
    pub(crate) cpu_seconds: f64,
    /// A second.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) cpu_seconds_limit: Option<f64>,
    pub(crate) disk_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) disk_bytes_limit: Option<u64>,
    pub(crate) disk_files: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) disk_files_limit: Option<u64>,
    /// Instances that ended with an error.
    pub(crate) failures: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) last_error: Option<String>,
}

impl Row {
    pub(crate) async fn of(tenant: &Arc<Tenant>) -> Row {
        let terms = tenant.terms();
        let bounds = &terms.options.bounds;
        let crew = tenant.present_crew();
        let state = match &crew {
            Some(_) => "awake",
            None if tenant.is_failing() => "failing",
            None => "asleep",
        };
        let directory = tenant.premises.data_dir.clone();
        let counted = tokio::task::spawn_blocking(move || count_directory(&directory)).await;
        let used = counted.unwrap_or_default();
        Row {
            name: tenant.name.to_string(),
            state: state.to_owned(),
            component: terms.component.identity.to_string(),
            workers: crew.map_or(0, |crew| crew.workers.0.len()),
            requests_in_flight: tenant.in_flight(),
            requests_in_flight_limit: bounds.requests_in_flight,
            memory_bytes: tenant.meters.memory_bytes(),
            memory_bytes_limit: bounds.memory_bytes,
            cpu_seconds: tenant.cpu.used().as_secs_f64(),
            cpu_seconds_limit: bounds.cpu_per_second.map(|second| second.as_secs_f64()),
            disk_bytes: used.bytes,
            disk_bytes_limit: bounds.disk_bytes,
            disk_files: used.files,
            disk_files_limit: bounds.disk_files,
            failures: tenant.meters.failures(),
            last_error: tenant.last_error(),
        }
    }

    pub(crate) fn json(&self) -> String {
        // Strings and numbers always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Rows {
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
