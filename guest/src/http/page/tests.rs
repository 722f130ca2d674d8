//! The page’s routes over a simulated disk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::config::Settings;
use crate::http::plots::{self, Picture};
use crate::journal::writer::Batch;
use crate::report::Stamper;
use crate::simulation::World;
use crate::simulation::clock::SimClock;
use crate::simulation::disk::SimDisk;
use std::rc::Rc;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

type SimStore = Store<SimDisk, SimClock>;

/// Runs a story over a store with one report in it.
fn with_store<T>(token: Option<&str>, story: impl AsyncFnOnce(&Rc<SimStore>, &Gate) -> T) -> T {
    let world = World::new(7);
    let instance = world.instance();
    let settings = Settings {
        read_token: token.map(str::to_owned),
        ..Settings::default()
    };
    let store = Store::new(instance.disk.clone(), instance.clock.clone(), settings);
    let told = world.run(async move {
        let mut stamper = Stamper::new([1; 32]);
        let now = store.clock().wall_ms();
        stamper.set_time(now);
        let mut batch = Batch::new();
        batch.frame.extend_from_slice(stamper.next_prefix());
        batch.frame.extend_from_slice(
            br#","clientId":"me","geo":{"country":"DE"},"hosts":[{"name":"<b>host</b>","history":[{"latency":12.5},{"error":"x"}]}]}"#,
        );
        batch.frame.push(b'\n');
        (batch.reports, batch.first_ms, batch.last_ms) = (1, now, now);
        store.accept(batch).await.unwrap();
        story(&store, &Gate::default()).await
    });
    told.done().expect("the story ends")
}

fn browser<'a>(query: &'a str, cookie: Option<&'a str>) -> Visitor<'a> {
    Visitor {
        reading: Reading {
            query: Some(query),
            accept: Some(BROWSER),
            accept_encoding: None,
        },
        cookie,
        site: Site {
            host: Some("127.0.0.1:8080"),
            ..Site::default()
        },
        ..Visitor::default()
    }
}

fn text(answer: &Answer) -> String {
    match &answer.body {
        Body::Whole(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        Body::Stream(_) => panic!("a stream"),
    }
}

fn header(answer: &Answer, name: http::HeaderName) -> String {
    let value = answer.headers.get(name);
    value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
}

/// Logs in by the form; the cookie.
async fn cookie(store: &SimStore) -> String {
    let answer = log_in(store, browser("", None), b"token=s3cret").await;
    assert_eq!(answer.status, 303);
    assert_eq!(header(&answer, LOCATION), "./");
    let cookie = header(&answer, SET_COOKIE);
    cookie.split(';').next().unwrap().to_owned()
}

#[test]
fn a_login_leads_to_the_page_with_what_was_measured() {
    with_store(Some("s3cret"), async |store, gate| {
        let form = respond(store, gate, browser("", None)).await;
        assert_eq!(form.status, 200);
        assert!(text(&form).contains("action=\"login\""));
        let cookie = cookie(store).await;
        let visitor = browser("period=1h&by=country", Some(&cookie));
        let page = respond(store, gate, visitor).await;
        assert_eq!(page.status, 200);
        let html = text(&page);
        crate::plot::tests::xml::check(&html).unwrap();
        for part in [
            "&lt;b&gt;host&lt;/b&gt;",
            "12.5 ms",
            "50.0 %",
            "<bdi>DE</bdi>",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        for (name, part) in [
            (CONTENT_SECURITY_POLICY, "default-src 'none'"),
            (REFERRER_POLICY, "same-origin"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (CACHE_CONTROL, "no-store"),
        ] {
            assert!(header(&page, name.clone()).contains(part), "{name}");
        }
        let out = log_out(store, browser("", Some(&cookie)));
        assert!(header(&out, SET_COOKIE).contains("Max-Age=0"));
    });
}

#[test]
fn a_program_gets_a_problem_document_or_the_page_by_its_token() {
    with_store(Some("s3cret"), async |store, gate| {
        let program = |authorization| Visitor {
            authorization,
            ..Visitor::default()
        };
        for (authorization, status) in [
            (None, 401),
            (Some("Bearer wrong"), 403),
            (Some("Bearer s3cret"), 200),
        ] {
            let answer = respond(store, gate, program(authorization)).await;
            assert_eq!(answer.status, status, "{authorization:?}");
            let is_problem = header(&answer, CONTENT_TYPE) == PROBLEM_JSON;
            assert_eq!(is_problem, status != 200);
        }
    });
}

#[test]
fn a_wrong_token_waits_and_gives_no_cookie() {
    with_store(Some("s3cret"), async |store, gate| {
        for (form, query) in [
            (Some(&b"token=guess"[..]), ""),
            (Some(b""), ""),
            (None, "token=guess"),
        ] {
            let began = store.clock().monotonic();
            let answer = match form {
                Some(form) => log_in(store, browser("", None), form).await,
                None => respond(store, gate, browser(query, None)).await,
            };
            assert_eq!(answer.status, 401);
            assert!(store.clock().monotonic() - began >= LOGIN_PAUSE);
            assert_eq!(header(&answer, SET_COOKIE), "");
            assert_eq!(header(&answer, WWW_AUTHENTICATE), "Bearer");
            assert!(text(&answer).contains("action=\"login\""));
        }
        let long = [b'x'; MAX_LOGIN_BYTES as usize + 1];
        assert_eq!(log_in(store, browser("", None), &long).await.status, 413);
    });
}

#[test]
fn the_token_does_not_stay_in_the_address() {
    with_store(Some("s3cret"), async |store, gate| {
        let visitor = browser("period=1h&token=s3cret&host=a%26b", None);
        let answer = respond(store, gate, visitor).await;
        assert_eq!(answer.status, 303);
        assert_eq!(header(&answer, LOCATION), "./?period=1h&host=a%26b");
        let cookie = header(&answer, SET_COOKIE);
        let cookie = cookie.split(';').next().unwrap();
        let page = respond(store, gate, browser("", Some(cookie))).await;
        assert!(text(&page).contains("id=\"live\""));
        let plain = respond(store, gate, browser("token=s3cret", None)).await;
        assert_eq!(header(&plain, LOCATION), "./");
    });
}

#[test]
fn forms_of_other_sites_log_nobody_in_or_out() {
    with_store(Some("s3cret"), async |store, _| {
        let mut visitor = browser("", None);
        visitor.site.origin = Some("https://evil.example");
        for answer in [
            log_in(store, visitor, b"token=s3cret").await,
            log_out(store, visitor),
        ] {
            assert_eq!(answer.status, 403);
            assert_eq!(header(&answer, SET_COOKIE), "");
        }
    });
}

#[test]
fn without_a_token_the_page_says_how_reading_is_opened() {
    with_store(None, async |store, gate| {
        for answer in [
            respond(store, gate, browser("", None)).await,
            respond(store, gate, browser("token=x", None)).await,
            log_in(store, browser("", None), b"token=").await,
        ] {
            assert_eq!(answer.status, 403);
            assert!(text(&answer).contains("--env READ_TOKEN="));
        }
        let program = respond(store, gate, Visitor::default()).await;
        assert!(text(&program).contains("--env READ_TOKEN="), "{program:?}");
        assert_eq!(header(&program, CONTENT_TYPE), PROBLEM_JSON);
    });
}

#[test]
fn a_question_that_makes_no_sense_is_told_on_the_page() {
    with_store(Some("s3cret"), async |store, gate| {
        let cookie = cookie(store).await;
        let visitor = browser("since=yesterday%3Cb%3E", Some(&cookie));
        let page = respond(store, gate, visitor).await;
        assert_eq!(page.status, 400);
        let html = text(&page);
        assert!(
            html.contains("role=\"alert\"") && html.contains("yesterday&lt;b&gt;"),
            "{html}"
        );
        crate::plot::tests::xml::check(&html).unwrap();
    });
}

#[test]
fn plots_are_drawn_of_what_is_stored() {
    with_store(Some("s3cret"), async |store, gate| {
        for picture in plots::PICTURES {
            let asked = Reading {
                query: Some("since=-1h&host=%3Cb%3Ehost%3C%2Fb%3E"),
                accept: None,
                accept_encoding: Some("gzip"),
            };
            let answer = plots::respond(store, gate, picture, asked).await.unwrap();
            assert_eq!(header(&answer, CONTENT_TYPE), "image/svg+xml");
            assert_eq!(header(&answer, http::header::CONTENT_ENCODING), "gzip");
        }
        let plain = |query| Reading {
            query: Some(query),
            ..Reading::default()
        };
        let drawn = plots::respond(store, gate, Picture::Latency, plain("since=-1h")).await;
        let svg = text(&drawn.unwrap());
        crate::plot::tests::xml::check(&svg).unwrap();
        assert!(
            svg.contains("&lt;b&gt;host&lt;/b&gt;") && svg.contains("class=\"loss\""),
            "{svg}"
        );
        let other = plots::respond(store, gate, Picture::Latency, plain("host=x")).await;
        assert!(!text(&other.unwrap()).contains("host&lt;"));
        let wrong = plots::respond(store, gate, Picture::Rate, plain("hosts=x")).await;
        assert_eq!(wrong.unwrap_err().status, 400);
    });
}

#[test]
fn files_of_the_page_are_kept_by_browsers_and_sent_small() {
    let whole = asset(Asset::Style, None);
    assert!(header(&whole, CACHE_CONTROL).contains("max-age"));
    let Body::Whole(small) = asset(Asset::Style, Some("gzip")).body else {
        panic!("a stream")
    };
    assert!(small.len() * 2 < text(&whole).len());
}
