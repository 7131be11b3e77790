//! `updraft` and `vmodule` as they ship, on loopback: one module is upgraded while everything goes wrong that
//! can go wrong. One program, so that scenarios which mostly wait run beside each other.

mod bootstrap;
mod bucket;
mod capture;
mod components;
mod credentials;
mod foreign_device;
mod open_device;
mod operations;
mod packages;
mod postgresql;
mod power_cut;
mod products;
mod profiles;
mod put_off;
mod rig;
mod sending;
mod sessions;
mod several_servers;
mod shards;
mod signing;
mod sleeping;
mod transfer_memory;
mod upgrade_both_ways;
mod upgrade_canceled;
mod upgrade_http;
mod upgrade_module_killed;
mod upgrade_rebind;
mod upgrade_restored;
mod upgrade_server_killed;
mod upgrade_wrong_image;
