//! `updraft serve`

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use tracing_subscriber::EnvFilter;

use super::config::Origin;
use super::failure::Failure;
use crate::config::{Log, LogFormat};
use crate::serve::serve;

/// Run the server until it gets SIGINT or SIGTERM.
#[derive(Args, Debug)]
pub struct Serve {
    #[command(flatten)]
    origin: Origin,
    /// Write the ports that were bound to this file, as JSON, once everything is ready.
    #[arg(long, value_name = "FILE")]
    ports_file: Option<PathBuf>,
}

impl Serve {
    pub fn run(&self) -> Result<(), Failure> {
        let config = self.origin.config()?;
        start_log(&config.log);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("cannot start threads")
            .map_err(Failure::Operation)?;
        let stop = runtime
            .block_on(async { stop_signal() })
            .context("cannot watch signals")
            .map_err(Failure::Operation)?;
        let ended = runtime.block_on(serve(&config, self.ports_file.as_deref(), stop));
        ended.map_err(Failure::operation)
    }
}

fn start_log(log: &Log) {
    // The filter was checked with the configuration.
    let filter = EnvFilter::builder().parse_lossy(&log.filter);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match log.format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
}

/// Done when somebody wants the server to stop.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
