//! The server against devices that are plain CoAP endpoints, over a perfect link.

mod images;
mod operations;
mod registration;
mod rig;
mod upgrades;
