//! What devices receive of packages: the payload, whatever it came in.

use std::fs;

use e2e::Conditions;

use crate::rig::{LAB_PRODUCT, NEW, OLD, Rig};

/// A zip archive with one stored file: written here, as any tool of a vendor may do.
fn zip(name: &str, content: &[u8]) -> Vec<u8> {
    let crc = !content.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & 0u32.wrapping_sub(crc & 1)))
    });
    let size = u32::try_from(content.len()).expect("it is small");
    let length = u16::try_from(name.len()).expect("it is short");
    // Version, flags, method, time and date; then what is the same in both headers (APPNOTE 4.3.7, 4.3.12).
    let mut common: Vec<u8> = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x00];
    common.extend([crc, size, size].map(u32::to_le_bytes).concat());
    common.extend([length, 0].map(u16::to_le_bytes).concat());
    let mut archive = [b"PK\x03\x04", &common[..], name.as_bytes(), content].concat();
    let directory_at = u32::try_from(archive.len()).expect("it is small");
    archive.extend([b"PK\x01\x02\x14\x00", &common[..], &[0; 14], name.as_bytes()].concat());
    let directory_size = u32::try_from(archive.len()).expect("it is small") - directory_at;
    archive.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    archive.extend([directory_size, directory_at].map(u32::to_le_bytes).concat());
    archive.extend([0; 2]);
    archive
}

#[test]
fn b7_devices_receive_the_payload_over_coap_https_and_push_and_never_the_archive() {
    let rig = Rig::start(Conditions::PERFECT);
    for (name, version) in [("zipped new", NEW), ("zipped old", OLD)] {
        let image = fs::read(rig.files.image(name, version, &[])).expect("it was made");
        let file = rig.files.path(&format!("{name}.zip"));
        fs::write(&file, zip("gm01q.img", &image)).expect("the disk has room");
        let package = rig.server.upload(name, &file.display().to_string(), &["--product", LAB_PRODUCT]);
        assert_eq!(package["form"], "archive");
        assert_ne!(package["sha256"], package["payload"]["sha256"]);
        assert_eq!(package["payload"]["size_bytes"], image.len());
    }
    let certificate = rig.server.answer(&["files", "certificate"]);
    let pem = certificate["certificate"].as_str().expect("it is text");
    let trust = rig.files.write_secret("trust.pem", pem);
    let mut module = rig.module(&["--protocols", "coaps,https", "--trust", &trust]);
    module.event("registered");
    let ended = rig.upgrade("zipped new", "pull");
    ended.assert_success(NEW);
    rig.upgrade("zipped old", "push").assert_success(OLD);
    let base = format!("https://{}", rig.server.files().1);
    let start =
        ["upgrade", "start", crate::rig::ENDPOINT, "zipped new", "--delivery", "pull", "--base-uri", &base];
    let started = rig.server.answer(&start);
    rig.server.watch(started["id"].as_str().expect("it is text")).end().assert_success(NEW);
}
