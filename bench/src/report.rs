//! What comes out.

use serde::Serialize;

/// Everything that was measured.
#[derive(Serialize, Debug)]
pub struct Report {
    /// Processor time per operation.
    pub work: Vec<Work>,
    /// Memory per device.
    pub memory: Vec<Memory>,
}

/// The cost of one kind of work; times are processor time of the server's thread.
#[derive(Serialize, Debug)]
pub struct Work {
    /// What was done.
    pub name: &'static str,
    /// One of what.
    pub unit: &'static str,
    /// How many in all rounds.
    pub operations: u64,
    /// Median of the rounds.
    pub microseconds: f64,
    /// The median echo of the same rounds.
    pub ratio_to_echo: f64,
    /// Lowest and highest round, in microseconds: how much the machine was disturbed.
    pub range: (f64, f64),
    /// Datagrams that the server found per receive call.
    pub batch: f64,
    /// The most that the design allows, as a multiple of the echo.
    pub budget_ratio: Option<f64>,
}

/// Resident memory of the server per device.
#[derive(Serialize, Debug)]
pub struct Memory {
    /// What the devices have.
    pub name: &'static str,
    /// How many devices.
    pub devices: u32,
    /// Growth of the resident memory divided by the number of devices.
    pub bytes_per_device: f64,
    /// The most that the design allows, in bytes.
    pub budget: f64,
}

impl Report {
    /// A table for people.
    pub fn table(&self) -> String {
        let mut table = String::from(
            "server CPU                       operations   µs each  × echo  batch  rounds (µs)       budget\n",
        );
        for work in &self.work {
            let name = format!("{} / {}", work.name, work.unit);
            let verdict = |budget| verdict(work.ratio_to_echo, budget, "× echo");
            let budget = work.budget_ratio.map_or("-".into(), verdict);
            table += &format!(
                "{name:<32} {:>10} {:>9.2} {:>7.2} {:>6.1}  {:<17} {budget}\n",
                work.operations,
                work.microseconds,
                work.ratio_to_echo,
                work.batch,
                format!("{:.2}..{:.2}", work.range.0, work.range.1),
            );
        }
        for memory in &self.memory {
            table += &format!(
                "{:<32} {:>10} {:>9.0} bytes each{:>28}{}\n",
                format!("memory, {}", memory.name),
                memory.devices,
                memory.bytes_per_device,
                "",
                verdict(memory.bytes_per_device, memory.budget, "bytes"),
            );
        }
        table
    }
}

fn verdict(value: f64, budget: f64, unit: &str) -> String {
    format!(
        "{} (≤ {} {unit})",
        if value <= budget { "met" } else { "MISSED" },
        (budget * 100.0).round() / 100.0
    )
}
