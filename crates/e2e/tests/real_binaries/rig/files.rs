//! Images, keys and the flash of the module.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::{Program, binary};
use serde_json::Value;
use tempfile::TempDir;

pub const OLD: &str = "5.4.1.1-57830";
pub const NEW: &str = "5.4.1.1-57857";

/// Bytes of code in an image.
pub const PAYLOAD: u64 = 150_000;

/// The files of one test.
pub struct Files {
    folder: TempDir,
}

impl Files {
    /// A folder with the flash of a module that runs [`OLD`].
    pub fn create() -> Self {
        let files = Self { folder: tempfile::tempdir().expect("the disk has room") };
        files.make_flash("flash.bin", &[]);
        files
    }

    /// Makes the flash of a module that runs [`OLD`]; gives its path.
    pub fn make_flash(&self, name: &str, image: &[&str]) -> String {
        let factory = self.image(&format!("factory of {name}"), OLD, image);
        let flash = self.text_path(name);
        self.vmodule(&["flash", "init", "--file", &flash, "--image", &factory, "--bank-size", "262144"]);
        flash
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The names of all files in a folder; none if there is no such folder.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).into_iter().flatten();
        entries.map(|entry| entry.expect("it is ours").file_name().display().to_string()).collect()
    }

    pub fn flash(&self) -> String {
        self.text_path("flash.bin")
    }

    /// Makes an image of real code with `vmodule image create`; each version has other code.
    pub fn image(&self, name: &str, version: &str, arguments: &[&str]) -> String {
        let output = self.text_path(&format!("{name}.img"));
        let code = binary(Program::Vmodule).expect("it was built").display().to_string();
        let skip = if version == OLD { "1000000" } else { "1300000" };
        let mut all = vec!["image", "create", "--version", version, "--payload", &code, "--output", &output];
        all.extend(["--payload-skip", skip]);
        let take = PAYLOAD.to_string();
        let usual = [["--model", "GM01Q"], ["--payload-take", &take]];
        all.extend(usual.iter().filter(|usual| !arguments.contains(&usual[0])).flatten());
        all.extend(arguments);
        self.vmodule(&all);
        output
    }

    /// What `vmodule flash show` says.
    pub fn flash_content(&self) -> Value {
        let shown = self.vmodule(&["flash", "show", "--json", "--file", &self.flash()]);
        serde_json::from_str(&shown).expect("it is JSON")
    }

    /// The version in the bank that boots.
    pub fn flash_version(&self) -> String {
        let content = self.flash_content();
        let banks = content["banks"].as_array().expect("it is a list");
        let boots = banks.iter().find(|bank| bank["bank"] == content["boots"]).expect("one boots");
        boots["version"].as_str().expect("it is intact").to_owned()
    }

    /// Writes a key in hexadecimal digits.
    pub fn write_secret(&self, name: &str, hex: &str) -> String {
        fs::write(self.path(name), hex).expect("the disk has room");
        self.text_path(name)
    }

    /// The bytes of a key.
    pub fn secret(&self, name: &str) -> Vec<u8> {
        let hex = fs::read_to_string(self.path(name)).expect("it was written");
        let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("it is hexadecimal");
        (0..hex.len()).step_by(2).map(digit).collect()
    }

    fn text_path(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn vmodule(&self, arguments: &[&str]) -> String {
        let program = binary(Program::Vmodule).expect("it was built");
        let output = Command::new(program).args(arguments).output().expect("it starts");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
