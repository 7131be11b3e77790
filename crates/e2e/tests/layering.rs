//! The layers of ARCHITECTURE.md, held by `cargo metadata` and by two probe libraries.
#![expect(clippy::unwrap_used, reason = "helpers of a test fail as the test does")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which of our crates a crate may use in what it ships. Whoever adds a crate adds its line here.
const MAY_USE: &[(&str, &[&str])] = &[
    ("machine", &[]),
    ("coap", &["machine"]),
    ("dtls", &["machine"]),
    ("firmware", &["machine"]),
    ("lwm2m", &["machine", "coap", "firmware"]),
    ("package", &["firmware"]),
    ("net", &["machine", "dtls"]),
    ("server", &["machine", "coap", "dtls", "firmware", "lwm2m", "package", "net"]),
    ("vmodule", &["machine", "coap", "dtls", "firmware", "lwm2m", "package", "net"]),
    ("bench", &["machine", "coap", "dtls", "firmware", "lwm2m", "net", "server", "vmodule", "xtask"]),
    ("e2e", &["machine"]),
    ("xtask", &[]),
];

/// Crates that hold decisions only: no clock, socket, thread, file or `unsafe`.
const PURE: &[&str] = &["machine", "coap", "dtls", "firmware", "lwm2m"];

#[test]
fn crates_use_only_the_layers_below_them() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = packages(&metadata).map(name).collect();
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    for package in packages(&metadata) {
        let allowed = allowed.get(name(package)).copied();
        let allowed = allowed.unwrap_or_else(|| panic!("{} has no line in MAY_USE", name(package)));
        for used in shipped_dependencies(package).filter(|used| ours.contains(used)) {
            assert!(allowed.contains(&used), "{} may not use {used}", name(package));
        }
    }
}

#[test]
fn pure_crates_say_so_at_their_head() {
    for pure in PURE {
        let path = workspace().join("crates").join(pure).join("src/lib.rs");
        let source = std::fs::read_to_string(&path).unwrap();
        for head in ["#![no_std]", "#![forbid(unsafe_code)]", "#![deny(missing_docs)]"] {
            assert!(source.contains(head), "{} lacks {head}", path.display());
        }
    }
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    for package in packages(&metadata()) {
        let manifest = std::fs::read_to_string(package["manifest_path"].as_str().unwrap()).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} has lints of its own", name(package));
    }
}

/// RUSTSEC-2023-0071: its private operations tell the key by their time, and there is no version without that.
#[test]
fn p03_the_rsa_crate_is_nowhere() {
    for lock in ["Cargo.lock", "fuzz/Cargo.lock"] {
        let packages = std::fs::read_to_string(workspace().join(lock)).unwrap();
        assert!(
            packages.contains("name = \"aws-lc-rs\"") || lock != "Cargo.lock",
            "{lock} is what it should be"
        );
        assert!(!packages.lines().any(|line| line == "name = \"rsa\""), "{lock} has the crate rsa");
    }
}

#[test]
fn pure_crates_link_without_std() {
    build_probe("no_std");
}

#[test]
fn contract_codec_and_flash_link_without_an_allocator() {
    build_probe("no_alloc");
}

fn build_probe(probe: &str) {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("probes").join(probe).join("Cargo.toml");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(probe);
    let output = cargo()
        .arg("build")
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--target-dir")
        .arg(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn metadata() -> serde_json::Value {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn packages(metadata: &serde_json::Value) -> impl Iterator<Item = &serde_json::Value> {
    metadata["packages"].as_array().unwrap().iter()
}

fn name(package: &serde_json::Value) -> &str {
    package["name"].as_str().unwrap()
}

fn shipped_dependencies(package: &serde_json::Value) -> impl Iterator<Item = &str> {
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    dependencies.filter(|used| used["kind"].as_str() != Some("dev")).map(name)
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
