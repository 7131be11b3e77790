//! Follows an upgrade, also over a restart of the server.

use std::time::Duration;

use indicatif::ProgressBar;

use super::path;
use crate::api;
use crate::cli::client::Client;
use crate::cli::events::{Events, StreamEvent};
use crate::cli::failure::Failure;
use crate::cli::output::{Output, moment, printable};

/// How often, and how long after each other, a server that went away is looked for: two minutes in all.
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_secs(2);

/// Shows what happens to the upgrade until it ends.
pub fn watch(client: &Client, output: &Output, id: &str) -> Result<(), Failure> {
    let upgrade: api::Upgrade = client.get(&path(id))?;
    let mut watcher =
        Watcher { output, bar: output.bar(upgrade.size_bytes, "waiting"), after: 0, ended: false };
    let mut tries = 0;
    while !watcher.ended {
        let before = watcher.after;
        match client.stream(&format!("{}/events", path(id)), watcher.after) {
            Ok(stream) => watcher.follow(&mut Events::new(stream)),
            Err(Failure::Unreachable { .. }) if tries < TRIES => {}
            Err(failure) => return Err(failure),
        }
        if !watcher.ended {
            tries = if watcher.after > before { 0 } else { tries + 1 };
            watcher.bar.set_message("server away");
            pause();
        }
    }
    watcher.bar.finish_and_clear();
    let upgrade: api::Upgrade = client.get(&path(id))?;
    if output.is_json() {
        output.json(&upgrade);
    }
    match upgrade.outcome {
        Some(outcome) if !outcome.success => Err(Failure::WithoutSuccess(outcome)),
        _ => Ok(()),
    }
}

#[expect(clippy::disallowed_methods, reason = "gives a server that is away the time to come back")]
fn pause() {
    std::thread::sleep(PAUSE);
}

struct Watcher<'a> {
    output: &'a Output,
    bar: ProgressBar,
    after: i64,
    ended: bool,
}

impl Watcher<'_> {
    /// Shows events until the stream ends; how it ended makes no difference, it is asked for again.
    fn follow<R: std::io::Read>(&mut self, events: &mut Events<R>) {
        while let Ok(Some(event)) = events.next() {
            self.show(&event);
        }
    }

    fn show(&mut self, event: &StreamEvent) {
        if event.name == "progress" {
            if let Ok(transfer) = serde_json::from_str::<api::Transfer>(&event.data) {
                self.bar.set_length(transfer.total);
                self.bar.set_position(transfer.bytes);
                if self.output.is_json() {
                    self.output.json(&serde_json::json!({"kind": "progress", "bytes": transfer.bytes, "total": transfer.total}));
                }
            }
            return;
        }
        let Ok(event) = serde_json::from_str::<api::UpgradeEvent>(&event.data) else { return };
        self.after = event.number;
        self.ended = event.kind == api::EventKind::Finished;
        self.bar.set_message(event.stage.clone());
        if self.output.is_json() {
            self.output.json(&event);
        } else {
            let line = format!("{}  {:<12} {}", moment(&event.at), event.stage, printable(&event.detail));
            self.bar.suspend(|| self.output.text(&line));
        }
    }
}
