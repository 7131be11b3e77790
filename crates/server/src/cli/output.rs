//! Writes answers, as text for people or as JSON for programs.

use std::io::{self, IsTerminal, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::failure::Failure;

/// Where answers go.
#[derive(Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether programs read this.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Writes a line. What reads it may have gone, as `head` does; that is no fault of the command.
    pub fn text(&self, line: &str) {
        let _ = writeln!(io::stdout(), "{line}");
    }

    /// Writes a text as it is, to its last byte.
    pub fn exactly(&self, text: &str) {
        let _ = io::stdout().write_all(text.as_bytes());
    }

    /// Writes a value on one line.
    pub fn json(&self, value: &impl Serialize) {
        // Types of ours with text keys only, so this cannot fail.
        self.text(&serde_json::to_string(value).unwrap_or_default());
    }

    /// Writes the value, or what people read instead.
    pub fn value(&self, value: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json { self.json(value) } else { self.text(&text()) }
    }

    /// Says something to people that is no answer.
    pub fn aside(&self, line: &str) {
        if !self.json {
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// Says why the command failed, apart from answers.
    pub fn failure(&self, failure: &Failure) {
        if self.json {
            let _ = writeln!(
                io::stderr(),
                "{}",
                serde_json::to_string(&failure.as_problem()).unwrap_or_default()
            );
        } else {
            let _ = writeln!(io::stderr(), "{failure}");
        }
    }

    /// A bar for a transfer, on terminals only.
    pub fn bar(&self, total: u64, what: &str) -> ProgressBar {
        let bar = ProgressBar::new(total).with_message(what.to_owned());
        if self.json || !io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let style = "{msg:<12} [{bar:32}] {percent:>3} % {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
        bar.set_style(
            ProgressStyle::with_template(style).expect("the template is a constant").progress_chars("=> "),
        );
        bar
    }
}

/// On a terminal with fewer columns (or one that does not know) wrapped cells are harder to read than
/// wrapped lines.
const NARROWEST: u16 = 60;

/// A table without lines, which copies well. Cells are cut to one line by nobody: long texts wrap.
pub fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header.to_vec());
    if table.width().is_none_or(|columns| columns >= NARROWEST) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Names and values below each other.
pub fn facts(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let lines = facts.iter().filter(|(_, value)| !value.is_empty());
    lines.map(|(name, value)| format!("{name:width$}  {}", printable(value))).collect::<Vec<_>>().join("\n")
}

/// What a device or a file says must not steer the terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{FFFD}' } else { letter }).collect()
}

/// `2026-07-01T08:13:37.123456Z` as people read it.
pub fn moment(text: &str) -> String {
    let (seconds, _) = text.split_once('.').unwrap_or((text, ""));
    seconds.replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_devices_say_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\u{FFFD}[2Jb\u{FFFD}");
    }

    #[test]
    fn facts_that_are_unknown_are_left_out() {
        assert_eq!(facts(&[("a", "1".to_owned()), ("long", String::new())]), "a     1");
    }

    #[test]
    fn moments_are_shown_to_the_second() {
        assert_eq!(moment("2026-07-01T08:13:37.123456Z"), "2026-07-01 08:13:37");
    }
}
