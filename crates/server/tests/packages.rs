//! Uploading packages, good and bad.

mod process;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use process::{Server, files, image};

const OCTETS: (&str, &str) = ("content-type", "application/octet-stream");

fn upload(server: &Server, query: &str, bytes: &[u8]) -> (u16, serde_json::Value) {
    server.request("POST", &format!("/api/v1/packages?file_name=f.bin&{query}"), &[OCTETS], bytes)
}

fn assert_nothing_stored(server: &Server) {
    for place in ["images", "incoming"] {
        assert_eq!(files(&server.folder.join(place)), Vec::<std::path::PathBuf>::new());
    }
    assert_eq!(server.json(&["package", "list"]), serde_json::json!([]));
}

#[test]
fn a_package_is_uploaded_and_shown_with_both_units() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let file = folder.path().join("gm01q.bin");
    fs::write(&file, image("GM01Q", "5.4.1.1-57857", &[7; 35_343 - 256])).unwrap();
    let package = server.json(&["package", "upload", file.to_str().unwrap(), "--name", "May"]);
    assert_eq!(package["size"], "34.5 kB (35343 B)");
    assert_eq!((&package["model"], &package["version"]), (&"GM01Q".into(), &"5.4.1.1-57857".into()));
    assert_eq!(package["file_name"], "gm01q.bin");
    assert_eq!(server.json(&["package", "list"])[0], package);
    assert_eq!(server.json(&["package", "show", package["id"].as_str().unwrap()]), package);
    // A module's own format says nothing about itself.
    fs::write(&file, b"vendor image").unwrap();
    let told = server.fails(1, &["package", "upload", file.to_str().unwrap()]);
    assert!(told.contains("which version"), "{told}");
    server.json(&["package", "upload", file.to_str().unwrap(), "--version", "1.0"]);
    let told = server.fails(2, &["package", "upload", "/nowhere"]);
    assert!(told.contains("/nowhere"), "{told}");
}

#[test]
fn broken_packages_are_refused_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(&folder.path().join("data"), &["packages.max_size=100 kB"]);
    let good = image("GM01Q", "2.0", &[7; 10_000]);
    let mut flipped = good.clone();
    flipped[5_000] ^= 1;
    let mut bad_header = good.clone();
    bad_header[60] ^= 1;
    let table: [(&str, &[u8], u16, &str); 9] = [
        ("name=x", b"", 422, "empty"),
        ("name=x", &good[..9_000], 422, "damaged"),
        ("name=x", &flipped, 422, "damaged"),
        ("name=x", &bad_header, 422, "damaged"),
        ("name=x&model=BC35-G", &good, 422, "contradiction"),
        ("name=x&version=1%0A", &good, 422, "bad-value"),
        ("name=", &good, 422, "bad-value"),
        ("colour=blue", &good, 400, "bad-query"),
        ("name=x", &[1; 150_000], 413, "too-large"),
    ];
    for (query, bytes, status, kind) in table {
        let (got, problem) = upload(&server, query, bytes);
        assert_eq!(
            (got, &problem["type"]),
            (status, &format!("urn:updraft:problem:{kind}").into()),
            "{problem}"
        );
        assert!(problem["detail"].is_string(), "{problem}");
    }
    let (status, _) = server.request("POST", "/api/v1/packages?name=x&file_name=f", &[], &good);
    assert_eq!(status, 415);
    assert_nothing_stored(&server);
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let mut connection = TcpStream::connect(server.ports["http"].as_str().unwrap()).unwrap();
    let head = "POST /api/v1/packages?name=x&file_name=f HTTP/1.1\r\nhost: 127.0.0.1\r\n\
                content-type: application/octet-stream\r\ncontent-length: 100000\r\n\r\n";
    connection.write_all(head.as_bytes()).unwrap();
    connection.write_all(&[7; 50_000]).unwrap();
    connection.shutdown(std::net::Shutdown::Write).unwrap();
    // The answer, or the end of the connection, comes after the server has cleaned up.
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer);
    assert_nothing_stored(&server);
}

#[test]
fn f21_the_limit_of_all_packages_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(&folder.path().join("data"), &["packages.storage_limit=20000"]);
    assert_eq!(upload(&server, "name=x", &image("A", "1", &[1; 10_000])).0, 201);
    let (status, problem) = upload(&server, "name=x", &image("A", "2", &[2; 10_000]));
    assert_eq!((status, &problem["type"]), (507, &"urn:updraft:problem:storage-limit".into()));
    assert_eq!(upload(&server, "name=x", &image("A", "3", &[3; 5_000])).0, 201);
    assert_eq!(files(&server.folder.join("incoming")).len(), 0);
}

#[test]
fn f21_a_full_disk_refuses_an_upload_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path(), "6m") else {
        eprintln!("not run: only root can make a small disk");
        return;
    };
    let server = Server::start(&disk.path.join("data"));
    // Announced: refused at once. Not announced: refused when the disk is full.
    let bytes = vec![7; 16 << 20];
    let (status, problem) = upload(&server, "name=x&version=1", &bytes);
    assert_eq!((status, &problem["type"]), (507, &"urn:updraft:problem:disk-full".into()));
    assert!(problem["remedy"].as_str().unwrap().contains("Free space"));
    let (status, problem) = chunked(&server, &bytes);
    assert_eq!(status, 507, "{problem}");
    assert_nothing_stored(&server);
    server.json(&["device", "add", "x", "--identity", "x"]);
    assert_eq!(upload(&server, "name=x", &image("A", "1", &[1; 100_000])).0, 201);
    assert!(server.stop().0.success());
}

/// An upload whose length is not announced.
fn chunked(server: &Server, bytes: &[u8]) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let url = format!("{}/api/v1/packages?name=x&file_name=f&version=1", server.url());
    let body = ureq::SendBody::from_owned_reader(std::io::Cursor::new(bytes.to_vec()));
    let mut answer = agent.post(url).header(OCTETS.0, OCTETS.1).send(body).expect("the server answers");
    (answer.status().as_u16(), answer.body_mut().read_to_string().expect("the answer is text"))
}

#[test]
fn f22_a_package_damaged_on_disk_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    server.json(&["device", "add", "x", "--identity", "x"]);
    let (_, package) = upload(&server, "name=May", &image("A", "1", &[1; 10_000]));
    let path = server.folder.join("images").join(package["sha256"].as_str().unwrap());
    let mut bytes = fs::read(&path).unwrap();
    bytes[5_000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let told = server.fails(1, &["upgrade", "start", "x", "May"]);
    assert!(told.contains("damaged") && told.contains("Upload the package again"), "{told}");
}

/// A file system of its own, gone with the test.
struct SmallDisk {
    path: std::path::PathBuf,
}

impl SmallDisk {
    fn mount(folder: &Path, size: &str) -> Option<Self> {
        let path = folder.join("disk");
        fs::create_dir(&path).expect("the folder is ours");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(&path)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self { path })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}
