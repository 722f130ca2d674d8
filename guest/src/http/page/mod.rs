//! `GET /`, its files, and logging in and out.

use crate::clock::Clock;
use crate::disk::Disk;
use crate::http::accept::media_type;
use crate::http::access::{self, Denied, Site};
use crate::http::query::Asked as Reading;
use crate::http::stats::{compress, table};
use crate::http::{Answer, Body};
use crate::limits::{LOGIN_PAUSE, MAX_LOGIN_BYTES, RETRY_AFTER_SECONDS};
use crate::page::asked::{Asked, By};
use crate::page::assets::Asset;
use crate::page::{Storage, View, login, render};
use crate::problem::{PROBLEM_JSON, Problem};
use crate::query::gate::Gate;
use crate::query::source;
use crate::stats::table::Table;
use crate::store::Store;
use form_urlencoded::{Serializer, parse};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, RETRY_AFTER,
    SET_COOKIE, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};

/// What a page may do: load what this server has, and be in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; \
    base-uri 'none'";

/// A visitor: what of a request the page looks at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Visitor<'a> {
    /// What is asked, and how the answer is to be.
    pub reading: Reading<'a>,
    /// `Authorization`
    pub authorization: Option<&'a str>,
    /// `Cookie`
    pub cookie: Option<&'a str>,
    /// Where from.
    pub site: Site<'a>,
}

impl Visitor<'_> {
    fn wants_html(&self) -> bool {
        media_type(self.reading.accept, &[PROBLEM_JSON, "text/html"]) == "text/html"
    }
}

/// `GET /`: the page, or the form to log in, or with `?token=` a login.
pub async fn respond<D: Disk, C: Clock>(
    store: &Store<D, C>,
    gate: &Gate,
    visitor: Visitor<'_>,
) -> Answer {
    let (settings, now_ms) = (store.settings(), store.clock().wall_ms());
    let query = visitor.reading.query.unwrap_or_default();
    if let Some(token) = access::token_of(query.as_bytes()) {
        return match access::log_in(settings, Some(&token)) {
            Ok(()) => {
                let cookie = visitor.site.login_cookie(settings, now_ms);
                see_other(&without_token(query), &[cookie])
            }
            Err(denied) => refuse(store.clock(), denied).await,
        };
    }
    let admitted = access::admit(settings, visitor.authorization, visitor.cookie, now_ms);
    let mut answer = match admitted {
        Ok(()) => shown(store, gate, query, now_ms).await,
        Err(denied) if visitor.wants_html() => {
            let status = match denied {
                Denied::Missing | Denied::Expired => StatusCode::OK,
                Denied::Closed | Denied::Wrong => StatusCode::FORBIDDEN,
            };
            html(status, login::render(denied))
        }
        Err(denied) => return Answer::problem(&denied.into()),
    };
    compress(&mut answer, visitor.reading.accept_encoding);
    answer
}

async fn shown<D: Disk, C: Clock>(
    store: &Store<D, C>,
    gate: &Gate,
    query: &str,
    now_ms: u64,
) -> Answer {
    let asked = Asked::parse(query);
    let (mut fault, mut status) = (None, StatusCode::OK);
    let mut answered = async |by: Option<By>| match table(store, gate, &asked.question(by)).await {
        Ok(table) => Some(table),
        Err(problem) => {
            status = StatusCode::from_u16(problem.status).unwrap_or(status);
            fault = Some(problem.detail);
            None
        }
    };
    let hosts = answered(None).await;
    let breakdown = match asked.by {
        Some(by) if hosts.is_some() => answered(Some(by)).await,
        _ => None,
    };
    let nothing = || Table {
        since_ms: now_ms.saturating_sub(86_400_000),
        until_ms: now_ms,
        bucket_ms: 3_600_000,
        ..Table::default()
    };
    let page = render(&View {
        asked: &asked,
        table: &hosts.unwrap_or_else(nothing),
        breakdown: breakdown.as_ref(),
        storage: storage(store).await,
        now_ms,
        fault: fault.as_deref(),
    });
    let mut answer = html(status, page);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let seconds = HeaderValue::from(RETRY_AFTER_SECONDS);
        answer.headers.insert(RETRY_AFTER, seconds);
    }
    answer
}

/// What is stored. Where the disk does not say, the page is shown without.
async fn storage<D: Disk, C: Clock>(store: &Store<D, C>) -> Storage {
    let journals = source::journals(store.disk()).await.unwrap_or_default();
    let (segments, _) = source::segments(store.disk()).await.unwrap_or_default();
    Storage {
        segments: segments.len() as u64,
        bytes: store.stored().await.map(|(_, bytes)| bytes),
        journals: journals.len() as u64,
        first_ms: segments.iter().map(|segment| segment.first_ms).min(),
        last_ms: segments.iter().map(|segment| segment.last_ms).max(),
    }
}

/// `POST /login`
pub async fn log_in<D: Disk, C: Clock>(
    store: &Store<D, C>,
    visitor: Visitor<'_>,
    form: &[u8],
) -> Answer {
    if form.len() as u64 > MAX_LOGIN_BYTES {
        return Answer::problem(&too_large());
    }
    if !visitor.site.is_own() {
        return html(StatusCode::FORBIDDEN, login::foreign());
    }
    let settings = store.settings();
    match access::log_in(settings, access::token_of(form).as_deref()) {
        Ok(()) => {
            let cookie = visitor.site.login_cookie(settings, store.clock().wall_ms());
            see_other("./", &[cookie])
        }
        Err(denied) => refuse(store.clock(), denied).await,
    }
}

/// A form that is longer than any login.
pub fn too_large() -> Problem {
    let detail = format!("a login has at most {MAX_LOGIN_BYTES} bytes; send token=…");
    Problem::new(413, "too-large", detail)
}

/// `POST /logout`
pub fn log_out<D: Disk, C: Clock>(store: &Store<D, C>, visitor: Visitor<'_>) -> Answer {
    if !visitor.site.is_own() {
        return html(StatusCode::FORBIDDEN, login::foreign());
    }
    let (settings, now_ms) = (store.settings(), store.clock().wall_ms());
    let cookies = visitor
        .site
        .logout_cookies(settings, visitor.cookie, now_ms);
    see_other("./", &cookies)
}

/// `GET /login`, `GET /logout`: somebody looks at the address of a form.
pub fn to_page() -> Answer {
    see_other("./", &[])
}

/// A file of the page. Its URL changes when it does.
pub fn asset(asset: Asset, accept_encoding: Option<&str>) -> Answer {
    let mut answer = Answer::empty(StatusCode::OK);
    answer.body = Body::Whole(asset.content().into_bytes());
    let headers = &mut answer.headers;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.media_type()));
    let kept = HeaderValue::from_static("public, max-age=604800");
    headers.insert(CACHE_CONTROL, kept);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    compress(&mut answer, accept_encoding);
    answer
}

/// A pause, so that guessing takes its time, and the form again.
async fn refuse<C: Clock>(clock: &C, denied: Denied) -> Answer {
    clock.sleep(LOGIN_PAUSE).await;
    if denied == Denied::Closed {
        return html(StatusCode::FORBIDDEN, login::render(denied));
    }
    let mut answer = html(StatusCode::UNAUTHORIZED, login::render(denied));
    let scheme = HeaderValue::from_static("Bearer");
    answer.headers.insert(WWW_AUTHENTICATE, scheme);
    answer
}

fn html(status: StatusCode, page: String) -> Answer {
    let mut answer = Answer::empty(status);
    protect(&mut answer.headers);
    let media_type = HeaderValue::from_static("text/html; charset=utf-8");
    answer.headers.insert(CONTENT_TYPE, media_type);
    answer
        .headers
        .append(VARY, HeaderValue::from_static("Accept, Cookie"));
    answer.body = Body::Whole(page.into_bytes());
    answer
}

fn see_other(location: &str, cookies: &[String]) -> Answer {
    let mut answer = Answer::empty(StatusCode::SEE_OTHER);
    protect(&mut answer.headers);
    // Both are ASCII: percent-encoded, and made here.
    if let Ok(location) = HeaderValue::from_str(location) {
        answer.headers.insert(LOCATION, location);
    }
    for cookie in cookies {
        if let Ok(cookie) = HeaderValue::from_str(cookie) {
            answer.headers.append(SET_COOKIE, cookie);
        }
    }
    answer
}

fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The page's address without the token, which must not stay in the browser's
/// history.
fn without_token(query: &str) -> String {
    let mut rest = Serializer::new(String::new());
    for (name, value) in parse(query.as_bytes()).filter(|(name, _)| name != "token") {
        rest.append_pair(&name, &value);
    }
    match rest.finish().as_str() {
        "" => "./".to_owned(),
        rest => format!("./?{rest}"),
    }
}

#[cfg(test)]
mod tests;
