//! The procedure against a scripted device in virtual time.

mod cancel;
mod choice;
mod ets;
mod faults;
mod rig;
