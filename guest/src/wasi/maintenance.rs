//! The `maintenance` interface: what a native host's timer and shutdown call.

use super::Component;
use super::bindings::exports::netwatch::server::maintenance::{
    Guest, Metric, MetricKind, MetricSample, Recovery, Vitals,
};
use super::instance::{Instance, instance};
use crate::journal::name::Id;
use crate::metrics::collect;
use crate::metrics::exposition::{Family, Kind};
use std::rc::Rc;

async fn hosted() -> Result<Rc<Instance>, String> {
    let instance = instance().await.map_err(|problem| problem.detail)?;
    instance.store.set_flushed_by_host();
    Ok(instance)
}

impl Guest for Component {
    async fn identity() -> Result<String, String> {
        Ok(hosted().await?.store.instance().to_string())
    }

    async fn tick(shortage: Option<u64>) -> Vitals {
        match hosted().await {
            Ok(instance) => {
                instance.store.tick().await;
                if let Some(shortage) = shortage {
                    instance.store.look_after(shortage).await;
                }
                instance.store.vitals().await.into()
            }
            Err(error) => crate::store::Vitals {
                last_error: Some(error),
                ..crate::store::Vitals::default()
            }
            .into(),
        }
    }

    async fn metrics() -> Vec<Metric> {
        let Ok(instance) = hosted().await else {
            return Vec::new();
        };
        let store = &instance.store;
        let families = collect::families(store.metrics(), &store.holdings().await);
        families.into_iter().map(Metric::from).collect()
    }

    async fn drain() -> Result<(), String> {
        let drained = hosted().await?.store.drain().await;
        drained.map_err(|error| error.to_string())
    }

    async fn index() -> u32 {
        match hosted().await {
            Ok(instance) => {
                let missing = instance.store.index().await;
                u32::try_from(missing).unwrap_or(u32::MAX)
            }
            Err(_) => 0,
        }
    }

    async fn recover(alive: Vec<String>) -> Result<Recovery, String> {
        let instance = hosted().await?;
        let alive: Option<Vec<Id>> = alive.iter().map(|name| Id::parse(name)).collect();
        let alive = alive.ok_or("a name given as alive is no instance's")?;
        let recovery = instance
            .store
            .recover(&alive)
            .await
            .map_err(|e| e.to_string())?;
        Ok(Recovery {
            journals: recovery.journals,
            reports: recovery.reports,
            quarantined: recovery.quarantined,
        })
    }
}

impl From<Family> for Metric {
    fn from(family: Family) -> Self {
        let sample = |sample: crate::metrics::exposition::Sample| MetricSample {
            suffix: sample.suffix,
            labels: sample.labels,
            value: sample.value,
        };
        Metric {
            name: family.name,
            help: family.help,
            kind: match family.kind {
                Kind::Counter => MetricKind::Counter,
                Kind::Gauge => MetricKind::Gauge,
                Kind::Shared => MetricKind::Shared,
                Kind::Histogram => MetricKind::Histogram,
            },
            samples: family.samples.into_iter().map(sample).collect(),
        }
    }
}

impl From<crate::store::Vitals> for Vitals {
    fn from(vitals: crate::store::Vitals) -> Self {
        Vitals {
            pending_reports: vitals.pending_reports,
            pending_bytes: vitals.pending_bytes,
            sealed_journals: vitals.sealed_journals,
            writable: vitals.writable,
            accepted_reports: vitals.accepted_reports,
            published_segments: vitals.published_segments,
            published_bytes: vitals.published_bytes,
            raw_segments: vitals.raw_segments,
            publish_failures: vitals.publish_failures,
            quarantined_journals: vitals.quarantined_journals,
            last_error: vitals.last_error,
        }
    }
}
