//! Who may read: `READ_TOKEN`, as `Authorization: Bearer` or as a login's cookie.
//!
//! A login gives a cookie that says until when it holds and proves that whoever
//! made it knew the token: `<expiry>.<HMAC-SHA256(token, "netwatch-read:<expiry>")>`,
//! the expiry in seconds since 1970, the code in hexadecimal. So nothing is kept
//! of a login, every instance knows every login, and another token ends them all.

use super::key;
use crate::config::Settings;
use crate::limits::{MAX_COOKIES, READ_COOKIE_AGE};
use crate::problem::Problem;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write;
use subtle::ConstantTimeEq;

/// Start of the cookie's name; the server's port follows, since a browser does
/// not tell the cookies of two servers on one machine apart.
const COOKIE: &str = "netwatch_read";

/// Why somebody may not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// There is no `READ_TOKEN`: nobody may.
    Closed,
    /// The request brings neither token nor cookie.
    Missing,
    /// The login is over, or was made with another token.
    Expired,
    /// Another token.
    Wrong,
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Problem {
        let (status, reason, detail) = match denied {
            Denied::Closed => (
                403,
                "reading-closed",
                "reading is closed because there is no READ_TOKEN; start the server with one, \
                 under wasmtime serve with --env READ_TOKEN=…",
            ),
            Denied::Missing => (
                401,
                "token-missing",
                "reading needs the server's READ_TOKEN; send it as Authorization: Bearer, or log \
                 in at /",
            ),
            Denied::Expired => (
                401,
                "login-expired",
                "the login is over; log in again at /, or send READ_TOKEN as Authorization: Bearer",
            ),
            Denied::Wrong => (
                403,
                "token-wrong",
                "this is not the server's READ_TOKEN; it is in the environment or the \
                 configuration that the server was started with",
            ),
        };
        Problem::new(status, reason, detail)
    }
}

/// Lets a request read that brings the token or the cookie of a login. `cookie`
/// is the whole `Cookie` header.
///
/// # Errors
/// 403 where reading is closed or the token is wrong, else 401.
#[allow(clippy::result_large_err, reason = "it becomes the answer at once")]
pub fn check(
    settings: &Settings,
    authorization: Option<&str>,
    cookie: Option<&str>,
    now_ms: u64,
) -> Result<(), Problem> {
    admit(settings, authorization, cookie, now_ms).map_err(Problem::from)
}

/// As [`check`], for those who answer otherwise than with a problem document.
///
/// # Errors
/// Why not.
pub fn admit(
    settings: &Settings,
    authorization: Option<&str>,
    cookie: Option<&str>,
    now_ms: u64,
) -> Result<(), Denied> {
    let token = settings.read_token.as_deref().ok_or(Denied::Closed)?;
    if let Some(sent) = key::find(authorization, None, None) {
        return if same(token, &sent) {
            Ok(())
        } else {
            Err(Denied::Wrong)
        };
    }
    let mut denied = Denied::Missing;
    for (_, value) in logins(cookie.unwrap_or_default()).take(MAX_COOKIES) {
        if holds(token, value, now_ms) {
            return Ok(());
        }
        denied = Denied::Expired;
    }
    Err(denied)
}

/// Whether somebody who gives this token may log in.
///
/// # Errors
/// Why not.
pub fn log_in(settings: &Settings, sent: Option<&str>) -> Result<(), Denied> {
    let token = settings.read_token.as_deref().ok_or(Denied::Closed)?;
    match sent.map(str::trim).filter(|sent| !sent.is_empty()) {
        None => Err(Denied::Missing),
        Some(sent) if same(token, sent) => Ok(()),
        Some(_) => Err(Denied::Wrong),
    }
}

/// The `token` of a form or of a path's query.
pub fn token_of(form: &[u8]) -> Option<String> {
    form_urlencoded::parse(form)
        .find(|(name, _)| name == "token")
        .map(|(_, value)| value.into_owned())
}

/// What a request says about where it came from and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Site<'a> {
    /// `Origin`
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site`: what the browser itself says.
    pub fetch_site: Option<&'a str>,
    /// `Host`; unknown under a runtime that keeps it from components.
    pub host: Option<&'a str>,
    /// `X-Forwarded-Host`, of a proxy that puts its own `Host`.
    pub forwarded_host: Option<&'a str>,
    /// `X-Forwarded-Proto`
    pub forwarded_proto: Option<&'a str>,
}

impl Site<'_> {
    /// Whether a form was sent from a page of this server, as far as the browser
    /// says. Pages of others must not log anybody in or out.
    pub fn is_own(&self) -> bool {
        if let Some(site) = self.fetch_site {
            return matches!(site, "same-origin" | "none");
        }
        let Some(origin) = self.origin else {
            return true;
        };
        let mut hosts = [self.host, self.forwarded_host].into_iter().flatten();
        let Some(first) = hosts.next() else {
            // Nothing to compare with. A foreign form gains nothing: it would have
            // to bring the token.
            return true;
        };
        let authority = authority_of(origin);
        std::iter::once(first)
            .chain(hosts)
            .any(|host| authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host)))
    }

    /// `Set-Cookie` of a login.
    pub fn login_cookie(&self, settings: &Settings, now_ms: u64) -> String {
        let token = settings.read_token.as_deref().unwrap_or_default();
        let expiry = now_ms / 1000 + READ_COOKIE_AGE.as_secs();
        let mut value = format!("{expiry}.");
        let code = code(token, expiry).map(|code| code.finalize().into_bytes());
        for byte in code.unwrap_or_default() {
            let _ = write!(value, "{byte:02x}");
        }
        self.cookie(&self.cookie_name(), &value, READ_COOKIE_AGE.as_secs())
    }

    /// `Set-Cookie`s that end the logins to this server among the cookies sent.
    pub fn logout_cookies(
        &self,
        settings: &Settings,
        cookies: Option<&str>,
        now_ms: u64,
    ) -> Vec<String> {
        let token = settings.read_token.as_deref().unwrap_or_default();
        logins(cookies.unwrap_or_default())
            .take(MAX_COOKIES)
            .filter(|(_, value)| holds(token, value, now_ms))
            .map(|(name, _)| self.cookie(name, "", 0))
            .collect()
    }

    fn cookie_name(&self) -> String {
        let authority = self.host.or_else(|| authority_of(self.origin?));
        let port = authority.and_then(|authority| authority.rsplit_once(':'));
        let port = port.map(|(_, port)| port);
        let is_number = |port: &&str| port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
        match port.filter(is_number) {
            Some(port) => format!("{COOKIE}_{port}"),
            None => COOKIE.to_owned(),
        }
    }

    fn cookie(&self, name: &str, value: &str, seconds: u64) -> String {
        let secure = match self.forwarded_proto {
            Some(proto) if proto.eq_ignore_ascii_case("https") => "; Secure",
            _ => "",
        };
        format!("{name}={value}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
    }
}

/// Takes as long for any wrong token of the right length.
fn same(right: &str, sent: &str) -> bool {
    bool::from(right.as_bytes().ct_eq(sent.as_bytes()))
}

/// The host and port of an origin.
fn authority_of(origin: &str) -> Option<&str> {
    origin.split_once("://").map(|(_, authority)| authority)
}

/// The names and values of cookies that a login may have given.
fn logins(cookies: &str) -> impl Iterator<Item = (&str, &str)> {
    cookies.split(';').filter_map(|cookie| {
        let (name, value) = cookie.trim().split_once('=')?;
        let port = name.strip_prefix(COOKIE)?;
        let sound = port
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'_');
        sound.then_some((name, value))
    })
}

fn holds(token: &str, value: &str, now_ms: u64) -> bool {
    let Some((expiry, sent)) = value.split_once('.') else {
        return false;
    };
    let Ok(expiry) = expiry.parse::<u64>() else {
        return false;
    };
    let (Some(sent), Some(code)) = (bytes_of_hex(sent), code(token, expiry)) else {
        return false;
    };
    expiry > now_ms / 1000 && code.verify_slice(&sent).is_ok()
}

/// `None` never: any token is a key of an HMAC (RFC 2104 §2).
fn code(token: &str, expiry: u64) -> Option<Hmac<Sha256>> {
    let mut code = Hmac::new_from_slice(token.as_bytes()).ok()?;
    code.update(format!("netwatch-read:{expiry}").as_bytes());
    Some(code)
}

fn bytes_of_hex(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16);
    let pairs = digits.as_chunks::<2>().0.iter();
    pairs
        .map(|[high, low]| u8::try_from(value(*high)? << 4 | value(*low)?).ok())
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: u64 = 1_767_225_600_000;

    fn settings(token: Option<&str>) -> Settings {
        Settings {
            read_token: token.map(str::to_owned),
            ..Settings::default()
        }
    }

    fn site(host: &'static str) -> Site<'static> {
        Site {
            host: Some(host),
            ..Site::default()
        }
    }

    /// What a browser sends back.
    fn sent_back(set_cookie: &str) -> String {
        set_cookie.split(';').next().unwrap().to_owned()
    }

    fn status(settings: &Settings, authorization: Option<&str>, cookie: Option<&str>) -> u16 {
        check(settings, authorization, cookie, NOW).map_or_else(|problem| problem.status, |()| 200)
    }

    #[test]
    fn without_a_token_reading_is_closed_and_the_answer_says_how_to_open_it() {
        let problem = check(&settings(None), Some("Bearer "), None, NOW).unwrap_err();
        assert_eq!(problem.status, 403);
        assert!(problem.detail.contains("--env READ_TOKEN="), "{problem:?}");
        assert_eq!(log_in(&settings(None), Some("")), Err(Denied::Closed));
    }

    #[test]
    fn the_token_opens_and_anything_else_does_not() {
        let settings = settings(Some("s3cret"));
        for (authorization, expected) in [
            (Some("Bearer s3cret"), 200),
            (Some("bearer  s3cret "), 200),
            (Some("Bearer s3cre"), 403),
            (Some("Bearer s3cret2"), 403),
            (Some("Bearer S3CRET"), 403),
            (Some("Bearer "), 401),
            (Some("Basic s3cret"), 401),
            (None, 401),
        ] {
            let got = status(&settings, authorization, None);
            assert_eq!(got, expected, "{authorization:?}");
        }
    }

    #[test]
    fn a_login_opens_until_it_is_over_and_only_with_the_token_it_was_made_with() {
        let settings = settings(Some("s3cret"));
        assert_eq!(log_in(&settings, Some(" s3cret\n")), Ok(()));
        assert_eq!(log_in(&settings, Some("other")), Err(Denied::Wrong));
        assert_eq!(log_in(&settings, Some(" ")), Err(Denied::Missing));
        let cookie = sent_back(&site("127.0.0.1:8080").login_cookie(&settings, NOW));
        let open = |now| admit(&settings, None, Some(&cookie), now);
        assert_eq!(open(NOW), Ok(()));
        let end = NOW + READ_COOKIE_AGE.as_millis() as u64;
        assert_eq!(open(end - 1000), Ok(()));
        assert_eq!(open(end), Err(Denied::Expired));
        let other = Settings {
            read_token: Some("s3cret2".into()),
            ..settings.clone()
        };
        assert_eq!(
            admit(&other, None, Some(&cookie), NOW),
            Err(Denied::Expired)
        );
        assert_eq!(status(&settings, Some("Bearer wrong"), Some(&cookie)), 403);
    }

    #[test]
    fn a_changed_cookie_opens_nothing() {
        let settings = settings(Some("s3cret"));
        let cookie = sent_back(&site("h:1").login_cookie(&settings, NOW));
        let value_at = cookie.find('=').unwrap() + 1;
        for at in value_at..cookie.len() {
            let mut changed = cookie.clone().into_bytes();
            changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(status(&settings, None, Some(&changed)), 401, "{changed}");
        }
        for end in value_at..cookie.len() {
            assert_eq!(status(&settings, None, Some(&cookie[..end])), 401);
        }
        for value in [
            "",
            ".",
            "9.é",
            "99999999999999999999.",
            "=;;=",
            "netwatch_read",
        ] {
            let cookie = format!("{value}; netwatch_read_1={value}; {value}");
            assert_eq!(status(&settings, None, Some(&cookie)), 401, "{cookie}");
        }
    }

    #[test]
    fn servers_on_one_machine_do_not_end_each_others_logins() {
        let (one, two) = (settings(Some("one")), settings(Some("two")));
        let cookies = [
            site("localhost:1").login_cookie(&one, NOW),
            site("[::1]:2").login_cookie(&two, NOW),
            site("[::1]").login_cookie(&two, NOW),
            Site {
                origin: Some("http://localhost:3"),
                ..Site::default()
            }
            .login_cookie(&two, NOW),
        ];
        let names = cookies
            .each_ref()
            .map(|cookie| cookie.split_once('=').unwrap().0);
        assert_eq!(
            names,
            [
                "netwatch_read_1",
                "netwatch_read_2",
                "netwatch_read",
                "netwatch_read_3"
            ]
        );
        let both = format!(
            "a=b; {}; {}",
            sent_back(&cookies[0]),
            sent_back(&cookies[1])
        );
        assert_eq!(status(&one, None, Some(&both)), 200);
        assert_eq!(status(&two, None, Some(&both)), 200);
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let settings = settings(Some("s3cret"));
        let cookie = site("h").login_cookie(&settings, NOW);
        let attributes = "; Max-Age=2592000; HttpOnly; SameSite=Strict";
        assert!(cookie.ends_with(attributes), "{cookie}");
        assert!(!cookie.contains("s3cret"), "{cookie}");
        let behind_tls = Site {
            forwarded_proto: Some("https"),
            ..site("h")
        };
        let cookie = behind_tls.login_cookie(&settings, NOW);
        assert!(cookie.ends_with("; Secure"), "{cookie}");
        let other = Settings {
            read_token: Some("other".into()),
            ..Settings::default()
        };
        let sent = [
            sent_back(&site("h:1").login_cookie(&settings, NOW)),
            sent_back(&site("h").login_cookie(&settings, NOW)),
            sent_back(&site("h:2").login_cookie(&other, NOW)),
        ];
        let gone = site("h").logout_cookies(&settings, Some(&sent.join("; ")), NOW);
        assert_eq!(gone.len(), 2, "the other server's stays: {gone:?}");
        assert!(gone[0].starts_with("netwatch_read_1=; Max-Age=0;"));
        assert!(gone[1].starts_with("netwatch_read=; Max-Age=0;"));
    }

    #[test]
    fn forms_of_other_sites_are_told_apart() {
        let from = |origin| Site {
            origin,
            forwarded_host: Some("public.example"),
            ..site("127.0.0.1:8080")
        };
        for (origin, expected) in [
            (None, true),
            (Some("http://127.0.0.1:8080"), true),
            (Some("https://PUBLIC.example"), true),
            (Some("http://127.0.0.1:8081"), false),
            (Some("http://127.0.0.1"), false),
            (Some("https://evil.example"), false),
            (Some("null"), false),
            (Some(""), false),
        ] {
            assert_eq!(from(origin).is_own(), expected, "{origin:?}");
            let unknown = Site {
                origin,
                ..Site::default()
            };
            assert!(unknown.is_own(), "nothing to compare with");
        }
        for (fetch_site, expected) in [
            ("same-origin", true),
            ("none", true),
            ("same-site", false),
            ("cross-site", false),
        ] {
            let said = Site {
                fetch_site: Some(fetch_site),
                ..from(Some("https://behind-a-proxy.example"))
            };
            assert_eq!(said.is_own(), expected, "{fetch_site}");
        }
    }

    #[test]
    fn the_token_is_read_from_forms_and_queries() {
        assert_eq!(token_of(b"a=1&token=x%2Fy+z").as_deref(), Some("x/y z"));
        assert_eq!(token_of(b"tokens=1"), None);
    }
}
