//! Where in a report the measurements are: the settings `STATS_*`.

use crate::limits::MAX_NAME_BYTES;
use crate::report::walk::{Container, Pointer, Walk};
use std::borrow::Cow;
use twox_hash::XxHash3_64;

/// The group of measurements whose host has no name.
pub const UNNAMED: &str = "(unnamed)";

/// Changes when the same settings would count a report differently.
const REVISION: u32 = 1;

/// Where a report's parts are, as JSON Pointers; `.` means the whole.
///
/// The defaults are the NetWatch report's. A host is an element of the array at
/// `hosts`. If there is an object instead, it is a host if it has a name, else
/// its members are hosts, called by their keys. If `hosts` is the whole, the
/// report itself is the one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// `STATS_CLIENT`: who measured.
    pub client: Pointer,
    /// `STATS_HOSTS`: what was measured.
    pub hosts: Pointer,
    /// `STATS_HOST_NAME`, within a host.
    pub host_name: Pointer,
    /// `STATS_SAMPLES`, within a host: an array, or one sample alone.
    pub samples: Pointer,
    /// `STATS_LATENCY`, within a sample.
    pub latency: Pointer,
    /// `STATS_ERROR`, within a sample.
    pub error: Pointer,
}

/// The settings' names and defaults.
pub const SETTINGS: [(&str, &str); 6] = [
    ("STATS_CLIENT", "/clientId"),
    ("STATS_HOSTS", "/hosts"),
    ("STATS_HOST_NAME", "/name"),
    ("STATS_SAMPLES", "/history"),
    ("STATS_LATENCY", "/latency"),
    ("STATS_ERROR", "/error"),
];

impl Default for Mapping {
    fn default() -> Self {
        let pointers = SETTINGS.map(|(_, text)| Pointer::parse(text).unwrap_or_default());
        let [client, hosts, host_name, samples, latency, error] = pointers;
        Mapping {
            client,
            hosts,
            host_name,
            samples,
            latency,
            error,
        }
    }
}

/// A pointer of the settings `STATS_*`.
///
/// # Errors
/// The accepted form.
pub fn parse_pointer(text: &str) -> Result<Pointer, String> {
    let pointer = Pointer::parse(text.trim()).filter(|_| text.len() <= MAX_NAME_BYTES);
    pointer.ok_or_else(|| {
        format!("a JSON Pointer like /hosts, or . for the whole, up to {MAX_NAME_BYTES} bytes")
    })
}

impl Mapping {
    /// Sets one of [`SETTINGS`] by its name; other names are passed over.
    ///
    /// # Errors
    /// The accepted form.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let field = match name {
            "STATS_CLIENT" => &mut self.client,
            "STATS_HOSTS" => &mut self.hosts,
            "STATS_HOST_NAME" => &mut self.host_name,
            "STATS_SAMPLES" => &mut self.samples,
            "STATS_LATENCY" => &mut self.latency,
            "STATS_ERROR" => &mut self.error,
            _ => return Ok(()),
        };
        *field = parse_pointer(value)?;
        Ok(())
    }

    /// A number that other settings do not have: statistics kept under another
    /// are of no use.
    pub fn fingerprint(&self) -> u64 {
        XxHash3_64::oneshot(format!("{REVISION} {self:?}").as_bytes())
    }

    /// Where a report says who measured and what was measured.
    pub fn open<'a>(&'a self, line: &'a [u8]) -> Report<'a> {
        let walk = Walk(line);
        let ([client, hosts], _) = walk.find_all(0, [&self.client, &self.hosts]);
        Report {
            mapping: self,
            walk,
            client,
            hosts,
        }
    }
}

/// A stored report and where its parts are.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    mapping: &'a Mapping,
    walk: Walk<'a>,
    client: Option<usize>,
    hosts: Option<usize>,
}

impl Report<'_> {
    /// The client that sent it, if it says who that is.
    pub fn client(&self) -> Option<Cow<'_, str>> {
        scalar(self.walk, self.client?)
    }

    /// Calls `visit` for every measurement of a report, those of one host after
    /// one another, and returns how many there are.
    pub fn samples(&self, visit: &mut dyn FnMut(&str, Sample)) -> u64 {
        let Some(at) = self.hosts else {
            return 0;
        };
        let mut reader = Reader {
            mapping: self.mapping,
            walk: self.walk,
            visit,
            samples: 0,
        };
        reader.hosts(at);
        reader.samples
    }
}

/// The text of a string, number or boolean, not longer than a name may be.
pub fn scalar(walk: Walk<'_>, at: usize) -> Option<Cow<'_, str>> {
    if walk.opens(at).is_some() {
        return None;
    }
    if let Some(text) = walk.string(at) {
        return Some(bounded(text));
    }
    let raw = walk.raw(at);
    (!raw.is_empty() && raw != "null").then(|| bounded(Cow::Borrowed(raw)))
}

/// A name cut to the length that names may have.
fn bounded(name: Cow<'_, str>) -> Cow<'_, str> {
    if name.len() <= MAX_NAME_BYTES {
        return name;
    }
    let end = name.floor_char_boundary(MAX_NAME_BYTES - '…'.len_utf8());
    Cow::Owned(format!("{}…", &name[..end]))
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sample {
    /// It took so long.
    Took(f64),
    /// It failed.
    Failed,
}

/// Takes a report apart.
struct Reader<'a> {
    mapping: &'a Mapping,
    walk: Walk<'a>,
    visit: &'a mut dyn FnMut(&str, Sample),
    samples: u64,
}

impl Reader<'_> {
    fn hosts(&mut self, at: usize) {
        let walk = self.walk;
        match walk.opens(at) {
            _ if self.mapping.hosts.is_whole() => {
                self.host(at, None);
            }
            Some(Container::Array) => walk.elements(at, |host| self.host(host, None)),
            Some(Container::Object) if self.mapping.host_name.find(walk, at).is_some() => {
                self.host(at, None);
            }
            Some(Container::Object) => walk.entries(at, |key, host| {
                self.host(host, Some(&key));
            }),
            None => {}
        }
    }

    /// Returns where the host ends.
    fn host(&mut self, at: usize, key: Option<&str>) -> usize {
        let walk = self.walk;
        let wanted = [&self.mapping.host_name, &self.mapping.samples];
        let ([name, samples], end) = walk.find_all(at, wanted);
        let Some(samples) = samples else {
            return end;
        };
        let name = name.and_then(|name| scalar(walk, name));
        let name = name.or_else(|| key.map(|key| bounded(Cow::Borrowed(key))));
        let name = name.as_deref().unwrap_or(UNNAMED);
        match walk.opens(samples) {
            Some(Container::Array) => {
                walk.elements(samples, |sample| self.sample(name, sample, true));
            }
            _ => {
                self.sample(name, samples, false);
            }
        }
        end
    }

    /// A sample in an array says by being there that something was measured; one
    /// that stands alone must have a latency or an error.
    /// Returns where it ends.
    fn sample(&mut self, name: &str, at: usize, listed: bool) -> usize {
        let walk = self.walk;
        let ([latency, error], end) =
            walk.find_all(at, [&self.mapping.latency, &self.mapping.error]);
        if !listed && latency.is_none() && error.is_none() {
            return end;
        }
        let failed = error.is_some_and(|error| !walk.is_nothing(error));
        let latency = latency.and_then(|latency| walk.number(latency));
        let sample = match latency.filter(|latency| latency.is_finite() && *latency >= 0.0) {
            Some(latency) if !failed => Sample::Took(latency),
            _ => Sample::Failed,
        };
        self.samples += 1;
        (self.visit)(name, sample);
        end
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Sample::{Failed, Took};
    use super::*;

    fn read(mapping: &Mapping, line: &str) -> Vec<(String, Sample)> {
        let mut samples = Vec::new();
        let count = mapping.open(line.as_bytes()).samples(&mut |host, sample| {
            samples.push((host.to_owned(), sample));
        });
        assert_eq!(count, samples.len() as u64);
        samples
    }

    fn mapping(settings: &[(&str, &str)]) -> Mapping {
        let mut mapping = Mapping::default();
        for (name, value) in settings {
            mapping.set(name, value).unwrap();
        }
        mapping
    }

    fn named(samples: &[(&str, Sample)]) -> Vec<(String, Sample)> {
        let samples = samples.iter();
        let owned = samples.map(|(name, sample)| ((*name).to_owned(), *sample));
        owned.collect()
    }

    #[test]
    fn the_netwatch_report_is_understood() {
        let line = r#"{"_received":{"at":"x"},"hosts":[{"name":"A","url":"u","history":[{"t":1,"latency":12.5},{"t":2,"latency":null,"error":"timeout"},{"t":3,"latency":0}]},{"history":[],"name":"B"},{"history":[{"latency":3,"error":null}],"name":"\u0043"}],"clientId":"me"}"#;
        let mapping = Mapping::default();
        let expected = [
            ("A", Took(12.5)),
            ("A", Failed),
            ("A", Took(0.0)),
            ("C", Took(3.0)),
        ];
        assert_eq!(read(&mapping, line), named(&expected));
        assert_eq!(
            mapping.open(line.as_bytes()).client().as_deref(),
            Some("me")
        );
    }

    #[test]
    fn what_is_no_latency_is_a_failed_sample() {
        for sample in [
            r#"{"latency":-1}"#,
            r#"{"latency":1e999}"#,
            r#"{"latency":"5"}"#,
            r#"{"latency":5,"error":"x"}"#,
            r#"{"latency":5,"error":{}}"#,
            r#"{"latency":[5]}"#,
            r#"{"t":1}"#,
            "5",
            "null",
        ] {
            let line = format!(r#"{{"hosts":[{{"name":"A","history":[{sample}]}}]}}"#);
            let expected = named(&[("A", Failed)]);
            assert_eq!(read(&Mapping::default(), &line), expected, "{sample}");
        }
    }

    #[test]
    fn reports_of_another_shape_hold_no_samples() {
        for line in [
            "{}",
            r#"{"hosts":[]}"#,
            r#"{"hosts":5}"#,
            r#"{"hosts":[5,null,"x",[]]}"#,
            r#"{"hosts":[{"name":"A","history":{"a":1}}]}"#,
            r#"{"rtt":12.5,"clientId":7}"#,
        ] {
            assert_eq!(read(&Mapping::default(), line), [], "{line}");
        }
    }

    #[test]
    fn other_shapes_are_mapped() {
        let flat = mapping(&[
            ("STATS_HOSTS", "."),
            ("STATS_HOST_NAME", "/to/name"),
            ("STATS_SAMPLES", "."),
            ("STATS_LATENCY", "/rtt"),
        ]);
        let line = r#"{"rtt":5,"to":{"name":"X"}}"#;
        assert_eq!(read(&flat, line), named(&[("X", Took(5.0))]));
        assert_eq!(read(&flat, r#"{"rtt":5}"#), named(&[(UNNAMED, Took(5.0))]));
        assert_eq!(read(&flat, r#"{"other":5}"#), []);
        let keyed = mapping(&[
            ("STATS_HOSTS", "/data/pings"),
            ("STATS_SAMPLES", "."),
            ("STATS_LATENCY", "."),
        ]);
        let line = r#"{"data":{"pings":{"a":[1,2],"b":3,"c":null}}}"#;
        let expected = [
            ("a", Took(1.0)),
            ("a", Took(2.0)),
            ("b", Took(3.0)),
            ("c", Failed),
        ];
        assert_eq!(read(&keyed, line), named(&expected));
        let single = mapping(&[
            ("STATS_HOSTS", "/host"),
            ("STATS_SAMPLES", "/ms"),
            ("STATS_LATENCY", "."),
        ]);
        let line = r#"{"host":{"name":"A","ms":[7]}}"#;
        assert_eq!(read(&single, line), named(&[("A", Took(7.0))]));
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let name = "é".repeat(900);
        let line = format!(r#"{{"hosts":[{{"name":"{name}","history":[{{"latency":1}}]}}]}}"#);
        let name = &read(&Mapping::default(), &line)[0].0;
        assert!(
            name.len() <= MAX_NAME_BYTES && name.ends_with("é…"),
            "{name}"
        );
    }

    #[test]
    fn every_setting_changes_the_fingerprint_and_wrong_ones_are_refused() {
        let default = Mapping::default();
        for (name, value) in SETTINGS {
            assert_eq!(mapping(&[(name, value)]), default);
            let other = mapping(&[(name, "/x")]);
            assert_ne!(other.fingerprint(), default.fingerprint(), "{name}");
            let error = mapping(&[]).set(name, "hosts").unwrap_err();
            assert!(error.contains("/hosts"), "{error}");
        }
        let (deep, escaped) = (
            mapping(&[("STATS_CLIENT", "/a/b")]),
            mapping(&[("STATS_CLIENT", "/a~1b")]),
        );
        assert_ne!(deep.fingerprint(), escaped.fingerprint());
    }
}
