//! The rows of `conformance.tsv` on whole systems: the server, the bootstrap server and the client role,
//! with DTLS between them, in virtual time; and raw datagrams where a row gives bytes.

mod attacks;
mod bootstrap;
mod components;
mod device_management;
mod firmware_update;
mod registration;
mod reporting;
mod security;
mod silent_server;
mod system;
mod vectors;
