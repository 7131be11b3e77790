//! The Updraft server.
//!
//! Devices register over LwM2M, operators add devices, upload packages and start upgrades over a REST API
//! or the `updraft` command.
//!
//! What it will never do: give a device key back after it was shown once, or say that an upgrade succeeded
//! before the device came back and reported the new version.
#![forbid(unsafe_code)]

pub mod api;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod http;
pub mod secrets;
mod serve;
pub mod size;
mod southbound;
pub mod store;
pub mod uri;

pub use secrets::{Psk, PskError, PskLengths};
pub use size::ByteCount;
