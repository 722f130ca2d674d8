//! verify.

use super::*;
use netwatch_guest::journal::name::JournalFile;
use netwatch_tests::client::post;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

fn verify(dir: &Path) -> Said {
    run(&mut tool(&["verify", path(dir)]))
}

/// What verify says is wrong; there must be something.
fn wrong(dir: &Path) -> String {
    let said = verify(dir);
    assert_eq!(said.code, Some(1), "{said:?}");
    let wrong = said.out.lines().filter(|line| line.starts_with("wrong: "));
    wrong.collect::<Vec<_>>().join("\n")
}

/// The numbers of a row of the table.
fn row(said: &Said, name: &str) -> Vec<String> {
    let row = said.out.lines().find(|line| line.starts_with(name));
    let row = row.unwrap_or_else(|| panic!("no {name}: {said:?}"));
    let cells = row[name.len()..].split_whitespace();
    cells.map(str::to_owned).collect()
}

#[test]
fn a_good_directory_is_good_beside_a_server_that_writes() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("FLUSH_BYTES", "8KiB"), ("FLUSH_INTERVAL", "1s")];
    let server = Server::start(Kind::Native, dir.path(), &settings);
    let address = server.address;
    let posting = std::thread::spawn(move || {
        for line in numbered(0..1_500).lines() {
            assert_eq!(
                post(address, "application/json", line.as_bytes()).status,
                202
            );
        }
    });
    while !posting.is_finished() {
        let said = verify(dir.path());
        assert_eq!(said.code, Some(0), "{said:?}");
        let said = run(&mut tool(&["cat", path(dir.path())]));
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    posting.join().unwrap();
    let said = run(&mut tool(&["cat", path(dir.path())]));
    assert_eq!(said.out.lines().count(), 1_500);
    drop(server);
    let said = verify(dir.path());
    assert_eq!(said.code, Some(0), "{said:?}");
    let (segments, journals) = (row(&said, "segments"), row(&said, "journals"));
    let reports = |row: &[String]| row[1].replace(',', "").parse::<u64>().unwrap();
    // A journal may be in a segment already.
    assert!(reports(&segments) + reports(&journals) >= 1_500, "{said:?}");
}

#[test]
fn a_flipped_byte_a_cut_file_and_a_second_frame_are_found() {
    let dir = published_directory(&numbered(0..500));
    let segment = files::segments(dir.path()).remove(0);
    let whole = std::fs::read(&segment).unwrap();
    let good = verify(dir.path());
    assert_eq!(good.code, Some(0), "{good:?}");
    assert_eq!(row(&good, "segments")[..2], ["1", "500"]);
    for at in [0, 9, 20, whole.len() / 2, whole.len() - 2] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&segment, bytes).unwrap();
        let found = wrong(dir.path());
        assert!(found.contains(segment.file_name().unwrap().to_str().unwrap()));
    }
    for length in [0, 3, 100, whole.len() - 1] {
        std::fs::write(&segment, &whole[..length]).unwrap();
        wrong(dir.path());
    }
    std::fs::write(&segment, [&whole[..], &whole[..]].concat()).unwrap();
    assert!(wrong(dir.path()).contains("follows"));
    std::fs::write(&segment, whole).unwrap();
    assert_eq!(verify(dir.path()).code, Some(0));
}

#[test]
fn lines_that_no_server_wrote_are_found_in_a_whole_frame() {
    let dir = published_directory(&numbered(0..5));
    let segment = files::segments(dir.path()).remove(0);
    let lines = files::lines(dir.path()).join("\n") + "\n";
    for (from, to, told) in [
        ("\"n\":3", "\"n\":03", "line 4"),
        ("_received", "_Received", "line 1"),
        ("\"at\":\"2", "\"at\":\"3", "the file says"),
    ] {
        let changed = lines.replacen(from, to, 1);
        assert_ne!(changed, lines);
        let mut encoder = netwatch_guest::segment::encoder::Encoder::new(1).unwrap();
        encoder.write(changed.as_bytes()).unwrap();
        std::fs::write(&segment, encoder.finish().unwrap().bytes).unwrap();
        let found = wrong(dir.path());
        assert!(found.contains(told), "{from}: {found}");
    }
    let twice = lines.clone() + lines.lines().next().unwrap() + "\n";
    let mut encoder = netwatch_guest::segment::encoder::Encoder::new(1).unwrap();
    encoder.write(twice.as_bytes()).unwrap();
    std::fs::write(&segment, encoder.finish().unwrap().bytes).unwrap();
    assert!(wrong(dir.path()).contains("line 6: the id"));
}

#[test]
fn what_is_not_ours_is_found_whatever_it_is() {
    let dir = published_directory(&numbered(0..5));
    let not_text = std::ffi::OsStr::from_bytes(b"\xff\x1b[2J");
    for name in ["notes.txt".as_ref(), not_text] {
        let foreign = dir.path().join(name);
        std::fs::write(&foreign, "x").unwrap();
        let found = wrong(dir.path());
        assert!(found.contains("is not ours"), "{found}");
        assert!(!found.contains('\u{1b}'), "{found:?}");
        std::fs::remove_file(foreign).unwrap();
    }
    let name = format!(
        "reports-20260101T000000.000Z_20260101T000001.000Z_{}.jsonl.zst",
        "ab".repeat(16)
    );
    let directory = dir.path().join(&name);
    std::fs::create_dir(&directory).unwrap();
    assert!(wrong(dir.path()).contains(&name));
    std::fs::remove_dir(directory).unwrap();
    let fifo = dir.path().join("journal").join(&name);
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert!(wrong(dir.path()).contains("journal/"));
    std::fs::remove_file(fifo).unwrap();
    assert_eq!(verify(dir.path()).code, Some(0));
    let said = verify(Path::new("/nonexistent/reports"));
    assert_eq!(said.code, Some(2), "{said:?}");
}

/// A directory whose server was killed, and its journal with the most in it.
pub(super) fn killed(reports: u64) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("FLUSH_INTERVAL", "1h"), ("WORKERS", "1")];
    let mut server = Server::start(Kind::Native, dir.path(), &settings);
    for line in numbered(0..reports).lines() {
        assert_eq!(
            post(server.address, "application/json", line.as_bytes()).status,
            202
        );
    }
    server.kill();
    let entries = std::fs::read_dir(dir.path().join("journal")).unwrap();
    let journals = entries.map(|entry| entry.unwrap().path()).filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        matches!(JournalFile::parse(name), Some(JournalFile::Journal(_)))
    });
    let largest = journals.max_by_key(|path| path.metadata().unwrap().len());
    (dir, largest.expect("a journal"))
}

#[test]
fn a_torn_journal_and_a_corrupt_one_are_found_and_told_apart() {
    let (dir, journal) = killed(20);
    let whole = std::fs::read(&journal).unwrap();
    let good = verify(dir.path());
    assert_eq!(good.code, Some(0), "{good:?}");
    assert_eq!(row(&good, "journals")[1], "20");
    std::fs::write(&journal, &whole[..whole.len() - 5]).unwrap();
    let found = wrong(dir.path());
    assert!(
        found.contains("torn") && !found.contains("corrupt"),
        "{found}"
    );
    assert_eq!(row(&verify(dir.path()), "journals")[1], "19");
    std::fs::write(&journal, &whole[..20]).unwrap();
    assert!(wrong(dir.path()).contains("header is torn"));
    let mut bytes = whole.clone();
    bytes[whole.len() / 2] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    let found = wrong(dir.path());
    assert!(
        found.contains("corrupt") && !found.contains("torn:"),
        "{found}"
    );
    std::fs::write(&journal, whole).unwrap();
    assert_eq!(verify(dir.path()).code, Some(0));
}

#[test]
fn statistics_that_cannot_be_used_are_a_note_and_nothing_wrong() {
    use netwatch_guest::segment::name::SegmentName;
    use netwatch_guest::stats::index_name::{IndexFile, Kind};
    use netwatch_guest::stats::{rows::Rows, side_file};
    let dir = published_directory(&numbered(0..5));
    let segment = files::segments(dir.path()).remove(0);
    let segment = segment.file_name().unwrap().to_str().unwrap();
    let name = IndexFile::of_segment(SegmentName::parse(segment).unwrap(), 7);
    let IndexFile::Segment { key, .. } = name else {
        panic!("not of a segment: {name}");
    };
    let mut rows = Rows::default();
    rows.report(0, None, |_| 0);
    let mut bytes = side_file::encode(Kind::Segment, key, &mut rows);
    let index = dir.path().join("index");
    std::fs::create_dir_all(&index).unwrap();
    let file = index.join(name.to_string());
    std::fs::write(&file, &bytes).unwrap();
    let said = verify(dir.path());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!said.out.contains("note: "), "{said:?}");
    let before: u64 = row(&said, "statistics")[0].parse().unwrap();
    assert!(before >= 1);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let said = verify(dir.path());
    assert_eq!(said.code, Some(0), "{said:?}");
    let note = format!("note: index/{name}: torn");
    assert!(said.out.contains(&note), "{said:?}");
    std::fs::write(index.join("notes.txt"), "x").unwrap();
    assert!(wrong(dir.path()).contains("index/notes.txt: is not ours"));
}
