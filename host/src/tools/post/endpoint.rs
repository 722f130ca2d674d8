//! Where reports are posted to.

use std::fmt;

/// Where a server takes reports.
const REPORTS: &str = "/api/v1/reports";

/// The address of a server's intake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Host name or address, without the brackets of IPv6.
    pub(super) host: String,
    pub(super) port: u16,
    /// As the header `Host` has it.
    pub(super) authority: String,
    pub(super) path: String,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

impl Endpoint {
    /// Reads a URL. Without a path the contract's is meant.
    ///
    /// # Errors
    /// What cannot be used, for whoever typed it.
    pub(super) fn parse(url: &str) -> Result<Endpoint, String> {
        let wrong =
            || format!("--url {url:?} is no URL of a server: give one like http://127.0.0.1:8080");
        let uri: http::Uri = url.parse().map_err(|_| wrong())?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(format!(
                    "--url {url:?}: this command speaks no TLS. Post to the address behind the \
                     reverse proxy that does, or post the file with curl: curl --data-binary \
                     @FILE -H 'Content-Type: application/x-ndjson' {url}"
                ));
            }
            _ => return Err(wrong()),
        }
        let authority = uri.authority().ok_or_else(wrong)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(wrong());
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let host = authority.host();
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        Ok(Endpoint {
            host: bare.unwrap_or(host).to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authority: authority.as_str().to_owned(),
            path: if path == "/" { REPORTS } else { path }.to_owned(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_host_port_and_path() {
        for (url, host, port, path) in [
            ("http://127.0.0.1:8080", "127.0.0.1", 8080, REPORTS),
            ("http://localhost/", "localhost", 80, REPORTS),
            ("http://[::1]:81/x?y=1", "::1", 81, "/x?y=1"),
        ] {
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!((&*endpoint.host, endpoint.port), (host, port));
            assert_eq!(endpoint.path, path);
            let again = Endpoint::parse(&endpoint.to_string()).unwrap();
            assert_eq!(again, endpoint);
        }
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused_with_what_to_do() {
        let error = Endpoint::parse("https://a.example").unwrap_err();
        assert!(
            error.contains("reverse proxy") && error.contains("curl"),
            "{error}"
        );
        for url in [
            "",
            "localhost:8080",
            "ftp://a",
            "/api",
            "http://u:p@a",
            "http://",
        ] {
            let error = Endpoint::parse(url).unwrap_err();
            assert!(error.contains("http://127.0.0.1:8080"), "{url}: {error}");
        }
    }
}
