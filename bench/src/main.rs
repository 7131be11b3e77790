//! Server CPU per message beside a plain UDP echo. See README.md for how to read the figures.

mod device;
mod echo;
mod load;
mod measure;
mod report;
mod rounds;
mod server;
mod store;
mod subject;
mod target;
mod usage;

use anyhow::ensure;
use clap::Parser;
use net::Clock;

use device::DeviceNumber;
use load::{Fleet, Plain, Secured, WAVE};
use report::{Memory, Report};
use rounds::Run;
use target::Target;

/// Measures what the server spends per message, beside a plain UDP echo in the same run.
#[derive(Parser, Debug)]
struct Arguments {
    /// Print one JSON document instead of a table.
    #[arg(long)]
    json: bool,
    /// Devices registered for the memory figures, up to 4,000,000.
    #[arg(long, default_value_t = 20_000)]
    devices: u32,
    /// Rounds of interleaved work; the median counts.
    #[arg(long, default_value_t = 15)]
    rounds: u16,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// What the store writes in a second, on both engines: changes one by one, together and in one statement.
    Store {
        /// Rounds of interleaved work; the median counts.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// The measured process; started by this program itself.
    #[command(hide = true)]
    Serve {
        /// How many devices it knows.
        devices: u32,
        /// How long its image is.
        image_bytes: usize,
    },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Serve { devices, image_bytes }) => return server::run(devices, image_bytes),
        Some(Command::Store { rounds }) => return store::run(rounds, arguments.json),
        None => {}
    }
    ensure!((1..=100).contains(&arguments.rounds), "--rounds must be from 1 to 100");
    ensure!((1..=4_000_000).contains(&arguments.devices), "--devices must be from 1 to 4000000");
    let report = Report {
        work: measure_work(arguments.rounds)?,
        memory: vec![
            measure_memory("registered, plain", 1_000.0, arguments.devices, plain_fleet)?,
            measure_memory("registered, with DTLS session", 1_500.0, arguments.devices, secured_fleet)?,
        ],
    };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.table());
    }
    Ok(())
}

fn measure_work(rounds: u16) -> anyhow::Result<Vec<report::Work>> {
    let mut target = Target::start(Run::DEVICES * (u32::from(rounds) + 1), Run::IMAGE_BYTES)?;
    // The first round fills caches and pools and is not counted.
    Run::new(&target)?.round(&mut target, 0)?;
    let mut run = Run::new(&target)?;
    for round in 1..=rounds {
        run.round(&mut target, round)?;
    }
    Ok(run.work())
}

/// How much the server's memory grows when `fleet` has brought so many devices in.
fn measure_memory(
    name: &'static str,
    budget: f64,
    devices: u32,
    fleet: impl Fn(&Target, &[DeviceNumber]) -> anyhow::Result<()>,
) -> anyhow::Result<Memory> {
    let mut target = Target::start(devices, 0)?;
    let before = target.memory()?;
    let numbers: Vec<_> = (0..devices).map(DeviceNumber).collect();
    for wave in numbers.chunks(WAVE) {
        fleet(&target, wave)?;
    }
    let grown = target.memory()?.saturating_sub(before);
    Ok(Memory { name, devices, bytes_per_device: grown as f64 / f64::from(devices), budget })
}

fn plain_fleet(target: &Target, wave: &[DeviceNumber]) -> anyhow::Result<()> {
    let mut fleet = Fleet::open(wave, |device| Plain::open(device, target.open))?;
    fleet.register()
}

fn secured_fleet(target: &Target, wave: &[DeviceNumber]) -> anyhow::Result<()> {
    let clock = Clock::start();
    let mut fleet = Fleet::open(wave, |device| Secured::open(device, target.secured, clock))?;
    fleet.handshakes()?;
    fleet.register()
}
