//! Every report exactly once while its journal is being published.

use super::*;
use crate::disk::DiskResult;
use crate::journal::name::JournalFile;
use crate::simulation::fault::Side;
use std::cell::RefCell;
use std::pin::Pin;

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

/// A disk on which something happens just before one of its folders is listed.
struct Meanwhile {
    disk: SimDisk,
    /// The folder, listings of it to let pass, and what happens.
    event: RefCell<Option<(Folder, u32, Pin<Box<dyn Future<Output = ()>>>)>>,
}

impl Disk for Meanwhile {
    type File = <SimDisk as Disk>::File;

    async fn create(&self, folder: Folder, name: &str) -> DiskResult<Self::File> {
        self.disk.create(folder, name).await
    }

    async fn open(&self, folder: Folder, name: &str, append: bool) -> DiskResult<Self::File> {
        self.disk.open(folder, name, append).await
    }

    async fn list(&self, folder: Folder) -> DiskResult<Vec<String>> {
        let due = match &mut *self.event.borrow_mut() {
            Some((of, 0, _)) => *of == folder,
            Some((of, left, _)) => {
                *left -= u32::from(*of == folder);
                false
            }
            None => false,
        };
        if due && let Some((.., event)) = self.event.take() {
            event.await;
        }
        self.disk.list(folder).await
    }

    async fn link(&self, from: (Folder, &str), to: (Folder, &str)) -> DiskResult<()> {
        self.disk.link(from, to).await
    }

    async fn rename(&self, from: (Folder, &str), to: (Folder, &str)) -> DiskResult<()> {
        self.disk.rename(from, to).await
    }

    async fn unlink(&self, folder: Folder, name: &str) -> DiskResult<()> {
        self.disk.unlink(folder, name).await
    }

    async fn sync_folder(&self, folder: Folder) -> DiskResult<()> {
        self.disk.sync_folder(folder).await
    }
}

/// All of publishing happens between two steps of a question, and no plan is
/// left to tell of it.
#[test]
fn each_report_counts_once_where_a_journal_vanishes_between_two_listings() {
    for (folder, listings) in [
        (Folder::Journal, 0),
        (Folder::Data, 0),
        (Folder::Journal, 1),
        (Folder::Journal, 2),
        (Folder::Data, 1),
    ] {
        for alone in [false, true] {
            let world = World::new(1);
            world.disk().set_pace(BRISK);
            let (instance, store) = open(&world);
            let lines = Generator::new(1).lines(START, 20);
            run(&world, post(&store, &lines));
            let (disk, clock) = (instance.disk.clone(), &instance.clock);
            let publishing = {
                let disk = disk.clone();
                async move {
                    let names = disk.list(Folder::Journal).await.unwrap();
                    let mut journals = names.iter().filter_map(|name| JournalFile::parse(name));
                    let journal = journals.find_map(|file| match file {
                        JournalFile::Journal(name) => Some(name),
                        _ => None,
                    });
                    let journal = journal.unwrap();
                    let name = put_segment(&disk, &lines, (START, START), 1).await;
                    if alone {
                        let id = journal.id.0;
                        let from = name.to_string();
                        let to = SegmentName { id, ..name }.to_string();
                        let renamed = disk.rename((Folder::Data, &from), (Folder::Data, &to));
                        renamed.await.unwrap();
                    }
                    let journal = JournalFile::Journal(journal).to_string();
                    disk.unlink(Folder::Journal, &journal).await.unwrap();
                }
            };
            let disk = Meanwhile {
                disk,
                event: RefCell::new(Some((folder, listings, Box::pin(publishing)))),
            };
            let question = Question::parse("since=-1h", clock.wall_ms()).unwrap();
            let table = run(&world, answer(&disk, clock, &Mapping::default(), &question));
            let what = format!("before listing {listings} of {folder:?}, alone: {alone}");
            assert_eq!(table.unwrap().reports, 20, "{what}");
        }
    }
}
