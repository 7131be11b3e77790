//! Rounds of work, each beside an echo.

use anyhow::ensure;

use crate::report::Work;
use crate::target::{Service, Target, Used};

/// What an echo costs on the quiet machine for which the budgets were set, in microseconds. Budgets are held as
/// multiples of it, so that they mean the same on a slower or busier machine.
const QUIET_ECHO: f64 = 3.05;

/// Figures of one kind of work over all rounds.
pub struct Series {
    name: &'static str,
    unit: &'static str,
    budget: Option<f64>,
    operations: f64,
    datagrams: u64,
    calls: u64,
    rounds: Vec<f64>,
}

impl Series {
    /// Work of which one `unit` may cost `budget` microseconds where an echo costs [`QUIET_ECHO`].
    pub fn new(name: &'static str, unit: &'static str, budget: Option<f64>) -> Self {
        Self { name, unit, budget, operations: 0.0, datagrams: 0, calls: 0, rounds: Vec::new() }
    }

    /// Does `work`, which is so many operations, and notes what `service` used for it.
    pub fn round(
        &mut self,
        target: &mut Target,
        service: Service,
        operations: f64,
        work: impl FnOnce(&mut Target) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let before = target.used(service)?;
        work(target)?;
        let after = target.used(service)?;
        self.note(operations, before, after)
    }

    fn note(&mut self, operations: f64, before: Used, after: Used) -> anyhow::Result<()> {
        ensure!(after.datagrams > before.datagrams, "{}: the server has received nothing", self.name);
        self.operations += operations;
        self.datagrams += after.datagrams - before.datagrams;
        self.calls += after.calls - before.calls;
        let time = after.time.saturating_sub(before.time);
        self.rounds.push(time.as_secs_f64() * 1e6 / operations);
        Ok(())
    }

    /// The median round in microseconds.
    pub fn median(&self) -> f64 {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// What it was, beside the echo.
    pub fn work(&self, echo: &Self) -> Work {
        let lowest = self.rounds.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = self.rounds.iter().copied().fold(0.0, f64::max);
        Work {
            name: self.name,
            unit: self.unit,
            operations: self.operations as u64,
            microseconds: self.median(),
            ratio_to_echo: self.median() / echo.median(),
            range: (lowest, highest),
            batch: self.datagrams as f64 / self.calls.max(1) as f64,
            budget_ratio: self.budget.map(|budget| budget / QUIET_ECHO),
        }
    }
}
