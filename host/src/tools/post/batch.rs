//! Lines put together into requests.

use super::input::{Input, Line};
use super::receipt::push_report;
use super::state::Progress;
use netwatch_guest::limits::MAX_REPORTS_PER_REQUEST;
use std::io;

/// Reports that are in memory until a server has taken them.
#[derive(Debug, Default)]
pub(super) struct Batch {
    body: Vec<u8>,
    /// For each report: where it ends in the body, and how far the file is then.
    ends: Vec<(usize, Progress)>,
}

impl Batch {
    /// How many reports are in it.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The body of a request with the reports from `from` to before `to`.
    pub(super) fn body(&self, from: usize, to: usize) -> &[u8] {
        self.body
            .get(self.start(from)..self.start(to))
            .unwrap_or_default()
    }

    /// How far the file is before a report.
    fn start(&self, number: usize) -> usize {
        let before = number.checked_sub(1).and_then(|at| self.ends.get(at));
        before.map_or(0, |(end, _)| *end)
    }

    /// Where the `number`th report comes from.
    pub(super) fn progress(&self, number: usize) -> Progress {
        let report = self.ends.get(number);
        report.map_or_else(Progress::default, |(_, progress)| *progress)
    }

    /// How many reports from `from` on fit into so many bytes; at least one.
    pub(super) fn fitting(&self, from: usize, bytes: usize) -> usize {
        let start = self.start(from);
        let rest = self.ends.get(from..).unwrap_or_default();
        let fit = rest.iter().take_while(|(end, _)| end - start <= bytes);
        fit.count().max(1)
    }

    fn push(&mut self, line: &Line) {
        push_report(&mut self.body, &line.text);
        self.ends.push((self.body.len(), line.progress));
    }
}

/// Takes lines from a file, some at a time.
pub(super) struct Batches<'a> {
    input: &'a mut Input,
    bytes: usize,
    /// Did not fit into the batch before.
    waiting: Option<Line>,
    /// What the input said after lines that were still good.
    error: Option<io::Error>,
}

impl<'a> Batches<'a> {
    /// Batches of so many bytes, if single reports are not larger.
    pub(super) fn of(input: &'a mut Input, bytes: usize) -> Batches<'a> {
        Batches {
            input,
            bytes,
            waiting: None,
            error: None,
        }
    }

    /// The next batch; empty at the end of the file.
    ///
    /// # Errors
    /// Those of [`Input::next`], after all lines before were given.
    pub(super) fn next(&mut self) -> io::Result<Batch> {
        let mut batch = Batch::default();
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        while batch.len() < MAX_REPORTS_PER_REQUEST as usize {
            let line = match self.waiting.take() {
                Some(line) => line,
                None => match self.input.next() {
                    Ok(Some(line)) => line,
                    Ok(None) => break,
                    Err(error) if batch.len() == 0 => return Err(error),
                    Err(error) => {
                        self.error = Some(error);
                        break;
                    }
                },
            };
            if batch.len() > 0 && batch.body.len() + line.text.len() + 1 > self.bytes {
                self.waiting = Some(line);
                break;
            }
            batch.push(&line);
        }
        Ok(batch)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use indicatif::ProgressBar;

    fn bodies(text: &str, bytes: usize) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, text).unwrap();
        let mut input = Input::open(&path, &ProgressBar::hidden()).unwrap();
        let mut batches = Batches::of(&mut input, bytes);
        let mut bodies = Vec::new();
        loop {
            let batch = batches.next().unwrap();
            if batch.len() == 0 {
                return bodies;
            }
            let body = batch.body(0, batch.len());
            bodies.push(String::from_utf8(body.to_vec()).unwrap());
        }
    }

    #[test]
    fn batches_stay_below_their_bytes_and_leave_nothing_out() {
        let text = "{\"a\":1}\n{\"a\":2}\n{\"long\":\"012345678901234567890\"}\n{\"a\":3}";
        let expected = [
            "{\"a\":1}\n{\"a\":2}\n",
            "{\"long\":\"012345678901234567890\"}\n",
            "{\"a\":3}\n",
        ];
        assert_eq!(bodies(text, 16), expected);
        assert_eq!(bodies(text, 1 << 20), [format!("{text}\n")]);
        assert_eq!(bodies("\n\n", 16), [""; 0]);
    }

    #[test]
    fn a_request_holds_no_more_reports_than_a_server_takes() {
        let most = MAX_REPORTS_PER_REQUEST as usize;
        let bodies = bodies(&"{}\n".repeat(most + 1), 1 << 20);
        let reports: Vec<_> = bodies.iter().map(|body| body.lines().count()).collect();
        assert_eq!(reports, [most, 1]);
    }

    #[test]
    fn parts_of_a_batch_are_bodies_of_their_own() {
        let mut batch = Batch::default();
        for (text, line) in [("{}", 3), ("{\"a\":1}", 5), ("{\"b\":2}", 6)] {
            let progress = Progress {
                line,
                ..Progress::default()
            };
            let text = text.as_bytes().to_vec();
            batch.push(&Line { text, progress });
        }
        assert_eq!(batch.body(1, 3), b"{\"a\":1}\n{\"b\":2}\n");
        assert_eq!(batch.body(0, 1), b"{}\n");
        assert_eq!(batch.progress(1).line, 5);
        assert_eq!((batch.fitting(0, 11), batch.fitting(1, 1)), (2, 1));
    }
}
