//! Which request is whose.

use super::Tenant;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST, HeaderName};
use http::request::Parts;
use netwatch_guest::http::key;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Before a tenant's name in a path.
const PREFIX: &str = "/t/";

/// The tenants of a server, and how requests find them.
#[derive(Default)]
pub(crate) struct Directory {
    tenants: BTreeMap<Arc<str>, Arc<Tenant>>,
    hosts: HashMap<String, Arc<Tenant>>,
    keys: HashMap<String, Arc<Tenant>>,
    /// The one that gets everything, where there is no choice.
    only: Option<Arc<Tenant>>,
}

/// Whose a request is, and what of its path is not for the tenant to see.
pub(crate) struct Found {
    pub(crate) tenant: Arc<Tenant>,
    /// Bytes of the path that led here: `/t/NAME`, or none.
    pub(crate) prefix: usize,
}

impl Directory {
    /// A directory of one, who gets every request.
    pub(crate) fn of_one(tenant: Arc<Tenant>) -> Directory {
        let tenants = BTreeMap::from([(Arc::clone(&tenant.name), Arc::clone(&tenant))]);
        Directory {
            tenants,
            only: Some(tenant),
            ..Directory::default()
        }
    }

    /// A directory of many. That no two share what leads to them was checked with
    /// their configuration.
    pub(crate) fn of_many(tenants: impl IntoIterator<Item = Arc<Tenant>>) -> Directory {
        let mut directory = Directory::default();
        for tenant in tenants {
            let terms = tenant.terms();
            for host in &terms.options.hosts {
                directory.hosts.insert(host.clone(), Arc::clone(&tenant));
            }
            if let Some(key) = &terms.options.settings.ingest_key {
                directory.keys.insert(key.clone(), Arc::clone(&tenant));
            }
            directory.tenants.insert(Arc::clone(&tenant.name), tenant);
        }
        directory
    }

    /// The one who gets everything, where there is no choice.
    pub(crate) fn only(&self) -> Option<&Arc<Tenant>> {
        self.only.as_ref()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.tenants.values()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Tenant>> {
        self.tenants.get(name)
    }

    /// Whose a request is: by `/t/NAME`, by the host it is for, or by the ingest
    /// key it shows, in this order.
    pub(crate) fn find(&self, head: &Parts) -> Option<Found> {
        if let Some(tenant) = &self.only {
            let tenant = Arc::clone(tenant);
            return Some(Found { tenant, prefix: 0 });
        }
        if let Some(rest) = head.uri.path().strip_prefix(PREFIX) {
            let name = rest.split('/').next().unwrap_or_default();
            let tenant = Arc::clone(self.tenants.get(name)?);
            let prefix = PREFIX.len() + name.len();
            return Some(Found { tenant, prefix });
        }
        let tenant = host(head)
            .and_then(|host| self.hosts.get(&host))
            .or_else(|| self.keys.get(&shown_key(head)?))?;
        let tenant = Arc::clone(tenant);
        Some(Found { tenant, prefix: 0 })
    }
}

/// The host a request is for, without its port.
fn host(head: &Parts) -> Option<String> {
    let authority = match head.uri.host() {
        Some(host) => return Some(host.to_ascii_lowercase()),
        None => text(&head.headers, &HOST)?,
    };
    let end = match authority.strip_prefix('[') {
        Some(_) => authority.find(']')? + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    Some(authority.get(..end)?.to_ascii_lowercase())
}

fn shown_key(head: &Parts) -> Option<String> {
    key::find(
        text(&head.headers, &AUTHORIZATION),
        text(&head.headers, &HeaderName::from_static("x-api-key")),
        head.uri.query(),
    )
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
