#![allow(clippy::unwrap_used, clippy::panic)]

use super::cases::cases;
use super::*;
use proptest::prelude::*;

fn stamper() -> Stamper {
    let mut stamper = Stamper::new([7; 32]);
    stamper.set_time(1_795_420_800_123);
    stamper
}

fn stamp(body: &[u8], shape: Shape) -> Result<Vec<String>, ReportError> {
    let mut out = b"before".to_vec();
    let stamped = stamp_reports(body, shape, &mut stamper(), &mut out);
    if stamped.is_err() {
        assert_eq!(out, b"before", "an error must leave no trace");
    }
    let text = String::from_utf8(out[6..].to_vec()).unwrap();
    let lines: Vec<_> = text.split_terminator('\n').map(str::to_owned).collect();
    stamped.map(|reports| {
        assert_eq!(reports as usize, lines.len());
        lines
    })
}

/// A stored line without what the server put in.
fn sent(line: &str) -> String {
    let rest = &line[90..];
    assert!(line.starts_with("{\"_received\":{\"at\":\"2026-11-23T08:00:00.123Z\",\"id\":\""));
    format!("{{{}", rest.strip_prefix(',').unwrap_or(rest))
}

#[test]
fn the_catalogue_is_taken_and_refused_as_it_says() {
    let cases = cases();
    assert!(cases.len() >= 300, "{} cases", cases.len());
    for case in cases {
        let stamped = stamp(&case.body, Shape::Json);
        let shown = String::from_utf8_lossy(&case.body);
        assert_eq!(stamped.is_ok(), case.good, "{shown}: {stamped:?}");
    }
}

#[test]
fn only_insignificant_whitespace_goes() {
    let body = "\n{ \"a\" : [ 1 , 2 ] ,\r\n\t\"b c\" : \" x  y \" , \"d\" : { } }\n";
    let lines = stamp(body.as_bytes(), Shape::Json).unwrap();
    assert_eq!(sent(&lines[0]), "{\"a\":[1,2],\"b c\":\" x  y \",\"d\":{}}");
}

#[test]
fn numbers_and_separators_come_out_as_they_went_in() {
    let body =
        "{\"n\":[123456789012345678901234567890,1E400,0.10000000000000000555],\"s\":\"\u{2028}\"}";
    let lines = stamp(body.as_bytes(), Shape::Json).unwrap();
    assert_eq!(sent(&lines[0]), body);
}

#[test]
fn every_report_gets_an_id_of_its_own_in_ascending_order() {
    let body = "[{},{\"a\":1},{},{}]";
    let lines = stamp(body.as_bytes(), Shape::Json).unwrap();
    assert_eq!(lines[0].len(), 91);
    let ids: Vec<_> = lines.iter().map(|line| line[52..88].to_owned()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    let id: uuid::Uuid = ids[0].parse().unwrap();
    assert_eq!(id.get_version_num(), 7);
    let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
    assert_eq!((seconds, nanos), (1_795_420_800, 123_000_000));
}

#[test]
fn ids_ascend_when_the_clock_is_set_back() {
    let mut stamper = stamper();
    let mut last = Vec::new();
    for ms in [5, 4, 5, 6, 1, 6, 7] {
        stamper.set_time(ms);
        let id = stamper.next_prefix()[52..88].to_vec();
        assert!(id > last);
        last = id;
    }
}

#[test]
fn ndjson_is_one_report_a_line() {
    let body = "\n{\"a\":1}\r\n  \n { \"b\" : 2 }";
    let lines = stamp(body.as_bytes(), Shape::NdJson).unwrap();
    assert_eq!(
        lines.iter().map(|l| sent(l)).collect::<Vec<_>>(),
        ["{\"a\":1}", "{\"b\":2}"]
    );
    for bad in [
        "",
        "\n\n",
        "{\"a\":\n1}",
        "{} {}",
        "[{}]",
        "{}\n1",
        "{}\n{",
        "{},\n{}",
    ] {
        assert!(stamp(bad.as_bytes(), Shape::NdJson).is_err(), "{bad:?}");
    }
}

#[test]
fn faults_are_located() {
    let error = stamp(b"[{\"a\":1},\n {\"b\":[1,{\"c/d\":tru}]}]", Shape::Json).unwrap_err();
    assert_eq!(error.kind, Kind::Malformed);
    assert_eq!((error.place.line, error.place.column), (2, 17));
    assert_eq!(error.place.pointer, "/1/b/1/c~1d");
    assert_eq!(error.detail, "expected a JSON value, found 'tru'");
    let error = stamp("{}\n{\"é\":1 2}".as_bytes(), Shape::NdJson).unwrap_err();
    assert_eq!((error.place.line, error.place.column), (2, 8));
    assert_eq!(error.place.pointer, "/1/é");
}

#[test]
fn too_many_reports_are_refused() {
    let most = vec!["{}"; MAX_REPORTS_PER_REQUEST as usize];
    assert!(stamp(most.join("\n").as_bytes(), Shape::NdJson).is_ok());
    let more = format!("[{},{{}}]", most.join(","));
    assert_eq!(
        stamp(more.as_bytes(), Shape::Json).unwrap_err().kind,
        Kind::TooMany
    );
}

/// JSON text of some value, with whitespace and escapes anywhere.
fn json_text() -> impl Strategy<Value = String> {
    let space = "[ \t\r\n]{0,2}";
    let number = "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?";
    let string = prop_oneof![
        any::<String>().prop_map(|s| serde_json::to_string(&s).unwrap()),
        "[a-z0-9 ]{0,40}".prop_map(|s| format!("\"{s}\"")),
        "(\\\\u00[0-9a-f]{2}|[a-z]){0,9}".prop_map(|s| format!("\"{s}\"")),
    ];
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        number.prop_map(|n| n),
        string.clone(),
    ];
    scalar.prop_recursive(5, 60, 6, move |inner| {
        let pair = (string.clone(), space, inner.clone())
            .prop_map(|(key, space, value)| format!("{key}{space}:{space}{value}"));
        prop_oneof![
            (prop::collection::vec(inner, 0..6), space)
                .prop_map(|(items, space)| format!("[{space}{}{space}]", items.join(","))),
            (prop::collection::vec(pair, 0..6), space).prop_map(|(pairs, space)| format!(
                "{{{space}{}}}",
                pairs.join(&format!("{space},{space}"))
            )),
        ]
    })
}

/// JSON text without the whitespace between tokens: the slow, obvious way.
fn compact(text: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    text.chars()
        .filter(|c| {
            let keep = in_string || !" \t\r\n".contains(*c);
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_string = !in_string,
                _ => {}
            }
            keep
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_report_is_stored_as_sent(value in json_text(), space in "[ \t\r\n]{0,3}") {
        let body = format!("{space}{{\"v\"{space}:{value}{space}}}");
        let lines = stamp(body.as_bytes(), Shape::Json).unwrap();
        prop_assert_eq!(sent(&lines[0]), compact(&body));
        let parsed: serde_json::Value = match serde_json::from_str(&lines[0]) {
            Ok(parsed) => parsed,
            // serde_json knows no number beyond f64.
            Err(error) => { prop_assert!(error.to_string().contains("number")); return Ok(()); }
        };
        prop_assert!(parsed["_received"]["id"].is_string());
    }

    #[test]
    fn a_changed_text_is_judged_as_another_parser_does(
        value in json_text(), at: prop::sample::Index, byte: u8, cut: bool,
    ) {
        let mut body = format!("{{\"v\":{value}}}").into_bytes();
        let at = at.index(body.len());
        if cut { body.truncate(at) } else { body[at] = byte }
        let ours = stamp(&body, Shape::Json);
        match serde_json::from_slice::<serde_json::Value>(&body) {
            Ok(theirs) if theirs.is_object() => prop_assert!(
                ours.is_ok() || theirs.get("_received").is_some(), "{:?}", ours),
            Ok(_) => prop_assert!(ours.is_err()),
            Err(error) if error.to_string().contains("number out of range") => {}
            Err(_) => prop_assert!(ours.is_err()),
        }
    }

    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = stamp(&body, Shape::Json);
        let _ = stamp(&body, Shape::NdJson);
    }
}

/// Where an object ends, and the line it becomes.
type Passed = Result<(usize, Vec<u8>), Fault>;

/// What both ways of passing the object at the start of a text make of it.
fn both_ways(text: &str) -> (Option<usize>, Passed) {
    let mut scanner = Scanner::new(text, false);
    let mut out = Vec::new();
    let passed = scanner.any_report(&mut stamper(), &mut out);
    let skimmed = skim::compact_object(text.as_bytes(), 0);
    (skimmed, passed.map(|()| (scanner.at(), out)))
}

/// What is skimmed is what the whole grammar passes, and is stored the same.
fn agrees(text: &str) -> bool {
    let (Some(end), passed) = both_ways(text) else {
        return false;
    };
    let (passed_end, line) = passed.unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
    assert_eq!(end, passed_end, "{text}");
    let stored = stamp(&text.as_bytes()[..end], Shape::Json).unwrap();
    assert_eq!(stored[0].as_bytes(), &line[..line.len() - 1], "{text}");
    assert_eq!(sent(&stored[0]), &text[..end]);
    true
}

#[test]
fn what_is_skimmed_of_the_catalogue_passes_the_grammar_as_well() {
    let mut skimmed = 0;
    for case in cases() {
        if let Ok(text) = std::str::from_utf8(&case.body) {
            skimmed += usize::from(agrees(text));
        }
    }
    assert!(skimmed >= 60, "{skimmed} of the catalogue");
}

#[test]
fn reports_as_pages_send_them_are_skimmed() {
    let nested = format!("{{\"a\":{}1{}}}", "[".repeat(63), "]".repeat(63));
    for report in [
        r#"{"clientId":"8c74fc1e","timestamp":"2026-01-01T00:00:00.000Z","hosts":[]}"#,
        r#"{"t":1767225600000,"latency":-0.5e-10,"error":null,"up":true,"down":false}"#,
        r#"{"say":"\"é\" \\ 𝄞","a":[1,[2,{"b":{}}]],"":0,"9":10}"#,
        &nested,
    ] {
        assert!(agrees(report), "{report}");
    }
}

#[test]
fn what_only_the_grammar_can_judge_is_not_skimmed() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(64), "]".repeat(64));
    for unsure in [
        "",
        "{",
        "{}",
        "{\"_received\":1}",
        "{\"a\":1,\"_rec\\u0065ived\":1}",
        "{\"a\": 1}",
        "{\"a\":1 }",
        "{\"a\":\"\\u0041\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":01}",
        "{\"a\":1,}",
        "{\"a\":[1}",
        &deep,
    ] {
        assert!(!agrees(unsure), "{unsure}");
    }
}

proptest! {
    /// Mutated objects: whatever skimming passes, the grammar passes.
    #[test]
    fn nothing_is_skimmed_that_the_grammar_refuses(
        value in compact_json(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), mutation()), 0..3),
    ) {
        let mut text: Vec<char> = format!("{{\"a\":{value}}}").chars().collect();
        for (at, (put, instead)) in mutations {
            let at = at.index(text.len());
            if instead {
                text[at] = put;
            } else {
                text.insert(at, put);
            }
        }
        let untouched = text.iter().collect::<String>();
        agrees(&untouched);
    }
}

fn mutation() -> impl Strategy<Value = (char, bool)> {
    let put = prop::sample::select(
        "{}[]\",:\\ue.+-01 9aZ\n\u{1f}é\u{7f}"
            .chars()
            .collect::<Vec<_>>(),
    );
    (put, any::<bool>())
}

fn compact_json() -> impl Strategy<Value = String> {
    let number = "-?(0|[1-9][0-9]{0,20})([.][0-9]{1,9})?([eE][+-]?[0-9]{1,3})?";
    let string = "\"([ -!#-\\[\\]-~é€]|\\\\[\"\\\\/bfnrt]|\\\\u00[0-9a-f]{2}){0,30}\"";
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false", "{}", "[]"]).prop_map(str::to_owned),
        number.prop_map(|number: String| number),
        string.prop_map(|string: String| string),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        let members =
            prop::collection::vec((string.prop_map(|name: String| name), inner.clone()), 0..5);
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(|all| format!("[{}]", all.join(","))),
            members.prop_map(|all| {
                let all: Vec<_> = all
                    .into_iter()
                    .map(|(name, value)| format!("{name}:{value}"))
                    .collect();
                format!("{{{}}}", all.join(","))
            }),
        ]
    })
}
