//! What a visitor asks of the page: the parameters of its URL.

use crate::limits::{MAX_HOSTS_ASKED, MAX_NAME_BYTES};
use form_urlencoded::Serializer;

/// A breakdown of the measurements by something besides the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Who measured.
    Client,
    /// From where.
    Country,
    /// From which town.
    City,
    /// From which network.
    Network,
}

impl By {
    /// All of them.
    pub const ALL: [By; 4] = [By::Client, By::Country, By::City, By::Network];

    /// Its name in the URL.
    pub fn name(self) -> &'static str {
        match self {
            By::Client => "client",
            By::Country => "country",
            By::City => "city",
            By::Network => "network",
        }
    }

    /// What the statistics are grouped by.
    pub fn group(self) -> &'static str {
        match self {
            By::Client => "client",
            By::Country => "/geo/country",
            By::City => "/geo/city",
            By::Network => "/geo/asn",
        }
    }
}

/// A period that ends now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// In the URL, and in words short enough for a button.
    pub name: &'static str,
    /// In words.
    pub words: &'static str,
}

/// Those to choose from.
pub const PRESETS: [Preset; 5] = [
    Preset {
        name: "1h",
        words: "Last hour",
    },
    Preset {
        name: "6h",
        words: "Last 6 hours",
    },
    Preset {
        name: "24h",
        words: "Last 24 hours",
    },
    Preset {
        name: "7d",
        words: "Last 7 days",
    },
    Preset {
        name: "30d",
        words: "Last 30 days",
    },
];

/// Where none is asked for.
const DEFAULT: Preset = PRESETS[2];

/// Seconds between refreshes to choose from; 0 for none.
pub const REFRESHES: [u32; 4] = [0, 30, 60, 300];

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// One of [`PRESETS`]; `None` for one of the visitor's own.
    pub preset: Option<&'static str>,
    /// Start of the visitor's own period, as given.
    pub since: String,
    /// Its end, as given; now if empty.
    pub until: String,
    /// Only these; all if empty.
    pub hosts: Vec<String>,
    /// … and the breakdown.
    pub by: Option<By>,
    /// How often the page looks again, seconds; `None` where the visitor has not
    /// said.
    pub refresh: Option<u32>,
}

impl Asked {
    /// Reads a URL's query. What it does not know it passes over: a page is no
    /// place to be strict.
    pub fn parse(query: &str) -> Asked {
        let mut asked = Asked::default();
        let mut preset = None;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "period" => preset = PRESETS.iter().find(|preset| preset.name == value),
                "since" => asked.since = bounded(&value),
                "until" => asked.until = bounded(&value),
                "host" if !value.is_empty() && asked.hosts.len() < MAX_HOSTS_ASKED => {
                    asked.hosts.push(bounded(&value));
                }
                "by" => asked.by = By::ALL.into_iter().find(|by| by.name() == value),
                "refresh" => {
                    let seconds = value.parse().ok();
                    asked.refresh = seconds.filter(|seconds| REFRESHES.contains(seconds));
                }
                _ => {}
            }
        }
        if asked.since.is_empty() && asked.until.is_empty() {
            asked.preset = Some(preset.unwrap_or(&DEFAULT).name);
        }
        asked
    }

    /// The question for the statistics, as the query of a URL: of the hosts, or
    /// of a breakdown.
    pub fn question(&self, by: Option<By>) -> String {
        let mut query = Serializer::new(String::new());
        match self.preset {
            Some(preset) => {
                query.append_pair("since", &format!("-{preset}"));
            }
            None => {
                if !self.since.is_empty() {
                    query.append_pair("since", &moment(&self.since));
                }
                if !self.until.is_empty() {
                    query.append_pair("until", &moment(&self.until));
                }
            }
        }
        if let Some(by) = by {
            query.append_pair("group", by.group());
        }
        query.finish()
    }

    /// The URL of this page.
    pub fn url(&self) -> String {
        let mut query = Serializer::new(String::new());
        match self.preset {
            Some(preset) if preset != DEFAULT.name => {
                query.append_pair("period", preset);
            }
            Some(_) => {}
            None => {
                query.append_pair("since", &self.since);
                query.append_pair("until", &self.until);
            }
        }
        for host in &self.hosts {
            query.append_pair("host", host);
        }
        if let Some(by) = self.by {
            query.append_pair("by", by.name());
        }
        if let Some(refresh) = self.refresh {
            query.append_pair("refresh", &refresh.to_string());
        }
        let query = query.finish();
        if query.is_empty() {
            "./".to_owned()
        } else {
            format!("./?{query}")
        }
    }

    /// The URL of a plot of the same.
    pub fn plot_url(&self, name: &str) -> String {
        let mut query = Serializer::new(self.question(None));
        for host in &self.hosts {
            query.append_pair("host", host);
        }
        format!("api/v1/plots/{name}.svg?{}", query.finish())
    }

    /// The page with another period.
    pub fn with_preset(&self, preset: &Preset) -> Asked {
        Asked {
            preset: Some(preset.name),
            since: String::new(),
            until: String::new(),
            ..self.clone()
        }
    }

    /// Whether the period ends now, so that looking again shows something new.
    pub fn is_live(&self) -> bool {
        self.until.is_empty()
    }
}

/// A field of a form has neither seconds nor a zone; the page speaks UTC.
fn moment(text: &str) -> String {
    let is_of_a_field = text.len() == 16 && text.as_bytes().get(10) == Some(&b'T');
    if is_of_a_field {
        format!("{text}:00Z")
    } else {
        text.to_owned()
    }
}

fn bounded(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_NAME_BYTES);
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_without_parameters_is_about_the_last_day() {
        let asked = Asked::parse("");
        assert_eq!(asked.question(None), "since=-24h");
        assert_eq!(asked.url(), "./");
        assert!(asked.is_live());
        assert_eq!(Asked::parse("period=1y&x=%FF&by=&refresh=1&host="), asked);
    }

    #[test]
    fn every_url_leads_back_to_what_it_was_made_from() {
        for query in [
            "period=1h",
            "period=30d&host=a%26b&host=%3C%C3%A9&by=network&refresh=60",
            "since=2026-11-24T10%3A00&until=",
            "since=&until=-2h&host=x",
            "refresh=0",
        ] {
            let asked = Asked::parse(query);
            let url = asked.url();
            assert_eq!(
                Asked::parse(url.strip_prefix("./?").unwrap_or("")),
                asked,
                "{query}"
            );
        }
    }

    #[test]
    fn a_period_of_ones_own_is_utc() {
        let asked = Asked::parse("period=1h&since=2026-11-24T10:00&until=2026-11-24T12:30");
        let question = "since=2026-11-24T10%3A00%3A00Z&until=2026-11-24T12%3A30%3A00Z";
        assert_eq!(asked.question(None), question);
        assert!(!asked.is_live());
        let by = Asked::parse("period=7d").question(Some(By::Country));
        assert_eq!(by, "since=-7d&group=%2Fgeo%2Fcountry");
        let preset = asked.with_preset(&PRESETS[0]);
        assert_eq!(preset.url(), "./?period=1h");
    }

    #[test]
    fn plots_are_asked_for_the_same() {
        let asked = Asked::parse("period=1h&host=a%20b");
        assert_eq!(
            asked.plot_url("rate"),
            "api/v1/plots/rate.svg?since=-1h&host=a+b"
        );
    }

    #[test]
    fn what_is_too_long_or_too_much_is_cut() {
        let many = "host=".to_owned() + &"é".repeat(5000) + &"&host=a".repeat(5000);
        let asked = Asked::parse(&many);
        assert_eq!(asked.hosts.len(), MAX_HOSTS_ASKED);
        assert!(asked.hosts[0].len() <= MAX_NAME_BYTES);
    }
}
