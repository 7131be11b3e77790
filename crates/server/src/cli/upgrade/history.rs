//! What happened to an upgrade, as a table.

use jiff::Timestamp;

use crate::api::UpgradeEvent;
use crate::cli::output::{moment, table};

/// Each event with the time until the next one.
pub fn shown(history: &[UpgradeEvent]) -> String {
    let nexts = history.iter().skip(1).map(Some).chain([None]);
    let rows = history.iter().zip(nexts).map(|(event, next)| {
        let took = next.and_then(|next| seconds_between(&event.at, &next.at));
        vec![
            moment(&event.at),
            took.map(|seconds| format!("{seconds:.1} s")).unwrap_or_default(),
            event.stage.clone(),
            event.detail.clone(),
        ]
    });
    table(&["WHEN", "TOOK", "STAGE", "WHAT"], rows)
}

fn seconds_between(from: &str, to: &str) -> Option<f64> {
    let (from, to): (Timestamp, Timestamp) = (from.parse().ok()?, to.parse().ok()?);
    Some(to.duration_since(from).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::EventKind;

    fn event(at: &str, stage: &str) -> UpgradeEvent {
        UpgradeEvent {
            number: 1,
            at: at.to_owned(),
            kind: EventKind::Stage,
            stage: stage.to_owned(),
            attempt: 1,
            detail: "On its way.".to_owned(),
        }
    }

    #[test]
    fn each_stage_lasts_until_the_next() {
        let history = [
            event("2026-07-01T08:13:37.000000Z", "downloading"),
            event("2026-07-01T08:17:40.500000Z", "downloaded"),
        ];
        let text = shown(&history);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].contains("2026-07-01 08:13:37") && lines[1].contains("243.5 s"), "{text}");
        assert!(!lines[2].contains(" s "), "the last one goes on: {text}");
    }
}
