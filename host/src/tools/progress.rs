//! A progress bar on a terminal, and nothing elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// How often the bar moves by itself.
const BEAT: Duration = Duration::from_millis(200);

/// A bar over so many bytes; where it is not known how many, what is done counts
/// up. Drawn on standard error if that is a terminal.
pub(super) fn bar(total_bytes: Option<u64>) -> ProgressBar {
    let target = ProgressDrawTarget::stderr();
    let template = match total_bytes {
        Some(_) => "{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left  {wide_msg}",
        None => "{spinner} {bytes}  {bytes_per_sec}  {wide_msg}",
    };
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(total_bytes, target).with_style(style);
    if !bar.is_hidden() {
        bar.enable_steady_tick(BEAT);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_good() {
        for total in [None, Some(10)] {
            let bar = bar(total);
            bar.inc(1);
            assert_eq!(bar.position(), 1);
        }
    }
}
