//! The server against devices that are plain CoAP endpoints, over a perfect link.

mod composites;
mod formats;
mod images;
mod observations;
mod operations;
mod queue_mode;
mod registration;
mod restart;
mod rig;
mod upgrades;
