//! `tenants` and `reload`: what the operator asks a running server.

use super::columns::{Columns, Side};
use super::{End, ToolError, output};
use crate::admin::{Row, Rows};
use crate::config::ConfigError;
use crate::limits;
use crate::sources::Sources;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use indicatif::HumanBytes;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Who is there.
    Tenants { json: bool },
    /// Read the configuration again: all of it, or one tenant's part.
    Reload { tenant: Option<String> },
    /// Let a tenant publish and give up its instances.
    Drain { tenant: String },
}

/// The tool.
#[derive(Debug)]
pub struct Operate {
    asked: Asked,
    address: SocketAddr,
    token: String,
}

impl Operate {
    /// With what was typed and what is configured.
    ///
    /// # Errors
    ///
    /// Where the server is, or its token, is not known.
    pub(crate) fn new(asked: Asked, sources: &Sources) -> Result<Operate, ConfigError> {
        let missing = |name: &str| {
            ConfigError::from(format!(
                "{name} is not set: give the server's --config, or {name} in the environment"
            ))
        };
        let bind = sources
            .get("ADMIN_BIND")
            .ok_or_else(|| missing("ADMIN_BIND"))?;
        let mut address: SocketAddr = bind.parse().map_err(|_| {
            format!("ADMIN_BIND={bind:?} cannot be used: give an address like 127.0.0.1:8081")
        })?;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        let token = sources
            .get("ADMIN_TOKEN")
            .ok_or_else(|| missing("ADMIN_TOKEN"))?;
        Ok(Operate {
            asked,
            address,
            token: token.clone(),
        })
    }

    /// The command.
    pub(super) fn name(&self) -> &'static str {
        match self.asked {
            Asked::Tenants { .. } => "tenants",
            Asked::Reload { .. } => "reload",
            Asked::Drain { .. } => "drain",
        }
    }

    pub(super) fn run(self) -> Result<End, ToolError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| ToolError::Failed(error.to_string()))?;
        let (status, body) = runtime.block_on(self.ask()).map_err(ToolError::Failed)?;
        if status != 200 {
            return Err(ToolError::Failed(why(status, &body)));
        }
        let text = match self.asked {
            Asked::Tenants { json: false } => {
                let rows: Rows = serde_json::from_str(&body).map_err(|error| {
                    ToolError::Failed(format!("{} answers with no table: {error}", self.address))
                })?;
                table(&rows.tenants)
            }
            _ => body + "\n",
        };
        output::print(&text)?;
        Ok(End::Well)
    }

    async fn ask(&self) -> Result<(u16, String), String> {
        let failed = |error: &dyn std::fmt::Display| {
            format!(
                "the admin endpoint {} does not answer: {error}",
                self.address
            )
        };
        let (method, path) = match &self.asked {
            Asked::Tenants { .. } => (Method::GET, "/tenants".to_owned()),
            Asked::Reload { tenant: None } => (Method::POST, "/reload".to_owned()),
            Asked::Reload { tenant: Some(name) } => {
                (Method::POST, format!("/tenants/{name}/reload"))
            }
            Asked::Drain { tenant } => (Method::POST, format!("/tenants/{tenant}/drain")),
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.address.to_string())
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let exchange = async {
            let stream = TcpStream::connect(self.address)
                .await
                .map_err(|error| failed(&error))?;
            let (mut sender, connection) = handshake(TokioIo::new(stream))
                .await
                .map_err(|error| failed(&error))?;
            tokio::spawn(connection);
            let answer = sender
                .send_request(request)
                .await
                .map_err(|error| failed(&error))?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), limits::ADMIN_ANSWER_BYTES);
            let body = body.collect().await.map_err(|error| failed(&error))?;
            let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            Ok((status, body))
        };
        timeout(limits::POST_ANSWER_TIME, exchange)
            .await
            .unwrap_or_else(|_| Err(failed(&"no answer in time")))
    }
}

/// What a refusal says.
fn why(status: u16, body: &str) -> String {
    let problem: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    match problem["detail"].as_str() {
        Some(detail) => detail.to_owned(),
        None => format!("the server answers with status {status}"),
    }
}

fn table(tenants: &[Row]) -> String {
    let headings = [
        ("tenant", Side::Left),
        ("state", Side::Left),
        ("requests", Side::Right),
        ("memory", Side::Right),
        ("CPU s", Side::Right),
        ("disk", Side::Right),
        ("files", Side::Right),
        ("failures", Side::Right),
        ("last error", Side::Left),
    ];
    let mut columns = Columns::new(&headings);
    let of = |used: String, limit: Option<String>| match limit {
        Some(limit) => format!("{used} of {limit}"),
        None => used,
    };
    let bytes = |bytes: u64| HumanBytes(bytes).to_string();
    for row in tenants {
        let memory_limit = row.memory_bytes_limit.saturating_mul(row.workers as u64);
        columns.row([
            row.name.clone(),
            row.state.clone(),
            of(
                row.requests_in_flight.to_string(),
                Some(row.requests_in_flight_limit.to_string()),
            ),
            of(
                bytes(row.memory_bytes),
                (memory_limit > 0).then(|| bytes(memory_limit)),
            ),
            of(
                format!("{:.1}", row.cpu_seconds),
                row.cpu_seconds_limit.map(|limit| format!("{limit}/s")),
            ),
            of(bytes(row.disk_bytes), row.disk_bytes_limit.map(bytes)),
            of(
                row.disk_files.to_string(),
                row.disk_files_limit.map(|limit| limit.to_string()),
            ),
            row.failures.to_string(),
            row.last_error.clone().unwrap_or_default(),
        ]);
    }
    columns.text()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sources::{Source, Values};

    #[test]
    fn the_server_is_found_where_it_is_configured() {
        let mut sources = Sources::default();
        let asked = Asked::Tenants { json: true };
        let error = Operate::new(asked.clone(), &sources)
            .unwrap_err()
            .to_string();
        assert!(error.contains("ADMIN_BIND"), "{error}");
        let values = [("ADMIN_BIND", "0.0.0.0:81"), ("ADMIN_TOKEN", "t")];
        let values = values.map(|(name, value)| (name, value.to_owned()));
        sources.add(Source::Environment, Values::from(values));
        let tool = Operate::new(asked, &sources).unwrap();
        assert_eq!(tool.address, "127.0.0.1:81".parse().unwrap());
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_server() {
        assert_eq!(why(422, "{\"detail\":\"line 3: no\"}"), "line 3: no");
        assert!(why(500, "oops").contains("500"));
    }
}
