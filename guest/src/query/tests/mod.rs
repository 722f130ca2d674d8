//! Questions against brute force, on a disk that changes meanwhile; `files` has
//! what can be wrong with files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod files;

use super::*;
use crate::config::{Durability, Settings};
use crate::disk::Folder;
use crate::journal::writer::Batch;
use crate::report::Stamper;
use crate::report::stamp::Received;
use crate::simulation::clock::SimClock;
use crate::simulation::disk::SimDisk;
use crate::simulation::{Instance, World};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

type SimStore = Store<SimDisk, SimClock>;

/// A report as the model knows it.
#[derive(Clone, Debug)]
struct Known {
    at_ms: u64,
    client: u64,
    n: u64,
    line: Vec<u8>,
}

/// What was stored, by id, which sorts as time does here.
#[derive(Default)]
struct Model {
    /// Acknowledged.
    known: BTreeMap<Vec<u8>, Known>,
    /// Sent, acknowledged or not.
    sent: BTreeMap<Vec<u8>, Known>,
    /// In a segment that was pruned or is about to be.
    pruned: BTreeSet<Vec<u8>>,
}

fn id(line: &[u8]) -> Vec<u8> {
    Received::of(line).expect("a stored line").id.to_vec()
}

fn open(world: &World) -> (Instance, Rc<SimStore>) {
    let instance = world.instance();
    let settings = Settings {
        durability: Durability::Crash,
        flush_bytes: 4 << 10,
        flush_interval: Duration::from_secs(5),
        ..Settings::default()
    };
    let (disk, clock) = (instance.disk.clone(), instance.clock.clone());
    let store = Store::new(disk, clock, settings);
    store.set_flushed_by_host();
    (instance, store)
}

fn reports(stamper: &mut Stamper, at_ms: u64, numbers: std::ops::Range<u64>) -> Vec<Known> {
    stamper.set_time(at_ms);
    let mut reports = Vec::new();
    for n in numbers {
        let client = n * 7919 % 5;
        let mut line = stamper.next_prefix().to_vec();
        let rest = format!(
            ",\"clientId\":\"c{client}\",\"n\":{n},\"text\":\"t{}\"}}",
            n % 3
        );
        line.extend_from_slice(rest.as_bytes());
        reports.push(Known {
            at_ms,
            client,
            n,
            line,
        });
    }
    reports
}

async fn post(store: Rc<SimStore>, model: Rc<RefCell<Model>>, client: u64, requests: u64) {
    let mut stamper = Stamper::new(store.clock().random());
    for request in 0..requests {
        let first = client * 100_000 + request * 10;
        let now = store.clock().wall_ms();
        let reports = reports(&mut stamper, now, first..first + 1 + request % 10);
        let mut batch = Batch::new();
        for report in &reports {
            batch.frame.extend_from_slice(&report.line);
            batch.frame.push(b'\n');
            batch.reports += 1;
            let mut model = model.borrow_mut();
            model.sent.insert(id(&report.line), report.clone());
        }
        (batch.first_ms, batch.last_ms) = (now, now);
        if store.accept(batch).await.is_ok() {
            let known = reports.into_iter().map(|report| (id(&report.line), report));
            model.borrow_mut().known.extend(known);
        }
        let pause = Duration::from_millis(client * 37 % 50 + request * 13 % 90);
        store.clock().sleep(pause).await;
        if request % 8 == 0 {
            store.tick().await;
        }
    }
}

/// Removes some of the oldest segments, as retention does.
async fn prune(world_disk: SimDisk, store: Rc<SimStore>, model: Rc<RefCell<Model>>, times: u64) {
    for _ in 0..times {
        store.clock().sleep(Duration::from_millis(900)).await;
        let (segments, _) = source::segments(store.disk()).await.unwrap();
        let Some(oldest) = segments.first().filter(|_| segments.len() > 3) else {
            continue;
        };
        let file = world_disk.snapshot()[&(Folder::Data, oldest.to_string())].clone();
        let lines = zstd::decode_all(file.as_slice()).unwrap();
        let ids = lines.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        model.borrow_mut().pruned.extend(ids.map(id));
        let name = oldest.to_string();
        store.disk().unlink(Folder::Data, &name).await.unwrap();
    }
}

type Predicate = Box<dyn Fn(&Known) -> bool>;

/// A question's parameters, and the same as a predicate.
type Asked = (String, Predicate);

fn random_question(random: &mut fastrand::Rng, start_ms: u64, now_ms: u64) -> (Asked, bool) {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let mut tests: Vec<Predicate> = Vec::new();
    if random.bool() {
        let since = random.u64(start_ms..=now_ms);
        query.append_pair("since", &rfc3339(since));
        tests.push(Box::new(move |report| report.at_ms >= since));
    }
    if random.bool() {
        let until = random.u64(start_ms..=now_ms);
        query.append_pair("until", &rfc3339(until));
        tests.push(Box::new(move |report| report.at_ms < until));
    }
    if random.bool() {
        let client = random.u64(0..6);
        query.append_pair("where", &format!("/clientId:eq:c{client}"));
        tests.push(Box::new(move |report| report.client == client));
    }
    if random.bool() {
        let n = random.u64(0..300_000);
        query.append_pair("where", &format!("/n:ge:{n}"));
        tests.push(Box::new(move |report| report.n >= n));
    }
    if random.u8(0..4) == 0 {
        query.append_pair("where", "/text:contains:1");
        tests.push(Box::new(|report| report.n % 3 == 1));
    }
    let descending = random.bool();
    if descending {
        query.append_pair("order", "desc");
    }
    query.append_pair("limit", &random.usize(1..200).to_string());
    let all = move |report: &Known| tests.iter().all(|test| test(report));
    ((query.finish(), Box::new(all)), descending)
}

/// All lines of a question, page by page.
async fn ask(store: &Rc<SimStore>, query: &str) -> (Vec<Vec<u8>>, Vec<Fault>) {
    let gate = gate::Gate::default();
    let (mut lines, mut faults) = (Vec::new(), Vec::new());
    let mut query = query.to_owned();
    for _ in 0..10_000 {
        let question = Question::parse(&query, store.clock().wall_ms()).unwrap();
        let limit = question.limit;
        let place = gate.enter(store.clock()).await.unwrap();
        let page = Page::find(Rc::clone(store), question, place).await;
        let mut page = page.unwrap();
        let before = lines.len();
        while let Some(line) = page.next_line().await {
            lines.push(line);
        }
        assert!(lines.len() - before <= limit, "more than the limit");
        faults.extend_from_slice(page.faults());
        match page.next_query() {
            Some(next) => query = next,
            None => return (lines, faults),
        }
    }
    panic!("there is always a next page");
}

#[test]
fn answers_equal_brute_force_while_reports_come_and_go() {
    let mut asked = 0;
    let mut stored = 0;
    for seed in 0..60 {
        let world = World::new(seed);
        let model = Rc::new(RefCell::new(Model::default()));
        let (instance, store) = open(&world);
        let (other, other_store) = open(&world);
        let start_ms = store.clock().wall_ms();
        let mut posting = Vec::new();
        for client in 0..4 {
            let (host, store) = match client % 2 {
                0 => (&instance, &store),
                _ => (&other, &other_store),
            };
            let task = post(Rc::clone(store), Rc::clone(&model), client, 25);
            posting.push(world.spawn(host, task));
        }
        let disk = world.disk().clone();
        world.spawn(
            &instance,
            prune(disk, Rc::clone(&store), Rc::clone(&model), 4),
        );
        let questions = {
            let (store, model) = (Rc::clone(&store), Rc::clone(&model));
            world.spawn(&instance, async move {
                let mut random = fastrand::Rng::with_seed(seed);
                for _ in 0..12 {
                    store.clock().sleep(Duration::from_millis(150)).await;
                    let now = store.clock().wall_ms();
                    let ((query, meant), descending) = random_question(&mut random, start_ms, now);
                    let before: BTreeMap<_, _> = model.borrow().known.clone();
                    let (lines, faults) = ask(&store, &query).await;
                    assert_eq!(faults, [], "{query}");
                    check(&model.borrow(), &before, &lines, &meant, descending, &query);
                }
            })
        };
        world.run(questions).done().unwrap();
        asked += 12;
        stored += model.borrow().known.len();
    }
    assert!(asked >= 700 && stored >= 20_000, "{asked} {stored}");
}

fn check(
    model: &Model,
    before: &BTreeMap<Vec<u8>, Known>,
    lines: &[Vec<u8>],
    meant: &dyn Fn(&Known) -> bool,
    descending: bool,
    query: &str,
) {
    let keys: Vec<_> = lines
        .iter()
        .map(|line| {
            let received = Received::of(line).unwrap();
            (
                String::from_utf8_lossy(received.at).into_owned(),
                received.id.to_vec(),
            )
        })
        .collect();
    for two in keys.windows(2) {
        let in_order = if descending {
            two[0] > two[1]
        } else {
            two[0] < two[1]
        };
        assert!(in_order, "out of order or twice: {two:?} in {query}");
    }
    let answered: BTreeSet<_> = keys.into_iter().map(|(_, id)| id).collect();
    for line in lines {
        let report = model.sent.get(&id(line)).expect("a report that was sent");
        assert_eq!(report.line, *line);
        assert!(meant(report), "not asked for: {query}");
    }
    for (id, report) in before {
        let must = meant(report) && !model.pruned.contains(id);
        assert!(
            !must || answered.contains(id),
            "missing {report:?}: {query}"
        );
    }
}
