//! Every report exactly once while its journal is being published.

use super::*;
use crate::simulation::fault::Side;

/// Posts to three stores, and asks all the time while they publish: first by
/// host or among themselves, then through the death of some.
fn life(seed: u64, by_host: bool) -> u64 {
    let world = World::new(seed);
    let mut stores = Vec::new();
    for _ in 0..3 {
        let (instance, store) = open(&world);
        if by_host {
            store.set_flushed_by_host();
        }
        stores.push((instance, store));
    }
    let reader = world.instance();
    let mut generator = Generator::new(seed);
    let mut posted = 0;
    let mut questions = 0;
    for round in 0..3 {
        for (_, store) in &stores {
            let lines = generator.lines(store.clock().wall_ms(), 5);
            let posting = {
                let store = Rc::clone(store);
                async move { post(&store, &lines).await }
            };
            run(&world, posting);
            posted += 5;
        }
        for (instance, store) in &stores {
            let store = Rc::clone(store);
            world.spawn(instance, async move {
                if by_host {
                    store.clock().sleep(Duration::from_secs(61)).await;
                    store.tick().await;
                }
            });
        }
        for _ in 0..12 {
            let pause = Duration::from_millis(generator.random.u64(0..8_000));
            let asking = async {
                reader.clock.sleep(pause).await;
                ask(&reader.disk, &reader.clock, "since=-3h&bucket=30s").await
            };
            let kept = async { ask(&reader.disk, &reader.clock, "since=-3h").await };
            for table in [run(&world, asking), run(&world, kept)] {
                let table = table.unwrap();
                assert_eq!(table.reports, posted, "seed {seed}, round {round}");
                assert_eq!(table.problems, Vec::<String>::new());
                questions += 1;
            }
        }
        if round == 1 {
            let dead = stores.remove(0);
            world.kill(&dead.0);
        }
    }
    questions
}

#[test]
fn each_report_counts_once_whatever_is_being_published() {
    let questions: u64 = (0..60).map(|seed| life(seed, seed % 2 == 0)).sum();
    assert!(questions >= 4_000);
}

/// A crash at every operation of publishing leaves journals, intents, plans and
/// segments in every state; each report still counts once.
#[test]
fn each_report_counts_once_wherever_publishing_was_cut_off() {
    for by_host in [true, false] {
        let mut operation = 0;
        let mut cut_off = 0;
        loop {
            let world = World::new(7);
            world.disk().set_pace(BRISK);
            let (instance, store) = open(&world);
            if by_host {
                store.set_flushed_by_host();
            }
            let mut generator = Generator::new(7);
            let lines = generator.lines(START, 20);
            run(&world, post(&store, &lines));
            let before = world.disk().operations();
            world.crash_at(before + operation + 1, Side::After);
            let publishing = {
                let store = Rc::clone(&store);
                world.spawn(&instance, async move {
                    store.clock().sleep(Duration::from_secs(61)).await;
                    store.tick().await;
                    store.clock().sleep(Duration::from_secs(20)).await;
                })
            };
            let crashed = world.run(publishing).done().is_none();
            world.crash_processes();
            world.settle();
            world.crash_at(u64::MAX, Side::After);
            let heir = world.instance();
            let table = run(&world, ask(&heir.disk, &heir.clock, "since=-1h"));
            let table = table.unwrap();
            assert_eq!(table.reports, 20, "operation {operation}, {by_host}");
            if !crashed {
                break;
            }
            cut_off += 1;
            operation += 1;
        }
        assert!(cut_off > 10, "{cut_off}");
    }
}
