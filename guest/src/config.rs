//! What an operator can set, read from the environment's names. The native host
//! parses with the same functions.

use crate::limits::{FLUSH_BYTES_CEILING, FLUSH_BYTES_FLOOR, MAX_BODY_BYTES_CEILING};
use crate::limits::{RETENTION_AGE_FLOOR, RETENTION_BYTES_FLOOR};
use crate::stats::mapping::{self, Mapping};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What an acknowledgement survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: reports are in memory until the next flush.
    Memory,
    /// The end of the process: reports are with the operating system.
    #[default]
    Crash,
    /// Loss of power: reports are synced to the disk.
    Power,
}

impl FromStr for Durability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "memory" => Ok(Durability::Memory),
            "crash" => Ok(Durability::Crash),
            "power" => Ok(Durability::Power),
            _ => Err("memory, crash or power".to_owned()),
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Durability::Memory => "memory",
            Durability::Crash => "crash",
            Durability::Power => "power",
        })
    }
}

/// Which pages may post.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// `*`
    #[default]
    Any,
    /// Exactly these, in lower case.
    Listed(Vec<String>),
}

impl Origins {
    /// Whether a page of this origin (RFC 6454 §6.2) may post.
    pub fn allow(&self, origin: &str) -> bool {
        match self {
            Origins::Any => true,
            Origins::Listed(origins) => origins.iter().any(|o| o.eq_ignore_ascii_case(origin)),
        }
    }
}

impl FromStr for Origins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "*" {
            return Ok(Origins::Any);
        }
        let origins = text
            .split(',')
            .map(parse_origin)
            .collect::<Option<Vec<_>>>();
        origins.map(Origins::Listed).ok_or_else(|| {
            "* or a comma-separated list of origins like https://app.example:8443".to_owned()
        })
    }
}

fn parse_origin(text: &str) -> Option<String> {
    let origin = text.trim().to_ascii_lowercase();
    let uri: http::Uri = origin.parse().ok()?;
    let bare = format!("{}://{}", uri.scheme_str()?, uri.authority()?);
    (bare == origin && !origin.contains('@')).then_some(origin)
}

/// A number of bytes, with or without a unit: `10MiB`, `10 MB`, `10485760`.
///
/// # Errors
/// The accepted form.
pub fn parse_bytes(text: &str, floor: u64, ceiling: u64) -> Result<u64, String> {
    let form = || format!("a size like 10MiB, between {floor} and {ceiling} bytes");
    let bytes = bytesize::ByteSize::from_str(text.trim())
        .map_err(|_| form())?
        .as_u64();
    if (floor..=ceiling).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(form())
    }
}

/// `FLUSH_BYTES`. See [`parse_bytes`].
///
/// # Errors
/// The accepted form.
pub fn parse_flush_bytes(text: &str) -> Result<u64, String> {
    parse_bytes(text, FLUSH_BYTES_FLOOR, FLUSH_BYTES_CEILING)
}

/// `MAX_BODY_BYTES`. See [`parse_bytes`].
///
/// # Errors
/// The accepted form.
pub fn parse_max_body_bytes(text: &str) -> Result<u64, String> {
    parse_bytes(text, 1 << 10, MAX_BODY_BYTES_CEILING)
}

/// `FLUSH_INTERVAL`, with a unit: `60s`, `1m 30s`, `500ms`.
///
/// # Errors
/// The accepted form.
pub fn parse_flush_interval(text: &str) -> Result<Duration, String> {
    let range = Duration::from_millis(100)..=Duration::from_secs(86_400);
    humantime::parse_duration(text.trim())
        .ok()
        .filter(|interval| range.contains(interval))
        .ok_or_else(|| "a duration with its unit like 60s, between 100ms and 24h".to_owned())
}

/// `RETENTION_AGE`, with a unit: `30d`, `12h`.
///
/// # Errors
/// The accepted form.
pub fn parse_retention_age(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text.trim())
        .ok()
        .filter(|age| *age >= RETENTION_AGE_FLOOR)
        .ok_or_else(|| "a duration with its unit like 30d, at least 1m".to_owned())
}

/// `RETENTION_BYTES`, of the files in `DATA_DIR`. See [`parse_bytes`].
///
/// # Errors
/// The accepted form.
pub fn parse_retention_bytes(text: &str) -> Result<u64, String> {
    parse_bytes(text, RETENTION_BYTES_FLOOR, u64::MAX)
}

/// A switch: `true`, `false`, `1`, `0`, `yes`, `no`, `on`, `off`.
///
/// # Errors
/// The accepted form.
pub fn parse_switch(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("true or false".to_owned()),
    }
}

/// `INGEST_KEY` and `READ_TOKEN`: visible ASCII, so that a header can carry it.
///
/// # Errors
/// The accepted form.
pub fn parse_secret(text: &str) -> Result<String, String> {
    if text.len() <= 512 && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("up to 512 visible ASCII characters without spaces".to_owned())
    }
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
    /// `READ_TOKEN`: what reading requires; without it nobody reads.
    pub read_token: Option<String>,
    /// `RETENTION_AGE`: segments whose last report is older are removed.
    pub retention_age: Option<Duration>,
    /// `RETENTION_BYTES`: the oldest segments are removed while there are more.
    pub retention_bytes: Option<u64>,
    /// `STATS_*`: where in a report the measurements are.
    pub stats: Mapping,
    /// `DEBUG`
    pub debug: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            data_dir: "/data".to_owned(),
            flush_bytes: 10 << 20,
            flush_interval: Duration::from_secs(60),
            durability: Durability::Crash,
            max_body_bytes: 1 << 20,
            allowed_origins: Origins::Any,
            ingest_key: None,
            read_token: None,
            retention_age: None,
            retention_bytes: None,
            stats: Mapping::default(),
            debug: false,
        }
    }
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingError {
    /// Its name.
    pub name: &'static str,
    /// Its value; `None` where that is a secret.
    pub value: Option<String>,
    /// What is accepted.
    pub accepted: String,
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value:?} cannot be used: ", self.name)?,
            None => write!(f, "{} cannot be used: ", self.name)?,
        }
        write!(f, "give {}", self.accepted)
    }
}

impl std::error::Error for SettingError {}

impl Settings {
    /// Reads the names of the contract; others, and empty values, are passed over.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn from_vars(
        vars: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Settings, SettingError> {
        let mut settings = Settings::default();
        for (name, value) in vars {
            if !value.is_empty() {
                settings.set(&name, &value)?;
            }
        }
        Ok(settings)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        match name {
            "DATA_DIR" => self.data_dir = value.to_owned(),
            "FLUSH_BYTES" => {
                self.flush_bytes = named("FLUSH_BYTES", value, parse_flush_bytes(value))?;
            }
            "FLUSH_INTERVAL" => {
                self.flush_interval = named("FLUSH_INTERVAL", value, parse_flush_interval(value))?;
            }
            "DURABILITY" => self.durability = named("DURABILITY", value, value.parse())?,
            "MAX_BODY_BYTES" => {
                self.max_body_bytes = named("MAX_BODY_BYTES", value, parse_max_body_bytes(value))?;
            }
            "ALLOWED_ORIGINS" => {
                self.allowed_origins = named("ALLOWED_ORIGINS", value, value.parse())?;
            }
            "INGEST_KEY" => self.ingest_key = Some(secret("INGEST_KEY", value)?),
            "READ_TOKEN" => self.read_token = Some(secret("READ_TOKEN", value)?),
            "RETENTION_AGE" => {
                let age = parse_retention_age(value);
                self.retention_age = Some(named("RETENTION_AGE", value, age)?);
            }
            "RETENTION_BYTES" => {
                let bytes = parse_retention_bytes(value);
                self.retention_bytes = Some(named("RETENTION_BYTES", value, bytes)?);
            }
            "DEBUG" => self.debug = named("DEBUG", value, parse_switch(value))?,
            _ => {
                let known = mapping::SETTINGS.iter().find(|(known, _)| *known == name);
                if let Some((known, _)) = known {
                    named(known, value, self.stats.set(known, value))?;
                }
            }
        }
        Ok(())
    }
}

fn secret(name: &'static str, value: &str) -> Result<String, SettingError> {
    parse_secret(value).map_err(|accepted| SettingError {
        name,
        value: None,
        accepted,
    })
}

fn named<T>(name: &'static str, value: &str, parsed: Result<T, String>) -> Result<T, SettingError> {
    parsed.map_err(|accepted| SettingError {
        name,
        value: Some(value.to_owned()),
        accepted,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn settings(vars: &[(&str, &str)]) -> Result<Settings, SettingError> {
        let owned = vars
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::from_vars(owned)
    }

    #[test]
    fn nothing_set_means_the_contracts_defaults() {
        assert_eq!(
            settings(&[("HOME", "x"), ("FLUSH_BYTES", "")]),
            Ok(Settings::default())
        );
    }

    #[test]
    fn values_carry_units() {
        let set = settings(&[
            ("FLUSH_BYTES", "2 MiB"),
            ("FLUSH_INTERVAL", "1m 30s"),
            ("MAX_BODY_BYTES", "65536"),
            ("ALLOWED_ORIGINS", "https://A.example, http://b:81"),
            ("DURABILITY", "power"),
            ("DEBUG", "yes"),
        ])
        .unwrap();
        assert_eq!((set.flush_bytes, set.max_body_bytes), (2 << 20, 65_536));
        assert_eq!(set.flush_interval, Duration::from_secs(90));
        assert!(set.allowed_origins.allow("https://a.EXAMPLE"));
        assert!(!set.allowed_origins.allow("https://a.example:8443"));
        assert!(set.debug && set.durability == Durability::Power);
    }

    #[test]
    fn wrong_values_are_named_with_what_is_accepted_and_secrets_are_not_shown() {
        for (name, value) in [
            ("FLUSH_BYTES", "0"),
            ("FLUSH_BYTES", "1GiB"),
            ("FLUSH_BYTES", "ten"),
            ("FLUSH_INTERVAL", "60"),
            ("FLUSH_INTERVAL", "1ms"),
            ("DURABILITY", "Crash"),
            ("MAX_BODY_BYTES", "64MiB"),
            ("ALLOWED_ORIGINS", "example.org"),
            ("ALLOWED_ORIGINS", "https://a/b"),
            ("DEBUG", "maybe"),
            ("RETENTION_AGE", "30"),
            ("RETENTION_AGE", "1s"),
            ("RETENTION_BYTES", "lots"),
            ("RETENTION_BYTES", "1kB"),
            ("STATS_HOSTS", "hosts"),
            ("STATS_CLIENT", "/a~2"),
        ] {
            let error = settings(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(value), "{error}");
        }
        let error = settings(&[("INGEST_KEY", "my secret")])
            .unwrap_err()
            .to_string();
        assert!(
            !error.contains("my secret") && error.contains("ASCII"),
            "{error}"
        );
    }
}
