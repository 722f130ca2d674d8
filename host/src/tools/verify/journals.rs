//! Journals: frames, seals, and the lines in them.

use super::Inspection;
use super::lines::{Findings, Lines};
use super::others::Entry;
use super::tally::Kind;
use netwatch_guest::clock::Clock;
use netwatch_guest::disk::{Disk, DiskFile, Folder};
use netwatch_guest::journal::frame::HEADER_BYTES;
use netwatch_guest::journal::name::{JournalFile, JournalName};
use netwatch_guest::journal::reader::{Survey, survey};
use netwatch_guest::query::source::{Unreadable, read_journal};
use std::time::Duration;

/// A server may be writing the frame that looks torn. So often it is looked at
/// again …
const LOOKS: u32 = 3;

/// … after so long.
const BETWEEN_LOOKS: Duration = Duration::from_millis(300);

impl Inspection {
    /// Something in `journal/`.
    pub(super) async fn journal_file(&mut self, entry: &Entry) {
        match entry.name().and_then(JournalFile::parse) {
            Some(JournalFile::Journal(name)) if entry.is_file => {
                self.journal(name, entry.bytes).await;
            }
            Some(_) if entry.is_file => self.tally.count(Kind::Making, entry.bytes, 0),
            _ => self.foreign("journal/", entry),
        }
    }

    async fn journal(&mut self, name: JournalName, bytes: u64) {
        let shown = format!("journal/{}", JournalFile::Journal(name));
        let mut findings = Findings::default();
        let mut reports = 0;
        match self.look(name, &mut findings).await {
            Ok(survey) => {
                reports = survey.reports;
                self.lines(name, &survey, &mut findings).await;
            }
            // Published, since it was listed.
            Err(Unreadable::Gone) => return,
            Err(error) => findings.add(error.to_string()),
        }
        self.tally.count(Kind::Journal, bytes, reports);
        self.tally.wrong(Kind::Journal, &shown, &findings);
    }

    /// Surveys a journal until it looks whole, or has looked torn for a while.
    async fn look(&self, name: JournalName, findings: &mut Findings) -> Result<Survey, Unreadable> {
        let file_name = JournalFile::Journal(name).to_string();
        let mut looks = 1;
        loop {
            let file = self.disk.open(Folder::Journal, &file_name, false).await?;
            let size = file.size().await?;
            let survey = survey(&file, name.id, &self.clock).await?;
            let torn = torn(&survey, size);
            if let (Some(what), true) = (&torn, looks == LOOKS) {
                findings.add(what.clone());
            }
            if torn.is_none() || looks == LOOKS {
                return Ok(survey);
            }
            looks += 1;
            self.clock.sleep(BETWEEN_LOOKS).await;
        }
    }

    async fn lines(&self, name: JournalName, survey: &Survey, findings: &mut Findings) {
        let mut lines = Lines::within(survey.first_ms, survey.last_ms);
        // What a server has appended since the survey is not in its times.
        let visit = |line: &[u8]| {
            if lines.count < survey.reports {
                lines.check(line);
            }
        };
        match read_journal(&self.disk, &self.clock, &name, visit).await {
            Ok(()) => {}
            Err(Unreadable::Gone) => return,
            Err(Unreadable::Content(_)) if survey.corrupt => findings.add(
                "corrupt: a bad frame stands before a good one, or a frame is missing; recovery \
                 keeps the good frames and puts the journal aside in quarantine/"
                    .to_owned(),
            ),
            Err(error) => findings.add(error.to_string()),
        }
        for what in lines.findings.told {
            findings.add(what);
        }
        findings.untold += lines.findings.untold;
        if lines.count < survey.reports {
            findings.add(format!(
                "its frames speak of {} reports and hold {} lines",
                survey.reports, lines.count
            ));
        }
    }
}

/// What is torn, if anything is. Only an open journal has a tail; what stands
/// behind a seal is nobody's.
fn torn(survey: &Survey, size: u64) -> Option<String> {
    if survey.seal.is_some() || survey.corrupt {
        return None;
    }
    if survey.created_ms.is_none() {
        return Some("its header is torn: nothing in it was acknowledged".to_owned());
    }
    let end = survey.frames.last();
    let end = end.map_or(HEADER_BYTES as u64, |frame| {
        frame.at + u64::from(frame.bytes)
    });
    let tail = size.checked_sub(end).filter(|tail| *tail > 0)?;
    Some(format!(
        "torn: its last {tail} bytes are no whole frame; a write was cut short, nothing in them \
         was acknowledged, and recovery drops them"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use netwatch_guest::journal::frame::{Seal, SealKind};
    use netwatch_guest::journal::reader::Extent;

    #[test]
    fn only_what_follows_the_last_frame_of_an_open_journal_is_torn() {
        let open = Survey {
            created_ms: Some(1),
            frames: vec![Extent { at: 80, bytes: 20 }],
            ..Survey::default()
        };
        assert_eq!(torn(&open, 100), None);
        assert!(torn(&open, 107).is_some_and(|what| what.contains("last 7 bytes")));
        let seal = Some(Seal {
            kind: SealKind::Alone,
            good_end: Some(100),
        });
        let sealed = Survey {
            seal,
            ..open.clone()
        };
        assert_eq!(torn(&sealed, 148), None);
        let begun = Survey::default();
        assert!(torn(&begun, 10).is_some_and(|what| what.contains("header")));
        let empty = Survey {
            created_ms: Some(1),
            ..Survey::default()
        };
        assert_eq!(torn(&empty, HEADER_BYTES as u64), None);
    }
}
