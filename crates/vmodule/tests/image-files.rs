//! `vmodule image`: what it builds, shows and refuses.
#![expect(clippy::unwrap_used, reason = "all of this file is tests")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use firmware::{Image, Version};
use serde_json::Value;

#[test]
fn an_image_is_created_and_shown() {
    let bench = Bench::new();
    bench.write("code.bin", b"\x00\x01machine code");
    let created = bench.create(&["--source-version", "5.4.1.1-57857"]);
    assert_eq!(created.text, "image.upd: GM01Q 5.4.1.1-57830, 270 bytes\n");
    let bytes = fs::read(bench.path("image.upd")).unwrap();
    let image = Image::parse(&bytes).unwrap();
    assert_eq!(image.payload, b"\x00\x01machine code");
    assert_eq!(image.header.source, Version::new("5.4.1.1-57857").ok());

    let shown = bench.run(&["image", "show", "image.upd"]);
    assert_eq!(
        shown.text,
        "model    GM01Q\n\
         version  5.4.1.1-57830\n\
         over     5.4.1.1-57857\n\
         payload  14 bytes\n\
         crc32    2d65cad2\n\
         sha256   f8418e4cb075eaef44f0882f584b395f50a2bc2ee973e8d1b9eafb0bec1705c4\n\
         intact   yes\n"
    );
    let json = bench.json(&["image", "show", "--json", "image.upd"]);
    assert_eq!(json["format"], "updraft");
    assert_eq!(json["version"], "5.4.1.1-57830");
    assert_eq!(json["source_version"], "5.4.1.1-57857");
    assert_eq!((&json["payload_bytes"], &json["image_bytes"]), (&Value::from(14), &Value::from(270)));
    assert_eq!(json["fault"], Value::Null);
}

#[test]
fn a_part_of_a_file_can_be_the_payload() {
    let bench = Bench::new();
    bench.write("code.bin", b"0123456789");
    bench.create(&["--payload-skip", "2", "--payload-take", "5"]).succeeds();
    let bytes = fs::read(bench.path("image.upd")).unwrap();
    assert_eq!(Image::parse(&bytes).unwrap().payload, b"23456");
}

#[test]
fn damage_on_purpose_is_shown() {
    let bench = Bench::new();
    bench.write("code.bin", b"0123456789");
    for (corruption, fault) in [("crc", "CRC-32"), ("truncate", "261 bytes")] {
        bench.create(&["--corrupt", corruption]).succeeds();
        let shown = bench.run(&["image", "show", "image.upd"]);
        assert_eq!(shown.code, Some(1));
        assert!(shown.text.ends_with("intact   no\n"), "{}", shown.text);
        assert!(shown.error.contains(fault), "{}", shown.error);
    }
}

#[test]
fn a_vendors_file_is_searched_for_its_version() {
    let bench = Bench::new();
    bench.write("vendor.dup", b"\x7F\x00LR5.4.1.1-57830\0more\0");
    let json = bench.json(&["image", "show", "--json", "vendor.dup"]);
    assert_eq!((&json["format"], &json["version"]), (&"vendor".into(), &"5.4.1.1-57830".into()));
    bench.write("vendor.dup", b"from 5.4.1.1-57857 to 5.4.1.1-57830");
    let json = bench.json(&["image", "show", "--json", "vendor.dup"]);
    assert_eq!(json["version"], Value::Null);
    assert_eq!(json["versions"].as_array().unwrap().len(), 2);
    let shown = bench.run(&["image", "show", "vendor.dup"]);
    assert!(shown.text.contains("version  5.4.1.1-57830, 5.4.1.1-57857\n"), "{}", shown.text);
}

#[test]
fn bad_input_is_refused_with_its_cause() {
    let bench = Bench::new();
    bench.write("empty.bin", b"");
    bench.write("code.bin", b"code");
    let create = |model: &str, payload: &str, output: &str, more: &[&str]| {
        let fixed = ["image", "create", "--version", "1", "--model", model];
        bench.run(&[&fixed[..], &["--payload", payload, "--output", output], more].concat())
    };
    create("M", "missing.bin", "image.upd", &[]).fails("cannot read the payload missing.bin: No such file");
    create("M", "empty.bin", "image.upd", &[]).fails("the payload empty.bin is empty");
    create("M", "code.bin", "image.upd", &["--payload-skip", "4"]).fails("only 4 bytes");
    create("M", "code.bin", "code.bin", &[]).fails("both --payload and --output");
    create("M", "code.bin", "no/folder/image.upd", &[]).fails("cannot write the image no/folder/image.upd");
    create("", "code.bin", "image.upd", &[]).fails("the text is empty");
    create(&"M".repeat(48), "code.bin", "image.upd", &[]).fails("longer than 47 characters");
    assert_eq!(fs::read(bench.path("code.bin")).unwrap(), b"code");
    assert!(!bench.path("image.upd").exists());
    bench.write("torn.upd", b"UPDRAFT\x1A\x01\x00");
    bench.run(&["image", "show", "torn.upd"]).fails("torn.upd cannot be installed; build it anew");
    bench.run(&["image", "show", "missing.upd"]).fails("cannot read the image missing.upd");
}

struct Bench {
    folder: tempfile::TempDir,
}

struct Ran {
    code: Option<i32>,
    text: String,
    error: String,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn create(&self, more: &[&str]) -> Ran {
        let fixed = ["image", "create", "--model", "GM01Q", "--version", "5.4.1.1-57830"];
        self.run(&[&fixed[..], &["--payload", "code.bin", "--output", "image.upd"], more].concat())
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmodule"));
        let output = command.args(arguments).current_dir(self.folder.path()).output().unwrap();
        let Output { status, stdout, stderr } = output;
        let (text, error) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        Ran { code: status.code(), text, error }
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(arguments).succeeds()).unwrap()
    }
}

impl Ran {
    fn succeeds(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.error);
        self.text
    }

    fn fails(self, cause: &str) {
        assert!(matches!(self.code, Some(1 | 2)), "{:?}", self.code);
        assert!(self.error.contains(cause), "{}", self.error);
        assert!(self.error.starts_with("error: "), "{}", self.error);
    }
}
