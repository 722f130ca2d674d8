//! Brings batches to a server, however often it takes.

use super::batch::{Batch, Batches};
use super::client::{Answer, Client};
use super::endpoint::Endpoint;
use super::input::Input;
use super::state::Progress;
use super::{ToolError, output, waiting};
use crate::signals::Signal;
use indicatif::{HumanCount, ProgressBar};
use std::io;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Posts one file after another.
pub(super) struct Courier {
    client: Client,
    batch_bytes: usize,
    patience: Duration,
    bar: ProgressBar,
    /// Set by Ctrl-C.
    interrupted: watch::Receiver<bool>,
    /// What was last said of a server that does not take the reports.
    said: String,
}

/// What was posted of a file.
#[derive(Debug, Default)]
pub(super) struct Posted {
    pub(super) reports: u64,
    /// How far the file is now; `None` if nothing was posted.
    pub(super) last: Option<Progress>,
}

impl Courier {
    pub(super) fn new(
        endpoint: Endpoint,
        key: Option<&str>,
        batch_bytes: usize,
        patience: Duration,
        bar: ProgressBar,
    ) -> Result<Courier, ToolError> {
        Ok(Courier {
            client: Client::new(endpoint, key).map_err(ToolError::Misuse)?,
            batch_bytes,
            patience,
            bar,
            interrupted: interruption(),
            said: String::new(),
        })
    }

    pub(super) fn bar(&self) -> &ProgressBar {
        &self.bar
    }

    /// Posts what is left of a file, of which `before` lines are posted already.
    /// `keep` is told after each acknowledgement how far the file is.
    pub(super) async fn carry(
        &mut self,
        input: &mut Input,
        before: u64,
        mut keep: impl FnMut(&Progress) -> io::Result<()>,
    ) -> Result<Posted, ToolError> {
        let mut posted = Posted::default();
        let mut batches = Batches::of(input, self.batch_bytes);
        loop {
            let batch = batches
                .next()
                .map_err(|error| ToolError::Failed(error.to_string()))?;
            if batch.len() == 0 {
                return Ok(posted);
            }
            let mut from = 0;
            let mut to = batch.fitting(0, self.batch_bytes);
            while from < batch.len() {
                let line = posted.last.map_or(before, |last| last.line);
                self.not_interrupted(line)?;
                match self.deliver(&batch, from, to, line).await? {
                    Delivery::Done => {
                        let progress = batch.progress(to - 1);
                        posted.reports += (to - from) as u64;
                        posted.last = Some(progress);
                        keep(&progress).map_err(|error| {
                            ToolError::Failed(format!(
                                "up to line {} all is posted, but that cannot be noted: {error}; \
                                 the next time they would be posted again",
                                progress.line
                            ))
                        })?;
                        self.tell(posted.reports);
                        from = to;
                        to = batch
                            .len()
                            .min(from + batch.fitting(from, self.batch_bytes));
                    }
                    Delivery::Fewer(reports) => to = from + reports,
                }
            }
        }
    }

    /// Posts a part of a batch until the server has taken it.
    async fn deliver(
        &mut self,
        batch: &Batch,
        from: usize,
        to: usize,
        line: u64,
    ) -> Result<Delivery, ToolError> {
        let body = batch.body(from, to);
        let began = Instant::now();
        let mut attempts = 0;
        loop {
            let (why, again) = match self.client.post(body).await {
                Answer::Accepted(accepted) if accepted == (to - from) as u64 => {
                    return Ok(Delivery::Done);
                }
                Answer::Accepted(accepted) => {
                    return Err(ToolError::Failed(format!(
                        "of {} reports the server accepted {accepted}; is it a netwatch-server?",
                        to - from
                    )));
                }
                Answer::TooLarge(why) if to - from > 1 => {
                    self.batch_bytes = (body.len() / 2).max(1);
                    self.say(&format!(
                        "{why}; sending {} bytes at most",
                        self.batch_bytes
                    ));
                    return Ok(Delivery::Fewer(batch.fitting(from, self.batch_bytes)));
                }
                Answer::Refused {
                    line: Some(line), ..
                } if line > 1 && line <= to - from => return Ok(Delivery::Fewer(line - 1)),
                Answer::TooLarge(why) => return Err(refused(batch, from, to, &why, Some(1))),
                Answer::Refused { why, line } => {
                    return Err(refused(batch, from, to, &why, line));
                }
                Answer::Busy { why, again } => (why, again),
                Answer::Unreachable(why) => (why, None),
                Answer::Lost(why) => {
                    let (first, last) = (batch.progress(from).line, batch.progress(to - 1).line);
                    let doubt = format!(
                        "{why}; lines {first} to {last} are sent again and may be stored twice"
                    );
                    (doubt, None)
                }
            };
            let wait = waiting(again, attempts);
            attempts += 1;
            if began.elapsed().saturating_add(wait) > self.patience {
                return Err(ToolError::Failed(format!(
                    "{why}. Not taken after {} attempts in {} s (--patience); {}",
                    attempts,
                    began.elapsed().as_secs(),
                    go_on(line)
                )));
            }
            self.say(&format!(
                "{why}; trying again in {:.1} s",
                wait.as_secs_f64()
            ));
            let mut interrupted = self.interrupted.clone();
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = interrupted.wait_for(|set| *set) => {}
            }
            self.not_interrupted(line)?;
        }
    }

    fn not_interrupted(&self, line: u64) -> Result<(), ToolError> {
        if *self.interrupted.borrow() {
            return Err(ToolError::Failed(format!("interrupted; {}", go_on(line))));
        }
        Ok(())
    }

    /// Says what holds the reports up: in the bar, or once as a line.
    fn say(&mut self, what: &str) {
        if !self.bar.is_hidden() {
            self.bar.set_message(what.to_owned());
        } else if self.said != what {
            output::say(what);
            what.clone_into(&mut self.said);
        }
    }

    fn tell(&mut self, reports: u64) {
        self.said.clear();
        self.bar
            .set_message(format!("{} reports", HumanCount(reports)));
    }
}

/// What came of posting a part of a batch.
enum Delivery {
    /// It is acknowledged.
    Done,
    /// So many reports are to be tried first.
    Fewer(usize),
}

fn refused(batch: &Batch, from: usize, to: usize, why: &str, line: Option<usize>) -> ToolError {
    let Some(line) = line.filter(|line| (1..=to - from).contains(line)) else {
        return ToolError::Failed(format!("the server says {why}"));
    };
    let at = batch.progress(from + line - 1).line;
    ToolError::Failed(format!(
        "line {at}: the server says {why}. All before it is posted. Mend or remove the line and \
         run the same command: it goes on there"
    ))
}

fn go_on(line: u64) -> String {
    match line {
        0 => "nothing of it is posted yet".to_owned(),
        line => format!(
            "it is posted up to line {line}, and the same command goes on there, unless it is a \
             stream"
        ),
    }
}

/// Becomes true at the first Ctrl-C, so that an answer on its way is still heard;
/// the second ends the process.
fn interruption() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        let mut signals = match crate::signals::ends() {
            Ok(signals) => signals,
            // Then they end the process at once, as they do by default.
            Err(_) => return std::future::pending().await,
        };
        let _ = signals.next().await;
        // Nobody hears it where the work is done.
        let _ = sender.send(true);
        if let Signal::Stop { code, .. } = signals.next().await {
            std::process::exit(i32::from(code));
        }
    });
    receiver
}
