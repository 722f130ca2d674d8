//! Which request goes where.

use super::plots::Picture;
use crate::page::assets::Asset;

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
    /// `GET /api/v1/plots/…svg`
    Plot(Picture),
    /// `GET /`
    Page,
    /// `GET /style.css` and the like.
    Asset(Asset),
    /// `POST /login`
    LogIn,
    /// `POST /logout`
    LogOut,
    /// `GET /login`, `GET /logout`
    ToPage,
    /// `GET /openapi.json`
    OpenApi,
    /// `GET /metrics`
    Metrics,
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
            "/metrics" => read(Route::Metrics),
            "/" => read(Route::Page),
            "/login" | "/logout" => match method {
                "POST" if path == "/login" => Route::LogIn,
                "POST" => Route::LogOut,
                "GET" | "HEAD" => Route::ToPage,
                _ => Route::MethodNotAllowed("GET, HEAD, POST"),
            },
            _ => match (Picture::at(path), Asset::at(path)) {
                (Some(picture), _) => read(Route::Plot(picture)),
                (_, Some(asset)) => read(Route::Asset(asset)),
                _ => Route::NotFound,
            },
        }
    }
}

/// What a request's path is counted as: one of a few, whatever strangers ask
/// for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// `/api/v1/reports`
    Reports,
    /// `/api/v1/stats`
    Stats,
    /// `/api/v1/plots/…`
    Plots,
    /// `/`
    Page,
    /// `/login`, `/logout`
    Login,
    /// `/healthz`, `/.well-known/healthcheck`
    Health,
    /// `/readyz`
    Ready,
    /// `/openapi.json`
    OpenApi,
    /// `/metrics`
    Metrics,
    /// Anything else.
    Other,
}

impl Pattern {
    /// All, each in the place of its number.
    pub const ALL: [Pattern; 10] = [
        Pattern::Reports,
        Pattern::Stats,
        Pattern::Plots,
        Pattern::Page,
        Pattern::Login,
        Pattern::Health,
        Pattern::Ready,
        Pattern::OpenApi,
        Pattern::Metrics,
        Pattern::Other,
    ];

    /// Of a path without its query.
    pub fn of(path: &str) -> Pattern {
        match path {
            REPORTS => Pattern::Reports,
            "/api/v1/stats" => Pattern::Stats,
            "/" => Pattern::Page,
            "/login" | "/logout" => Pattern::Login,
            "/healthz" | "/.well-known/healthcheck" => Pattern::Health,
            "/readyz" => Pattern::Ready,
            "/openapi.json" => Pattern::OpenApi,
            "/metrics" => Pattern::Metrics,
            _ if path.starts_with("/api/v1/plots/") => Pattern::Plots,
            _ => Pattern::Other,
        }
    }

    /// As a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Pattern::Reports => REPORTS,
            Pattern::Stats => "/api/v1/stats",
            Pattern::Plots => "/api/v1/plots",
            Pattern::Page => "/",
            Pattern::Login => "/login",
            Pattern::Health => "/healthz",
            Pattern::Ready => "/readyz",
            Pattern::OpenApi => "/openapi.json",
            Pattern::Metrics => "/metrics",
            Pattern::Other => "other",
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
            ("GET", "/", Route::Page),
            ("POST", "/", Route::MethodNotAllowed(READ)),
            ("POST", "/login", Route::LogIn),
            ("POST", "/logout", Route::LogOut),
            ("GET", "/logout", Route::ToPage),
            ("PUT", "/login", Route::MethodNotAllowed("GET, HEAD, POST")),
            ("HEAD", "/style.css", Route::Asset(Asset::Style)),
            ("GET", "/api/v1/plots/rate.svg", Route::Plot(Picture::Rate)),
            (
                "POST",
                "/api/v1/plots/rate.svg",
                Route::MethodNotAllowed(READ),
            ),
            ("GET", "/api/v1/plots/", Route::NotFound),
            ("GET", "/api/v1/stats", Route::Stats),
            ("POST", "/api/v1/stats", Route::MethodNotAllowed(READ)),
            ("GET", "/metrics", Route::Metrics),
            ("GET", "/api/v1/reports/", Route::NotFound),
            ("GET", "/../healthz", Route::NotFound),
        ] {
            assert_eq!(Route::of(method, path), route, "{method} {path}");
        }
    }

    #[test]
    fn paths_are_counted_by_pattern_and_each_pattern_stands_where_its_number_says() {
        for (place, pattern) in Pattern::ALL.into_iter().enumerate() {
            assert_eq!(pattern as usize, place);
            if !matches!(pattern, Pattern::Other | Pattern::Plots) {
                assert_eq!(Pattern::of(pattern.as_str()), pattern);
            }
        }
        assert_eq!(Pattern::of("/api/v1/plots/latency.svg"), Pattern::Plots);
        assert_eq!(Pattern::of("/.env"), Pattern::Other);
    }
}
