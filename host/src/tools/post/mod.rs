//! `post`: the reports of JSON Lines files, to a server.

mod batch;
mod client;
mod courier;
mod endpoint;
mod input;
mod receipt;
mod state;
mod zstd_frames;

use super::disk::run;
use super::{End, ToolError, output, progress};
use crate::config::{ConfigError, DEFAULT_PORT};
use crate::limits;
use crate::sources::Sources;
use courier::{Courier, Posted};
use endpoint::Endpoint;
use indicatif::HumanCount;
use input::Input;
use netwatch_guest::config::{parse_bytes, parse_flush_interval, parse_secret};
use netwatch_guest::limits::MAX_BODY_BYTES_CEILING;
use state::{Progress, State};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The tool.
#[derive(Debug)]
pub struct Post {
    files: Vec<PathBuf>,
    batch_bytes: usize,
    patience: Duration,
    restart: bool,
    state_dir: Option<PathBuf>,
    endpoint: Endpoint,
    key: Option<String>,
}

/// What is to be posted and how, as typed.
#[derive(Debug, Default)]
pub(crate) struct Errand {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) batch_bytes: String,
    pub(crate) patience: String,
    pub(crate) restart: bool,
    /// Where to keep how far the files are posted; beside them if not given.
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) url: Option<String>,
    pub(crate) key: Option<String>,
}

impl Post {
    /// With what was typed and what is configured.
    ///
    /// # Errors
    /// What cannot be used.
    pub(crate) fn new(errand: Errand, sources: &Sources) -> Result<Post, ConfigError> {
        let wrong = |flag: &str, text: &str, accepted: String| {
            ConfigError::from(format!("--{flag} {text:?} cannot be used: give {accepted}"))
        };
        let url = errand.url.unwrap_or_else(|| {
            let port = sources.get("PORT").and_then(|port| port.parse().ok());
            format!("http://127.0.0.1:{}", port.unwrap_or(DEFAULT_PORT))
        });
        let key = errand.key.or_else(|| sources.get("INGEST_KEY").cloned());
        let bytes = parse_bytes(&errand.batch_bytes, 1 << 10, MAX_BODY_BYTES_CEILING)
            .map_err(|accepted| wrong("batch-bytes", &errand.batch_bytes, accepted))?;
        Ok(Post {
            files: errand.files,
            batch_bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
            patience: parse_flush_interval(&errand.patience)
                .map_err(|accepted| wrong("patience", &errand.patience, accepted))?,
            restart: errand.restart,
            state_dir: errand.state_dir,
            endpoint: Endpoint::parse(&url).map_err(ConfigError::from)?,
            key: match key.as_deref().map(parse_secret).transpose() {
                Ok(key) => key,
                // Not with its value, which is a secret.
                Err(accepted) => {
                    return Err(format!("--key cannot be used: give {accepted}").into());
                }
            },
        })
    }

    pub(super) fn run(self) -> Result<End, ToolError> {
        let total = self.files.iter().map(|path| input::size(path)).sum();
        let bar = progress::bar(total);
        let posted = run(async {
            let mut courier = Courier::new(
                self.endpoint.clone(),
                self.key.as_deref(),
                self.batch_bytes,
                self.patience,
                bar.clone(),
            )?;
            for path in &self.files {
                let posted = self.file(path, &mut courier).await?;
                bar.suspend(|| output::say(&posted));
            }
            Ok(End::Well)
        });
        bar.finish_and_clear();
        posted.map_err(|error| ToolError::Failed(error.to_string()))?
    }

    /// Posts one file, and says how it went.
    async fn file(&self, path: &Path, courier: &mut Courier) -> Result<String, ToolError> {
        let shown = path.display();
        let failed = |error: std::io::Error| ToolError::Failed(format!("{shown}: {error}"));
        let mut input = Input::open(path, courier.bar()).map_err(failed)?;
        let mut state = match input.is_resumable() {
            true => Some(State::of(
                path,
                self.state_dir.as_deref(),
                &self.endpoint.to_string(),
            )),
            false => None,
        };
        let mut done = Progress::default();
        if let Some(state) = &mut state
            && !self.restart
            && let Some(before) = state.load().map_err(ToolError::Misuse)?
        {
            input.resume(&before).map_err(|error| {
                ToolError::Misuse(format!(
                    "{shown}: {error}, so where to go on is not known; give \
                     --restart to post all of it again, or remove {}",
                    state.path().display()
                ))
            })?;
            done = before;
        }
        let Posted { reports, last } = courier
            .carry(&mut input, done.line, |progress| match &mut state {
                Some(state) => state.save(progress),
                None => Ok(()),
            })
            .await
            .map_err(|error| error.within(&shown.to_string()))?;
        let reports = HumanCount(reports);
        Ok(match (done.line, last) {
            (0, _) => format!("{shown}: {reports} reports posted"),
            (before, Some(_)) => format!(
                "{shown}: {reports} reports posted, from line {} on; those before were posted \
                 already",
                before + 1
            ),
            (before, None) => {
                format!("{shown}: posted already, {before} lines; give --restart to post it again")
            }
        })
    }
}

impl ToolError {
    /// With the file it is about before it.
    fn within(self, file: &str) -> ToolError {
        match self {
            ToolError::Misuse(what) => ToolError::Misuse(format!("{file}: {what}")),
            ToolError::Failed(what) => ToolError::Failed(format!("{file}: {what}")),
            ToolError::Unread => ToolError::Unread,
        }
    }
}

/// How long the `n`th wait is: as long as the server asks for, but never so short
/// that waiting would be asking without end.
fn waiting(asked: Option<Duration>, n: u32) -> Duration {
    let doubled = limits::POST_BACKOFF_FIRST.saturating_mul(1 << n.min(16));
    match asked {
        Some(asked) => asked.max(limits::POST_BACKOFF_FIRST),
        None => doubled.min(limits::POST_BACKOFF),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sources::{Source, Values};

    fn post(batch: &str, patience: &str, key: Option<&str>) -> Result<Post, ConfigError> {
        let mut sources = Sources::default();
        sources.add(
            Source::Environment,
            Values::from([("PORT", "81".to_owned()), ("INGEST_KEY", "k".to_owned())]),
        );
        let errand = Errand {
            batch_bytes: batch.to_owned(),
            patience: patience.to_owned(),
            key: key.map(str::to_owned),
            ..Errand::default()
        };
        Post::new(errand, &sources)
    }

    #[test]
    fn server_and_key_are_the_configured_ones() {
        let post = post("256KiB", "5m", None).unwrap();
        assert_eq!(
            post.endpoint.to_string(),
            "http://127.0.0.1:81/api/v1/reports"
        );
        assert_eq!(post.key.as_deref(), Some("k"));
        assert_eq!(
            (post.batch_bytes, post.patience.as_secs()),
            (256 << 10, 300)
        );
    }

    #[test]
    fn what_cannot_be_used_is_named_and_a_key_is_not_shown() {
        let error = post("9MiB", "5m", None).unwrap_err().to_string();
        assert!(error.contains("--batch-bytes \"9MiB\""), "{error}");
        let error = post("1MiB", "5", None).unwrap_err().to_string();
        assert!(error.contains("--patience \"5\""), "{error}");
        let error = post("1MiB", "5m", Some("a secret"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("--key") && !error.contains("a secret"),
            "{error}"
        );
    }

    #[test]
    fn waits_grow_and_stay_bounded() {
        assert!(waiting(None, 0) < waiting(None, 1));
        assert_eq!(waiting(None, u32::MAX), limits::POST_BACKOFF);
        let asked = Duration::from_secs(100);
        assert_eq!(waiting(Some(asked), 0), asked);
        assert!(waiting(Some(Duration::ZERO), 0) > Duration::ZERO);
    }
}
