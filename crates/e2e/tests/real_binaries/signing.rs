//! `updraft sign`, without any server: the way of a firmware file from its supplier to the upload, and the commands
//! of docs/signing.md.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use e2e::{Program, binary};
use serde_json::{Value, json};
use tempfile::TempDir;

const PASSPHRASE: &str = "Quectel123";
const FIRMWARE: &[u8] = b"a differential image of a module's supplier";
const BIN: &str = "BC35GJBR01A03_TO_BC35GJBR01A04.bin";
const SIGNED: &str = "BC35GJBR01A03_TO_BC35GJBR01A04_signed.zip";

/// A folder on the machine of somebody who signs.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(TempDir::new().expect("a folder for the test"));
        std::fs::write(desk.path(BIN), FIRMWARE).expect("the folder can be written");
        desk
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // Nobody listens there; offline commands do not notice.
        command.current_dir(self.0.path()).env("UPDRAFT_URL", "http://127.0.0.1:9");
        command.env("UPDRAFT_PASSPHRASE", PASSPHRASE);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let updraft = binary(Program::Updraft).expect("the server is built");
        self.command(&updraft).arg("sign").args(arguments).output().expect("the program starts")
    }

    fn answer(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("an answer in JSON")
    }

    /// What it says when it fails as an operation.
    fn failure(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stderr)
    }

    /// Puts a byte of the archive's firmware elsewhere; it is stored, since it is too short to be deflated.
    fn forge(&self, name: &str) {
        let mut archive = std::fs::read(self.path(name)).expect("the archive is there");
        let at = archive.windows(FIRMWARE.len()).position(|part| part == FIRMWARE).expect("it is stored");
        archive[at] ^= 1;
        std::fs::write(self.path(name), archive).expect("the archive can be written");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn s1_13_a_differential_image_is_signed_beside_itself_and_verifies() {
    let desk = Desk::new();
    let key = desk.answer(&["keygen"]);
    assert_eq!(key["algorithm"], "rsa2048-sha256-pkcs1v15");
    let mode = std::fs::metadata(desk.path("private.pem")).expect("it was made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let signed = desk.answer(&["sign", BIN]);
    assert_eq!((&signed["file"], &signed["key_id"]), (&json!(SIGNED), &key["key_id"]));
    assert_eq!(signed["manifest"]["kind"], "delta");
    assert_eq!(signed["manifest"]["from"]["version"], "BC35GJBR01A03");
    assert_eq!(signed["manifest"]["version"], "BC35GJBR01A04");
    assert_eq!(signed["manifest"]["payloads"][0]["name"], BIN);

    let verified = desk.answer(&["verify", SIGNED]);
    assert_eq!((&verified["signers"], &verified["manifest"]), (&json!([key["key_id"]]), &signed["manifest"]));
    assert_eq!(std::fs::read(desk.path(BIN)).expect("it is still there"), FIRMWARE);

    desk.forge(SIGNED);
    let failure = desk.failure(&["verify", SIGNED]);
    assert!(
        failure.starts_with("error: BC35GJBR01A03_TO_BC35GJBR01A04_signed.zip is not verified"),
        "{failure}"
    );
}

#[test]
fn s1_15_it_is_told_whether_signing_succeeded() {
    let desk = Desk::new();
    desk.answer(&["keygen"]);
    let signed = desk.run(&["sign", BIN]);
    assert!(
        signed.status.success() && text(&signed.stdout).starts_with("signed\n"),
        "{}",
        text(&signed.stdout)
    );
    let again = desk.failure(&["sign", BIN]);
    assert!(again.contains("is there already; --force replaces it"), "{again}");
    desk.answer(&["sign", BIN, "--force"]);
    std::fs::write(desk.path("wrong"), "Quectel124\n").expect("the folder can be written");
    let wrong = desk.failure(&["sign", BIN, "--force", "--passphrase-file", "wrong"]);
    assert!(wrong.contains("the passphrase is wrong"), "{wrong}");
    let weak = desk.run(&["keygen", "--private", "a", "--public", "b", "--passphrase-file", "/dev/null"]);
    assert_eq!(weak.status.code(), Some(2));
    assert!(text(&weak.stderr).contains("at least 6 characters"), "{}", text(&weak.stderr));
    let keys = desk.failure(&["keygen"]);
    assert!(keys.contains("private.pem is there already"), "{keys}");
    assert!(desk.answer(&["verify", SIGNED])["signers"].is_array());
}

#[test]
fn each_algorithm_signs_and_verifies_with_its_own_key_only() {
    let desk = Desk::new();
    let algorithms =
        ["rsa2048-sha256-pkcs1v15", "rsa2048-sha256-pss-mgf1sha256-salt32", "ecdsa-p256-sha256", "ed25519"];
    for (number, algorithm) in algorithms.iter().enumerate() {
        let [private, public, signed] = ["private", "public", "signed"].map(|name| format!("{name}{number}"));
        desk.answer(&["keygen", "--algorithm", algorithm, "--private", &private, "--public", &public]);
        let made = desk.answer(&["sign", BIN, "--private", &private, "--output", &signed]);
        assert_eq!(made["algorithm"], *algorithm);
    }
    for key in 0..algorithms.len() {
        for archive in 0..algorithms.len() {
            let output =
                desk.run(&["verify", &format!("signed{archive}"), "--public", &format!("public{key}")]);
            assert_eq!(output.status.success(), key == archive, "{key} {archive}: {}", text(&output.stderr));
        }
    }
}

#[test]
fn p06_a_second_signature_is_added_and_both_can_be_demanded() {
    let desk = Desk::new();
    desk.answer(&["keygen"]);
    desk.answer(&[
        "keygen",
        "--algorithm",
        "ed25519",
        "--private",
        "theirs.pem",
        "--public",
        "theirs.pub.pem",
    ]);
    desk.answer(&["sign", BIN]);
    let both = ["verify", SIGNED, "--public", "public.pem", "--public", "theirs.pub.pem", "--required", "2"];
    assert!(desk.failure(&both).contains("1 of 2 needed keys signed it"));
    desk.answer(&["sign", SIGNED, "--private", "theirs.pem", "--force"]);
    assert_eq!(desk.answer(&both)["signers"].as_array().map(Vec::len), Some(2));
    assert!(desk.failure(&["verify", SIGNED]).contains("it is none of the keys that are valid here"));
    let thrice = desk.failure(&["sign", SIGNED, "--private", "theirs.pem", "--force"]);
    assert!(thrice.contains("signed it already"), "{thrice}");
}

#[test]
fn everything_a_manifest_can_say_is_said_by_options_or_by_a_file() {
    let desk = Desk::new();
    desk.answer(&["keygen", "--algorithm", "ed25519"]);
    let options = [
        "sign",
        BIN,
        "--manufacturer",
        "Quectel",
        "--model",
        "NBIoTDevice",
        "--device-type",
        "WaterMeter",
        "--protocol",
        "CoAP",
        "--to",
        "BC35GJBR01A04",
        "--domain",
        "city",
        "--hardware-revision",
        "R1",
        "--security-counter",
        "4",
        "--sequence",
        "9",
        "--not-before",
        "2026-07-01",
        "--not-after",
        "2027-07-01T08:00:00Z",
        "--allow-downgrade",
        "--signer",
        "public.pem",
    ];
    let mut manifest = desk.answer(&options)["manifest"].clone();
    assert_eq!(manifest["kind"], "full");
    assert_eq!(manifest["product"]["device_type"], "WaterMeter");
    assert_eq!(
        (&manifest["not_before"], &manifest["not_after"]),
        (&json!(1_782_864_000), &json!(1_814_428_800))
    );
    assert_eq!(desk.answer(&["verify", SIGNED])["manifest"], manifest);

    let payloads = manifest["payloads"].take();
    manifest.as_object_mut().expect("an object").remove("payloads");
    std::fs::write(desk.path("manifest.json"), manifest.to_string()).expect("the folder can be written");
    let from_file = desk.answer(&["sign", BIN, "--manifest", "manifest.json", "--force"])["manifest"].clone();
    manifest["payloads"] = payloads;
    assert_eq!(from_file, manifest);
    manifest["payloads"][0]["size_bytes"] = json!(1);
    std::fs::write(desk.path("manifest.json"), manifest.to_string()).expect("the folder can be written");
    let lie = desk.failure(&["sign", BIN, "--manifest", "manifest.json", "--force"]);
    assert!(lie.contains("has 43 bytes; the manifest says 1"), "{lie}");
}

#[test]
fn the_commands_of_the_documentation_work() {
    let document = include_str!("../../../../docs/signing.md");
    let blocks: Vec<&str> = document
        .split("```sh openssl\n")
        .skip(1)
        .map(|block| block.split_once("```").expect("a block ends").0)
        .collect();
    assert_eq!(blocks.len(), 3, "the blocks that need nothing but OpenSSL, Python and us");
    let desk = Desk::new();
    std::fs::write(desk.path("firmware.bin"), FIRMWARE).expect("the folder can be written");
    let updraft = binary(Program::Updraft).expect("the server is built");
    let folder = updraft.parent().expect("a program is in a folder").display().to_string();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap_or_default());
    let script = format!("set -eu\n{}", blocks.concat());
    let output =
        desk.command(Path::new("sh")).args(["-c", &script]).env("PATH", path).output().expect("a shell");
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let said = text(&output.stdout);
    for wanted in ["verified: the signatures and the files are good", "Verified OK", "ours/firmware.bin: OK"]
    {
        assert!(said.contains(wanted), "{wanted} is not in\n{said}");
    }
}
