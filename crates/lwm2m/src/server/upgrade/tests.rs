//! The procedure against a scripted device in virtual time.

mod cancel;
mod ets;
mod faults;
mod rig;
