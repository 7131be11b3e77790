//! The server against devices that are plain CoAP endpoints, over a perfect link.

mod images;
mod operations;
mod queue_mode;
mod registration;
mod restart;
mod rig;
mod upgrades;
