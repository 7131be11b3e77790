//! The Updraft server.
//!
//! Devices register over LwM2M, operators add devices, upload packages and start upgrades over a REST API
//! or the `updraft` command.
//!
//! - [`cli`] is the command line; all of it but `serve` asks the REST API and nothing else.
//! - [`http`] and the protocol side (`southbound`) stand on [`app`], the use cases; these stand on [`store`].
//!   Nothing points back.
//! - `bootstrap` gives devices their accounts, on ports of its own.
//! - `files` serves images over HTTP and HTTPS to devices that download with their modem.
//! - `maintenance` is backup, restore and check of the data, for when no server runs.
//! - [`config`] is what can be configured, [`secrets`] how device keys are kept.
//!
//! ```
//! use server::config::{Config, Sources};
//!
//! let flags = vec![("http.bind".to_owned(), "0.0.0.0:80".to_owned())];
//! let error = Config::read(&Sources { flags, ..Sources::default() }).unwrap_err();
//! // There are no accounts yet, so the API is not opened to others by accident.
//! assert!(error.to_string().contains("http.allow_remote_without_sign_in"));
//! ```
//!
//! What it will never do: give a device key back after it was shown once, or say that an upgrade succeeded
//! before the device came back and reported the new version.
#![forbid(unsafe_code)]

pub mod api;
pub mod app;
mod bootstrap;
pub mod cli;
pub mod clock;
pub mod config;
mod files;
pub mod http;
mod maintenance;
pub mod secrets;
mod serve;
pub mod size;
mod southbound;
pub mod store;
pub mod uri;

pub use secrets::{Psk, PskError, PskLengths};
pub use size::ByteCount;
