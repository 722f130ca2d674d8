//! Who is not needed rests, and who has something left to do is woken.

use super::{Awake, Directory, Tenant};
use crate::limits;
use arc_swap::ArcSwap;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Looks after the tenants of a server until it stops: those that are idle give up
/// their instances; those that hold journals nobody works on, or have files to be
/// pruned, get instances for a while.
pub(crate) async fn watch(
    directory: Arc<ArcSwap<Directory>>,
    awake: Awake,
    mut stop: watch::Receiver<bool>,
) {
    let resting: Arc<Mutex<BTreeSet<Arc<str>>>> = Arc::default();
    let mut round = Instant::now();
    // Beside the loop: they may have to wait until it has made room.
    tokio::spawn(wake_those_with_journals(directory.load_full()));
    loop {
        tokio::select! {
            () = tokio::time::sleep(limits::IDLE_LOOK) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let tenants = directory.load_full();
        for tenant in tenants.all() {
            if is_idle(tenant) {
                let_rest(tenant, &resting);
            }
        }
        for tenant in dispensable(&tenants, awake.waiting()) {
            let_rest(tenant, &resting);
        }
        if round.elapsed() >= limits::ERRAND_ROUND {
            round = Instant::now();
            tokio::spawn(wake_those_with_something_to_do(tenants));
        }
    }
}

fn is_idle(tenant: &Tenant) -> bool {
    let crew = tenant.present_crew();
    let idle_time = crew.and_then(|crew| crew.terms.options.idle_time);
    idle_time.is_some_and(|time| is_idle_for(tenant, time))
}

fn is_idle_for(tenant: &Tenant, time: Duration) -> bool {
    tenant.present_crew().is_some_and(|crew| {
        let at_peace = tenant.premises.roster.is_recovered() && !crew.workers.are_busy();
        at_peace && tenant.idle() >= time
    })
}

/// As many as are waited for of those that have been idle longest.
fn dispensable(tenants: &Directory, waiting: usize) -> Vec<&Arc<Tenant>> {
    if waiting == 0 {
        return Vec::new();
    }
    let idle = |tenant: &&Arc<Tenant>| is_idle_for(tenant, limits::IDLE_LEAST);
    let mut idle: Vec<_> = tenants.all().filter(idle).collect();
    idle.sort_by_key(|tenant| std::cmp::Reverse(tenant.idle()));
    idle.truncate(waiting);
    idle
}

/// At most once at a time for each.
fn let_rest(tenant: &Arc<Tenant>, resting: &Arc<Mutex<BTreeSet<Arc<str>>>>) {
    let names = |resting: &Mutex<BTreeSet<Arc<str>>>,
                 f: &dyn Fn(&mut BTreeSet<Arc<str>>) -> bool| {
        f(&mut resting.lock().unwrap_or_else(PoisonError::into_inner))
    };
    let name = Arc::clone(&tenant.name);
    if !names(resting, &|names| names.insert(Arc::clone(&name))) {
        return;
    }
    let (tenant, resting) = (Arc::clone(tenant), Arc::clone(resting));
    tokio::spawn(async move {
        tracing::debug!(
            tenant = &*name,
            "idle; publishing and giving up its instances"
        );
        tenant.rest().await;
        names(&resting, &|names| names.remove(&name));
    });
}

/// Acknowledged reports that an earlier server left unpublished.
async fn wake_those_with_journals(tenants: Arc<Directory>) {
    for tenant in tenants.all() {
        if tenant.premises.holds_journals() {
            // One after another: each takes a while of a processor. Why it does
            // not start is in the log.
            let _ = tenant.crew().await;
        }
    }
}

/// Files to prune, or journals that were left behind.
async fn wake_those_with_something_to_do(tenants: Arc<Directory>) {
    for tenant in tenants.all() {
        let terms = tenant.terms();
        let settings = &terms.options.settings;
        let prunes = settings.retention_age.is_some()
            || settings.retention_bytes.is_some()
            || terms.options.min_free_bytes.is_some();
        let waits = prunes || tenant.premises.holds_journals();
        if waits && tenant.present_crew().is_none() {
            let _ = tenant.crew().await;
        }
    }
}
