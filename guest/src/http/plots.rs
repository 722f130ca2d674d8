//! `GET /api/v1/plots/…svg`: the page's plots, each by itself.

use super::query::Asked;
use super::stats::{compress, table};
use super::{Answer, Body};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::limits::MAX_HOSTS_ASKED;
use crate::page::only_hosts;
use crate::plot::{Width, heatmap, picture, rate};
use crate::problem::Problem;
use crate::query::gate::Gate;
use crate::store::Store;
use form_urlencoded::{Serializer, parse};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};

/// A plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    /// Latency over time, of all hosts and of each.
    Latency,
    /// The distribution of latencies over time.
    HeatMap,
    /// Reports over time.
    Rate,
}

/// All of them.
pub const PICTURES: [Picture; 3] = [Picture::Latency, Picture::HeatMap, Picture::Rate];

impl Picture {
    /// Its path.
    pub fn path(self) -> &'static str {
        match self {
            Picture::Latency => "/api/v1/plots/latency.svg",
            Picture::HeatMap => "/api/v1/plots/heatmap.svg",
            Picture::Rate => "/api/v1/plots/rate.svg",
        }
    }

    /// The one at a path.
    pub fn at(path: &str) -> Option<Picture> {
        PICTURES.into_iter().find(|picture| picture.path() == path)
    }
}

/// What is asked: the parameters of the statistics, and these.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    hosts: Vec<String>,
    width: Width,
    /// The statistics' own.
    rest: String,
}

impl Wanted {
    fn parse(query: &str) -> Result<Wanted, String> {
        let (mut hosts, mut width) = (Vec::new(), Width::Wide);
        let mut rest = Serializer::new(String::new());
        for (name, value) in parse(query.as_bytes()) {
            match (&*name, &*value) {
                ("host", host) if hosts.len() < MAX_HOSTS_ASKED => hosts.push(host.to_owned()),
                ("host", _) => {
                    return Err(format!("host: at most {MAX_HOSTS_ASKED} at once"));
                }
                ("width", "wide") => width = Width::Wide,
                ("width", "narrow") => width = Width::Narrow,
                ("width", _) => return Err("width: give wide or narrow".to_owned()),
                _ => {
                    rest.append_pair(&name, &value);
                }
            }
        }
        let rest = rest.finish();
        Ok(Wanted { hosts, width, rest })
    }
}

/// Draws a plot; the caller has checked that it may be asked.
///
/// # Errors
/// What is wrong with the question, or that it cannot be answered now.
pub async fn respond<D: Disk, C: Clock>(
    store: &Store<D, C>,
    gate: &Gate,
    picture_of: Picture,
    asked: Asked<'_>,
) -> Result<Answer, Problem> {
    let wanted = Wanted::parse(asked.query.unwrap_or_default())
        .map_err(|why| Problem::new(400, "parameter", why))?;
    let table = table(store, gate, &wanted.rest).await?;
    let plot = match picture_of {
        Picture::Latency => picture(&only_hosts(table, &wanted.hosts), wanted.width),
        Picture::HeatMap => heatmap(&table, wanted.width),
        Picture::Rate => rate(&table, wanted.width),
    };
    let mut answer = Answer::empty(StatusCode::OK);
    for (name, value) in [
        (CONTENT_TYPE, "image/svg+xml"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // It is a document where it is opened by itself, and has its style in it.
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    ] {
        answer.headers.insert(name, HeaderValue::from_static(value));
    }
    answer.body = Body::Whole(plot.standalone().into_bytes());
    compress(&mut answer, asked.accept_encoding);
    Ok(answer)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_the_plots_do_not_know_is_left_to_the_statistics() {
        let query = "since=-1h&host=a%26b&width=narrow&where=%2Fa:eq:1&host=c";
        let wanted = Wanted::parse(query).unwrap();
        assert_eq!(wanted.hosts, ["a&b", "c"]);
        assert_eq!(wanted.width, Width::Narrow);
        assert_eq!(wanted.rest, "since=-1h&where=%2Fa%3Aeq%3A1");
        assert!(Wanted::parse("width=9").unwrap_err().contains("narrow"));
        assert!(Wanted::parse(&"host=a&".repeat(MAX_HOSTS_ASKED + 1)).is_err());
    }

    #[test]
    fn paths_lead_to_plots() {
        for picture in PICTURES {
            assert_eq!(Picture::at(picture.path()), Some(picture));
        }
        assert_eq!(Picture::at("/api/v1/plots/latency.png"), None);
    }
}
