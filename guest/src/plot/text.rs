//! Text in drawings and pages: escaped, cut, and numbers as people read them.

use std::fmt::Write;

/// Appends text so that it is text in HTML and in XML, within an element or a
/// quoted attribute. What XML has no way to say is left out, and so is what
/// would turn the direction of the text around it.
pub(crate) fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(' '),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {}
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            _ => out.push(character),
        }
    }
}

/// At most that many characters, the last one an ellipsis where some are left out.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Appends `value / parts` with as few characters as it takes; `parts` is 4.
pub(super) fn put_number(out: &mut String, value: i32, parts: i32) {
    if value < 0 {
        out.push('-');
    }
    let (whole, part) = (value.abs() / parts, value.abs() % parts);
    if whole > 0 || part == 0 {
        let _ = write!(out, "{whole}");
    }
    out.push_str(match part * 4 / parts {
        1 => ".25",
        2 => ".5",
        3 => ".75",
        _ => "",
    });
}

/// Three digits that count: `0.123`, `1.23`, `12.3`, `123`, `1230`.
fn three_digits(value: f64) -> String {
    let places = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.places$}");
    if text.contains('.') {
        let text = text.trim_end_matches('0').trim_end_matches('.');
        text.to_owned()
    } else {
        text
    }
}

/// A latency: `0.4 ms`, `12.3 ms`, `1.25 s`.
pub(crate) fn latency(ms: f64) -> String {
    if ms >= 1000.0 {
        format!("{} s", three_digits(ms / 1000.0))
    } else {
        format!("{} ms", three_digits(ms))
    }
}

/// A percentage: `0 %`, `0.4 %`, `< 0.01 %`.
pub(crate) fn percent(value: f64) -> String {
    match value {
        v if v > 0.0 && v < 0.01 => "< 0.01 %".to_owned(),
        v if v < 10.0 => format!("{} %", three_digits((v * 100.0).round() / 100.0)),
        v => format!("{v:.1} %"),
    }
}

/// A number with its thousands apart: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes: `512 B`, `1.5 MiB`.
pub(crate) fn bytes(number: u64) -> String {
    let (mut size, mut unit) = (number as f64, 0);
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{} {}", three_digits(size), UNITS[unit])
}

/// A span of time in its largest whole unit: `10 min`, `1 h`, `90 s`.
pub(crate) fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    let (number, unit) = match seconds {
        0 => (ms, "ms"),
        s if s % 86_400 == 0 => (s / 86_400, "d"),
        s if s % 3600 == 0 => (s / 3600, "h"),
        s if s % 60 == 0 => (s / 60, "min"),
        s => (s, "s"),
    };
    format!("{number} {unit}")
}

/// A civil date and time, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    year: i16,
    month: i8,
    day: i8,
    /// Seconds since midnight.
    second: u32,
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

impl Moment {
    /// Of milliseconds since 1970 UTC; those that no calendar has become the first.
    pub(crate) fn of(ms: u64) -> Moment {
        let stamp = jiff::Timestamp::from_millisecond(i64::try_from(ms).unwrap_or(0));
        let time = jiff::tz::Offset::UTC.to_datetime(stamp.unwrap_or_default());
        Moment {
            year: time.year(),
            month: time.month(),
            day: time.day(),
            second: u32::try_from(ms / 1000 % 86_400).unwrap_or(0),
        }
    }

    /// `24 Nov`
    pub(crate) fn date(self) -> String {
        let month = usize::try_from(self.month - 1).unwrap_or(0);
        format!("{} {}", self.day, MONTHS[month.min(11)])
    }

    /// `14:00`, or `14:00:30` where seconds matter.
    pub(crate) fn time(self) -> String {
        let (hour, minute, second) = (self.second / 3600, self.second / 60 % 60, self.second % 60);
        if second == 0 {
            format!("{hour:02}:{minute:02}")
        } else {
            format!("{hour:02}:{minute:02}:{second:02}")
        }
    }

    /// `24 Nov 2026, 14:00`
    pub(crate) fn date_and_time(self) -> String {
        format!("{} {}, {}", self.date(), self.year, self.time())
    }

    /// `2026-11-24T14:00`, as a field of a form has it.
    pub(crate) fn for_form(self) -> String {
        let (hour, minute) = (self.second / 3600, self.second / 60 % 60);
        format!(
            "{:04}-{:02}-{:02}T{hour:02}:{minute:02}",
            self.year, self.month, self.day
        )
    }

    /// At midnight.
    pub(super) fn begins_a_day(self) -> bool {
        self.second == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup_or_turn_what_follows_around() {
        let text = "</svg><script>\"a\" & 'b'\0\u{202e}\u{2067}x\u{fffe}\n\u{85}é🦀";
        let expected = "&lt;/svg&gt;&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;x é🦀";
        let mut out = String::new();
        escape(text, &mut out);
        assert_eq!(out, expected);
    }

    #[test]
    fn long_names_are_cut_by_characters() {
        assert_eq!(cut("abcd", 4), "abcd");
        assert_eq!(cut("ab de", 4), "ab…");
        assert_eq!(cut("ééééé", 4), "ééé…");
        assert_eq!(cut(&"🦀".repeat(10_000), 3), "🦀🦀…");
    }

    #[test]
    fn numbers_read_well() {
        let latencies = [
            0.0, 0.04, 0.1234, 1.0, 12.34, 123.4, 999.9, 1000.0, 12_345.0,
        ]
        .map(latency);
        assert_eq!(
            latencies,
            [
                "0 ms", "0.04 ms", "0.123 ms", "1 ms", "12.3 ms", "123 ms", "1000 ms", "1 s",
                "12.3 s"
            ]
        );
        let percents = [0.0, 0.001, 0.01, 0.456, 9.99, 12.34, 100.0].map(percent);
        assert_eq!(
            percents,
            [
                "0 %", "< 0.01 %", "0.01 %", "0.46 %", "9.99 %", "12.3 %", "100.0 %"
            ]
        );
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [0, 1023, 1536, 3 << 40].map(bytes),
            ["0 B", "1023 B", "1.5 KiB", "3 TiB"]
        );
        let spans = [500, 30_000, 90_000, 600_000, 3_600_000, 172_800_000].map(span);
        assert_eq!(spans, ["500 ms", "30 s", "90 s", "10 min", "1 h", "2 d"]);
    }

    #[test]
    fn moments_are_utc() {
        let moment = Moment::of(1_767_225_600_000 + 50_430_000);
        assert_eq!(moment.date_and_time(), "1 Jan 2026, 14:00:30");
        assert_eq!(moment.for_form(), "2026-01-01T14:00");
        assert!(!moment.begins_a_day() && Moment::of(1_767_225_600_000).begins_a_day());
        assert_eq!(Moment::of(u64::MAX).date(), "1 Jan");
    }

    #[test]
    fn coordinates_are_short_and_exact() {
        let text = |value| {
            let mut out = String::new();
            put_number(&mut out, value, 4);
            out
        };
        let texts = [0, 1, -1, 4, 10, -43].map(text);
        assert_eq!(texts, ["0", ".25", "-.25", "1", "2.5", "-10.75"]);
    }
}
