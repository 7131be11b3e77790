//! Bodies of the fuzz targets: plain functions that take bytes and panic if something is wrong.
//!
//! They build on stable, so that `cargo test` replays the committed corpora. `cargo +nightly fuzz run`
//! drives the same functions with libFuzzer. See `README.md`.
#![forbid(unsafe_code)]

pub mod block_reassembly;
pub mod coap_endpoint;
pub mod coap_message;
pub mod ddf;
mod dtls_ends;
pub mod dtls_handshake;
pub mod dtls_record;
pub mod formats;
pub mod intel_hex;
pub mod manifest;
pub mod register_query;
mod script;
pub mod zip_package;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use libfuzzer_sys;

/// The body of a target.
pub type Target = fn(&[u8]);

/// All targets by the names of their programs and of the folders of their corpora.
pub const TARGETS: &[(&str, Target)] = &[
    ("block_reassembly", block_reassembly::target),
    ("cbor", formats::cbor),
    ("coap_endpoint", coap_endpoint::target),
    ("coap_message", coap_message::target),
    ("ddf", ddf::target),
    ("dtls_handshake", dtls_handshake::target),
    ("dtls_record", dtls_record::target),
    ("intel_hex", intel_hex::target),
    ("link_format", formats::link_format),
    ("lwm2m_cbor", formats::lwm2m_cbor),
    ("lwm2m_json", formats::lwm2m_json),
    ("manifest", manifest::target),
    ("register_query", register_query::target),
    ("senml_cbor", formats::senml_cbor),
    ("senml_json", formats::senml_json),
    ("tlv", formats::tlv),
    ("zip_package", zip_package::target),
];

/// What libFuzzer calls; without it a program that replays the files it is given.
#[cfg(fuzzing)]
#[macro_export]
macro_rules! program {
    ($target:path) => {
        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $target(bytes));
    };
}

/// What libFuzzer calls; without it a program that replays the files it is given.
#[cfg(not(fuzzing))]
#[macro_export]
macro_rules! program {
    ($target:path) => {
        fn main() {
            $crate::replay_files($target, std::env::args_os().skip(1));
        }
    };
}

/// Runs a target over files.
///
/// # Panics
/// If a file cannot be read, or the target fails.
pub fn replay_files(target: Target, files: impl Iterator<Item = std::ffi::OsString>) {
    for file in files {
        println!("{}", file.display());
        target(&std::fs::read(&file).expect("a readable file"));
    }
}
