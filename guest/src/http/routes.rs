//! Which request goes where.

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `POST /api/v1/reports`
    PostReports,
    /// `GET /api/v1/reports`
    QueryReports,
    /// `OPTIONS /api/v1/reports`
    Preflight,
    /// `GET /healthz`, `GET /.well-known/healthcheck`
    Health,
    /// `GET /readyz`
    Ready,
    /// `GET /api/v1/stats`
    Stats,
    /// `GET /openapi.json`
    OpenApi,
    /// Nothing there.
    NotFound,
    /// Something is there, for these methods.
    MethodNotAllowed(&'static str),
}

/// The path reports are posted to, and read from.
pub const REPORTS: &str = "/api/v1/reports";
const READ: &str = "GET, HEAD";

impl Route {
    /// The route of a method and a path without its query.
    pub fn of(method: &str, path: &str) -> Route {
        let read = |route| match method {
            "GET" | "HEAD" => route,
            _ => Route::MethodNotAllowed(READ),
        };
        match path {
            REPORTS => match method {
                "POST" => Route::PostReports,
                "GET" | "HEAD" => Route::QueryReports,
                "OPTIONS" => Route::Preflight,
                _ => Route::MethodNotAllowed("GET, HEAD, POST, OPTIONS"),
            },
            "/healthz" | "/.well-known/healthcheck" => read(Route::Health),
            "/readyz" => read(Route::Ready),
            super::stats::STATS => read(Route::Stats),
            "/openapi.json" => read(Route::OpenApi),
            _ => Route::NotFound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_methods_lead_where_the_contract_says() {
        for (method, path, route) in [
            ("POST", REPORTS, Route::PostReports),
            ("OPTIONS", REPORTS, Route::Preflight),
            ("GET", REPORTS, Route::QueryReports),
            (
                "PUT",
                REPORTS,
                Route::MethodNotAllowed("GET, HEAD, POST, OPTIONS"),
            ),
            ("GET", "/healthz", Route::Health),
            ("HEAD", "/.well-known/healthcheck", Route::Health),
            ("POST", "/readyz", Route::MethodNotAllowed(READ)),
            ("GET", "/openapi.json", Route::OpenApi),
            ("GET", "/api/v1/stats", Route::Stats),
            ("POST", "/api/v1/stats", Route::MethodNotAllowed(READ)),
            ("GET", "/api/v1/reports/", Route::NotFound),
            ("GET", "/../healthz", Route::NotFound),
        ] {
            assert_eq!(Route::of(method, path), route, "{method} {path}");
        }
    }
}
