//! The procedure against a scripted device in virtual time.

mod cancel;
mod choice;
mod components;
mod ets;
mod faults;
mod rig;
