//! One instance of the component, from its birth to its end.

use super::duty::Duty;
use super::roster::Entry;
use super::turns::taking_turns;
use super::{Inbox, Seat, bindings};
use crate::limits;
use crate::state::{self, Grant, State, Usage};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use tokio::sync::{OwnedMutexGuard, oneshot};
use tokio::time::timeout;
use wasmtime::{Result, Store, format_err};
use wasmtime_wasi_http::p3::bindings::Service;

/// An instance that has a name and can be served from.
pub(crate) struct Instance {
    store: Store<State>,
    /// `None` for a component that only handles HTTP.
    collector: Option<bindings::Collector>,
    service: Arc<Service>,
    entry: Arc<Entry>,
    usage: Arc<Usage>,
}

/// Why an instance stopped taking work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// It has not.
    Stay,
    /// Another takes its place.
    Relieved,
    /// The server ends.
    Stop,
}

impl Instance {
    /// Makes an instance, asks its name and enters it in the roster.
    pub(crate) async fn start(seat: &Seat) -> Result<Instance> {
        let options = &seat.terms.options;
        let grant = Grant {
            data_dir: &seat.tenant.premises.data_dir,
            vars: &options.vars,
            bounds: &options.bounds,
            quota: &seat.tenant.premises.quota,
            cpu: &seat.tenant.cpu,
            thread: &seat.thread,
            log: &seat.log,
        };
        let component = &seat.terms.component;
        let mut store = state::store(component.code.engine(), &grant)?;
        let usage = store.data().usage();
        let _gate = seat.roster().gate().await;
        let starting = async {
            let instance = component.code.instantiate_async(&mut store).await?;
            let service = Arc::new(Service::new(&mut store, &instance)?);
            if !component.is_collector {
                return Ok((service, None, name_one()));
            }
            let collector = bindings::Collector::new(&mut store, &instance)?;
            let maintenance = collector.netwatch_server_maintenance();
            let name = store
                .run_concurrent(async |store| maintenance.call_identity(store).await)
                .await??
                .map_err(|reason| format_err!("the component cannot work: {reason}"))?;
            Ok((service, Some(collector), name))
        };
        let started = timeout(limits::START_TIME, starting).await;
        let (service, collector, name) =
            started.unwrap_or_else(|_| Err(format_err!("it does not say its name in time")))?;
        Ok(Instance {
            entry: Arc::new(seat.roster().enter(name)),
            store,
            collector,
            service,
            usage,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.entry.name
    }

    /// Serves from the inbox until it is told to leave, finishes what it has
    /// taken and publishes what it holds. Says through `left` that the inbox is
    /// free.
    ///
    /// # Errors
    ///
    /// A trap, or a reason why something is left in the journal.
    pub(crate) async fn run(
        self,
        seat: &Seat,
        mut inbox: OwnedMutexGuard<Inbox>,
        left: oneshot::Sender<Leave>,
    ) -> Result<()> {
        let Instance {
            mut store,
            collector,
            service,
            entry,
            usage,
        } = self;
        let run = store.run_concurrent(async |store| {
            let duty = Duty::new(
                store,
                seat,
                collector.as_ref(),
                &service,
                &usage,
                &entry.name,
            );
            let why = watched(&usage, duty.serve(&mut inbox)).await?;
            drop(inbox);
            let _ = left.send(why);
            watched(&usage, duty.finish()).await
        });
        let ended = taking_turns(run).await.and_then(|finished| finished);
        // What it was refused in its last second is else not counted.
        seat.meter
            .watched(usage.memory_bytes(), usage.take_refused_growth());
        drop(store);
        drop(entry);
        ended
    }
}

/// A name for an instance that does not say one.
fn name_one() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("instance-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Runs `duty`, noting whenever it is its turn: Wasm has then given up control.
async fn watched<T>(usage: &Usage, duty: impl Future<Output = T>) -> T {
    let mut duty = pin!(duty);
    std::future::poll_fn(|context| {
        usage.gave_up_control();
        let polled: Poll<T> = duty.as_mut().poll(context);
        polled
    })
    .await
}
