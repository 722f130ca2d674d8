//! What is configured for one tenant.

use crate::config::{Reader, data_dir};
use crate::config_file::{Entry, Roll};
use crate::edge::{RateOptions, StoreClient};
use crate::limits;
use crate::real_path::real_path;
use crate::settings::SETTINGS;
use crate::sources::Sources;
use netwatch_guest::config::{Settings, parse_bytes};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

/// The one tenant of a server that was not told of others.
const ONLY: &str = "default";

/// Letters of a tenant's name: it is part of a path, a URL, a label and a log
/// line.
const NAME_BYTES: usize = 63;

/// Everything about one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TenantOptions {
    pub(crate) name: String,
    /// Host names that lead to it, in lower case.
    pub(crate) hosts: Vec<String>,
    /// `DATA_DIR`
    pub(crate) data_dir: PathBuf,
    pub(crate) component: ComponentOptions,
    /// `WORKERS`
    pub(crate) workers: usize,
    /// `MIN_FREE_BYTES`
    pub(crate) min_free_bytes: Option<u64>,
    /// `IDLE_TIME`; `None` for a tenant that is always there.
    pub(crate) idle_time: Option<Duration>,
    pub(crate) bounds: Bounds,
    pub(crate) rates: RateOptions,
    pub(crate) store_client: StoreClient,
    /// What the component makes of its variables.
    pub(crate) settings: Settings,
    /// The component's variables, as set.
    pub(crate) vars: BTreeMap<String, String>,
}

/// Which component a tenant's instances are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ComponentOptions {
    /// `COMPONENT`; the embedded one without it.
    pub(crate) file: Option<PathBuf>,
    /// The file's SHA-256, in lower-case hexadecimal, where it is pinned.
    pub(crate) sha256: Option<String>,
}

/// What a tenant may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// `MEMORY_BYTES` of one instance.
    pub(crate) memory_bytes: u64,
    /// `CPU_PER_CALL`
    pub(crate) cpu_per_call: Duration,
    /// `CPU_PER_SECOND`
    pub(crate) cpu_per_second: Option<Duration>,
    /// `REQUESTS_IN_FLIGHT`
    pub(crate) requests_in_flight: usize,
    /// `DISK_BYTES`
    pub(crate) disk_bytes: Option<u64>,
    /// `DISK_FILES`
    pub(crate) disk_files: Option<u64>,
}

impl TenantOptions {
    /// The one tenant of a server without a table of them.
    pub(crate) fn only(reader: &mut Reader<'_>) -> TenantOptions {
        let data_dir = data_dir(reader.sources);
        let cpus = available_parallelism().map_or(1, usize::from);
        let defaults = Defaults {
            workers: cpus,
            idle_time: None,
        };
        if let Some((source, _)) = reader.sources.find("IDLE_TIME") {
            // Connections live with its instances.
            let wrong = format!("IDLE_TIME ({source}) is for the tenants of a config file's table");
            reader.wrong.push(wrong);
        }
        TenantOptions::read(reader, Entry::only(), data_dir, defaults)
    }

    fn read(
        reader: &mut Reader<'_>,
        entry: Entry,
        data_dir: PathBuf,
        defaults: Defaults,
    ) -> TenantOptions {
        let mut vars: BTreeMap<String, String> = SETTINGS
            .iter()
            .filter(|setting| setting.is_of_component())
            .filter_map(|setting| {
                let value = reader.sources.get(setting.name)?.clone();
                Some((setting.name.to_owned(), value))
            })
            .collect();
        let settings = reader.settings(&vars);
        vars.extend(entry.env);
        let idle_time = reader.read("IDLE_TIME", "a duration like 5m", |text| {
            humantime::parse_duration(text).ok()
        });
        TenantOptions {
            name: entry.name,
            hosts: entry
                .hosts
                .iter()
                .map(|host| host.to_ascii_lowercase())
                .collect(),
            data_dir,
            component: ComponentOptions {
                file: reader.sources.get("COMPONENT").map(PathBuf::from),
                sha256: entry
                    .component_sha256
                    .map(|digest| digest.to_ascii_lowercase()),
            },
            workers: reader
                .read("WORKERS", "a number from 1 to 256", |text| {
                    let workers = text.parse().ok();
                    workers.filter(|workers| (1..=256).contains(workers))
                })
                .unwrap_or(defaults.workers),
            min_free_bytes: reader.read("MIN_FREE_BYTES", "a size like 1GiB", |text| {
                parse_bytes(text, 0, u64::MAX).ok()
            }),
            idle_time: idle_time.or(defaults.idle_time),
            bounds: Bounds::read(reader),
            rates: RateOptions::read(reader),
            store_client: StoreClient::read(reader),
            settings,
            vars,
        }
    }
}

/// What differs between the only tenant and one of many.
struct Defaults {
    workers: usize,
    idle_time: Option<Duration>,
}

impl Entry {
    fn only() -> Entry {
        Entry {
            name: ONLY.to_owned(),
            ..Entry::default()
        }
    }
}

impl Bounds {
    fn read(reader: &mut Reader<'_>) -> Bounds {
        let count = |text: &str| text.parse().ok().filter(|count| *count > 0);
        let size = |text: &str| parse_bytes(text, 1 << 20, u64::MAX).ok();
        let memory = reader.read("MEMORY_BYTES", "a size from 16MiB to 4GiB", |text| {
            parse_bytes(text, 16 << 20, 4 << 30).ok()
        });
        let per_call = reader.read("CPU_PER_CALL", "a duration from 10ms on, like 5s", |text| {
            let time = humantime::parse_duration(text).ok();
            time.filter(|time| *time >= Duration::from_millis(10))
        });
        let per_second = reader.read("CPU_PER_SECOND", "a number from 0.01 to 256", |text| {
            let factor = text.parse().ok();
            factor
                .filter(|factor| (0.01..=256.0).contains(factor))
                .map(Duration::from_secs_f64)
        });
        let in_flight = reader.read("REQUESTS_IN_FLIGHT", "a number from 1 on", |text| {
            text.parse().ok().filter(|count| *count > 0)
        });
        Bounds {
            memory_bytes: memory.unwrap_or(limits::MEMORY_BYTES as u64),
            cpu_per_call: per_call.unwrap_or(limits::RUNAWAY),
            cpu_per_second: per_second,
            requests_in_flight: in_flight.unwrap_or(limits::REQUESTS_IN_FLIGHT),
            disk_bytes: reader.read("DISK_BYTES", "a size from 1MiB on", size),
            disk_files: reader.read("DISK_FILES", "a number from 1 on", count),
        }
    }
}

/// Everybody on the roll, and in `wrong` what keeps them from being served
/// together.
pub(crate) fn roll_call(
    sources: &Sources,
    roll: &Roll,
    wrong: &mut Vec<String>,
) -> Vec<TenantOptions> {
    let root = data_root(sources, roll);
    for name in ["INGEST_KEY", "READ_TOKEN"] {
        if let Some((source, _)) = sources.find(name) {
            wrong.push(format!(
                "{name} ({source}) would be every tenant's; put it into each [[tenant]]"
            ));
        }
    }
    if roll.tenants.is_empty() {
        wrong.push("the config file has tables, but no [[tenant]]".to_owned());
    }
    let mut tenants: Vec<TenantOptions> = Vec::with_capacity(roll.tenants.len());
    let mut seen = Seen::default();
    for entry in &roll.tenants {
        let own = sources.of_tenant(entry, &roll.defaults);
        let mut reader = Reader {
            sources: &own,
            wrong: Vec::new(),
        };
        let data_dir = entry
            .values
            .get("DATA_DIR")
            .map_or_else(|| root.join(&entry.name), PathBuf::from);
        let defaults = Defaults {
            workers: 1,
            idle_time: Some(limits::IDLE_TIME),
        };
        let tenant = TenantOptions::read(&mut reader, entry.clone(), data_dir, defaults);
        seen.check(&tenant, &mut reader.wrong);
        let place = format!("line {}, tenant {:?}", entry.line, entry.name);
        let found = reader.wrong.iter();
        wrong.extend(found.map(|found| format!("{place}: {found}")));
        tenants.push(tenant);
    }
    tenants
}

/// The directory in which tenants have theirs, unless they are told of another.
pub(crate) fn data_root(sources: &Sources, roll: &Roll) -> PathBuf {
    data_dir(&sources.of_tenant(&Entry::default(), &roll.defaults))
}

/// What must be one tenant's alone.
#[derive(Default)]
struct Seen {
    names: BTreeSet<String>,
    hosts: BTreeSet<String>,
    keys: BTreeSet<String>,
    directories: Vec<PathBuf>,
}

impl Seen {
    fn check(&mut self, tenant: &TenantOptions, wrong: &mut Vec<String>) {
        if !is_name(&tenant.name) {
            wrong.push(format!(
                "the name {:?} cannot be used: give up to {NAME_BYTES} of a-z, 0-9 and -, a \
                 letter or digit first",
                tenant.name
            ));
        }
        if !self.names.insert(tenant.name.clone()) {
            wrong.push("another tenant has this name".to_owned());
        }
        for host in &tenant.hosts {
            if !is_host(host) {
                wrong.push(format!(
                    "the host {host:?} cannot be used: give a host name or address without port"
                ));
            }
            if !self.hosts.insert(host.clone()) {
                wrong.push(format!("another tenant has the host {host:?}"));
            }
        }
        if let Some(key) = &tenant.settings.ingest_key
            && !self.keys.insert(key.clone())
        {
            wrong.push("another tenant has this ingest_key".to_owned());
        }
        match &tenant.component {
            ComponentOptions {
                file: None,
                sha256: Some(_),
            } => wrong.push("component_sha256 needs a component".to_owned()),
            ComponentOptions {
                sha256: Some(digest),
                ..
            } if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                wrong.push("component_sha256: give 64 hexadecimal digits".to_owned());
            }
            _ => {}
        }
        let directory = real_path(&tenant.data_dir);
        let other = self
            .directories
            .iter()
            .find(|other| other.starts_with(&directory) || directory.starts_with(other));
        if let Some(other) = other {
            wrong.push(format!(
                "its data_dir {} and another tenant's, {}, are one in the other",
                directory.display(),
                other.display()
            ));
        }
        self.directories.push(directory);
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= NAME_BYTES
        && name.bytes().all(allowed)
        && !name.starts_with('-')
        && !name.is_empty()
}

fn is_host(host: &str) -> bool {
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    address || (!host.is_empty() && host.len() <= 253 && host.bytes().all(allowed))
}
