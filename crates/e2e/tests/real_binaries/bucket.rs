//! Packages in a bucket: the server against moto, software of others that answers as Amazon's S3 does.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use e2e::{Conditions, Process, Program, binary};
use serde_json::Value;

use crate::rig::{ENDPOINT, LAB_PRODUCT, NEW, OLD, PATIENCE, Rig, Setting};

/// That somebody asks is enough for moto; it does not look at the signature.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, \
    SignedHeaders=host, Signature=0";

const PREFIX: &str = "updraft/images";

/// A store with the bucket `fleet`. It is gone when the test is over.
struct Bucket {
    address: SocketAddr,
    _process: Process,
}

impl Bucket {
    fn start() -> Self {
        let python = binary(Program::ForeignPython).unwrap_or_else(|error| panic!("{error}"));
        let mut command = Command::new(python);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]);
        let mut process = Process::start("moto", &mut command).expect("it starts");
        let line = process.wait_for_line("Running on http://", PATIENCE).expect("it listens");
        let address = line.rsplit("http://").next().and_then(|address| address.trim().parse().ok());
        let bucket = Self { address: address.expect("it tells its address"), _process: process };
        assert_eq!(bucket.request("PUT", "", b"").0, 200);
        bucket
    }

    /// What makes the server use it.
    fn settings(&self, rig_folder: &tempfile::TempDir) -> Vec<Setting> {
        let secret = rig_folder.path().join("s3.secret");
        fs::write(&secret, "a secret key\n").expect("the disk has room");
        let text = |text: String| &*text.leak();
        vec![
            ("UPDRAFT_PACKAGES__STORE", text(format!("s3://fleet/{PREFIX}"))),
            ("UPDRAFT_PACKAGES__S3_ENDPOINT", text(format!("http://{}", self.address))),
            ("UPDRAFT_PACKAGES__S3_REGION", "eu-central-1"),
            ("UPDRAFT_PACKAGES__S3_ACCESS_KEY_ID", "updraft"),
            ("UPDRAFT_PACKAGES__S3_SECRET_ACCESS_KEY_FILE", text(secret.display().to_string())),
        ]
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        assert_eq!(self.request("PUT", &format!("/{PREFIX}/{name}"), bytes).0, 200);
    }

    fn get(&self, name: &str) -> Vec<u8> {
        let (status, bytes) = self.request("GET", &format!("/{PREFIX}/{name}"), b"");
        assert_eq!(status, 200);
        bytes
    }

    fn delete(&self, name: &str) {
        assert_eq!(self.request("DELETE", &format!("/{PREFIX}/{name}"), b"").0, 204);
    }

    /// The names of all objects.
    fn objects(&self) -> Vec<String> {
        let list = String::from_utf8(self.request("GET", "?list-type=2", b"").1).expect("it is XML");
        let keys = list.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
        keys.map(|key| key.rsplit('/').next().unwrap_or(key).to_owned()).collect()
    }

    /// Status and body.
    fn request(&self, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut connection = TcpStream::connect(self.address).expect("it listens");
        let head = format!(
            "{method} /fleet{path} HTTP/1.0\r\nhost: {}\r\ncontent-type: application/octet-stream\r\n\
             authorization: {AUTHORIZATION}\r\n\
             content-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        connection.write_all(&[head.as_bytes(), body].concat()).expect("it reads");
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).expect("it answers");
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("it has a head");
        let status =
            String::from_utf8_lossy(&answer[..end]).split(' ').nth(1).and_then(|code| code.parse().ok());
        (status.expect("it has a status"), answer.split_off(end + 4))
    }
}

fn hash(package: &Value) -> &str {
    package["sha256"].as_str().expect("it is text")
}

#[test]
fn packages_in_a_bucket_are_used_after_a_restart_and_go_when_they_are_removed() {
    let (bucket, folder) = (Bucket::start(), tempfile::tempdir().expect("the disk has room"));
    let mut rig = Rig::start_with(Conditions::PERFECT, &bucket.settings(&folder));
    let new = rig.server.answer(&["package", "show", "new"]);
    assert_eq!(bucket.get(hash(&new)), fs::read(rig.files.path("new.img")).expect("it was made"));
    assert_eq!(rig.files.names("data/images"), [""; 0], "nothing stays here");
    assert_eq!(rig.files.names("data/incoming"), [""; 0]);

    rig.server.terminate();
    rig.server.restart();
    let mut module = rig.module(&[]);
    module.event("registered");
    rig.upgrade("new", "pull").assert_success(NEW);
    rig.upgrade("old", "push").assert_success(OLD);

    // More than one part.
    let large: Vec<u8> = (0..9_500_000u32).map(|number| (number / 7) as u8).collect();
    let file = rig.files.path("large.dup");
    fs::write(&file, &large).expect("the disk has room");
    let file = file.display().to_string();
    let upload = ["package", "upload", "--product", LAB_PRODUCT, "--version", NEW, "--name", "large", &file];
    let package = rig.server.answer(&upload);
    let back = rig.files.path("back.dup").display().to_string();
    rig.server.answer(&["package", "download", "large", "--output", &back]);
    assert!(fs::read(&back).expect("it was written") == large);
    assert!(bucket.objects().contains(&hash(&package).to_owned()));
    rig.server.answer(&["package", "remove", "large"]);
    assert!(!bucket.objects().contains(&hash(&package).to_owned()));
}

#[test]
fn f22_an_object_that_is_damaged_or_missing_is_told_and_not_sent() {
    let (bucket, folder) = (Bucket::start(), tempfile::tempdir().expect("the disk has room"));
    let mut rig = Rig::start_with(Conditions::PERFECT, &bucket.settings(&folder));
    let package = rig.server.answer(&["package", "show", "new"]);
    let good = bucket.get(hash(&package));
    let refused = |kind: &str| {
        let (code, problem) = rig.server.refusal(&["upgrade", "start", ENDPOINT, "new"]);
        assert_eq!(
            (code, &problem["type"]),
            (Some(1), &format!("urn:updraft:problem:{kind}").into()),
            "{problem}"
        );
        assert!(problem["remedy"].as_str().is_some_and(|remedy| remedy.contains("Upload the package again")));
    };
    let mut damaged = good.clone();
    damaged[70_000] ^= 1;
    bucket.put(hash(&package), &damaged);
    refused("package-damaged");
    bucket.delete(hash(&package));
    refused("package-missing");

    // An upgrade that waits for its device meets it after a restart.
    bucket.put(hash(&package), &good);
    let id = rig.start_upgrade("new", "pull");
    rig.server.kill();
    bucket.delete(hash(&package));
    rig.server.restart();
    rig.server.watch(&id).end().assert_failure("package-missing");
    bucket.put(hash(&package), &good);
    let mut module = rig.module(&[]);
    module.event("registered");
    rig.upgrade("new", "pull").assert_success(NEW);
}

#[test]
fn what_a_cut_left_in_a_bucket_is_removed_and_what_others_put_there_stays() {
    let (bucket, folder) = (Bucket::start(), tempfile::tempdir().expect("the disk has room"));
    let mut rig = Rig::start_with(Conditions::PERFECT, &bucket.settings(&folder));
    let kept = rig.server.answer(&["package", "show", "new"]);
    let (cut, foreign) = ("ab".repeat(32), "cd".repeat(32));
    rig.server.kill();
    for name in [&cut, &foreign] {
        bucket.put(name, b"some bytes");
    }
    // As the server notes it before the first byte leaves; the one of `new` had its row.
    for name in [&cut, hash(&kept)] {
        fs::write(rig.files.path("data/incoming").join(format!("{name}.sent")), b"")
            .expect("the disk has room");
    }
    rig.server.restart();
    let objects = bucket.objects();
    assert!(!objects.contains(&cut) && objects.contains(&foreign), "{objects:?}");
    assert!(objects.iter().any(|name| name == hash(&kept)));
    assert_eq!(rig.files.names("data/incoming"), [""; 0]);
}
