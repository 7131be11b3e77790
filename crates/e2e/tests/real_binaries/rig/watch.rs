//! `updraft upgrade watch`

use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A command line that follows an upgrade.
pub struct Watch {
    child: Child,
}

/// What it has seen.
#[derive(Debug)]
pub struct Ended {
    pub exit_code: Option<i32>,
    /// The upgrade at its end.
    pub upgrade: Value,
    /// Its history.
    pub events: Vec<Value>,
}

impl Watch {
    pub(super) fn start(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { child: piped.spawn().expect("every system has timeout") }
    }

    /// Waits for the end of the upgrade.
    pub fn end(self) -> Ended {
        let output = self.child.wait_with_output().expect("it runs");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines = printed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let (events, others): (Vec<_>, Vec<_>) = lines.partition(|line| line.get("number").is_some());
        let upgrade = others.into_iter().find(|line| line.get("outcome").is_some());
        let complaint = String::from_utf8_lossy(&output.stderr);
        let upgrade = upgrade.unwrap_or_else(|| panic!("the upgrade did not end:\n{printed}{complaint}"));
        Ended { exit_code: output.status.code(), upgrade, events }
    }
}

impl Ended {
    /// The upgrade has brought this version, and its history is whole.
    pub fn assert_success(&self, version: &str) {
        assert_eq!(self.upgrade["outcome"]["code"], "succeeded", "{self:#?}");
        assert_eq!(self.upgrade["version_after"], version);
        assert_eq!(self.exit_code, Some(0));
        self.assert_history();
    }

    /// The upgrade has failed with this cause, and says what to do.
    pub fn assert_failure(&self, cause: &str) {
        let outcome = &self.upgrade["outcome"];
        assert_eq!((&outcome["code"], &outcome["cause"]), (&"failed".into(), &cause.into()), "{self:#?}");
        assert!(outcome["advice"].as_str().is_some_and(|advice| !advice.is_empty()), "{outcome}");
        assert_eq!(self.exit_code, Some(4));
        self.assert_history();
    }

    /// The stages that it went through, each one when it was reached first.
    pub fn stages(&self) -> Vec<&str> {
        let mut stages = Vec::new();
        for event in self.events.iter().filter(|event| event["kind"] == "stage") {
            let stage = event["stage"].as_str().expect("it is text");
            if !stages.contains(&stage) {
                stages.push(stage);
            }
        }
        stages
    }

    /// Whether its history has such an event.
    pub fn has(&self, kind: &str) -> bool {
        self.events.iter().any(|event| event["kind"] == kind)
    }

    /// Events are numbered from one without gaps, the first is the start and the last the end.
    fn assert_history(&self) {
        let numbers: Vec<_> = self.events.iter().filter_map(|event| event["number"].as_u64()).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{self:#?}");
        let kinds: Vec<_> = self.events.iter().filter_map(|event| event["kind"].as_str()).collect();
        assert_eq!((kinds.first(), kinds.last()), (Some(&"created"), Some(&"finished")), "{self:#?}");
    }
}
