//! Uploading packages, good and bad.

mod process;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use process::{Server, files, image, text};

const OCTETS: (&str, &str) = ("content-type", "application/octet-stream");

fn upload(server: &Server, query: &str, bytes: &[u8]) -> (u16, serde_json::Value) {
    server.request("POST", &format!("/api/v1/packages?file_name=f.bin&{query}"), &[OCTETS], bytes)
}

/// A server that has a product.
fn server(folder: &Path, settings: &[&str]) -> Server {
    let server = Server::start_with(&folder.join("data"), settings);
    server.lab_product();
    server
}

/// Approves what is there.
fn approve(server: &Server, package: &serde_json::Value) -> serde_json::Value {
    let text = |name: &str| package[name].as_str().expect("it is text");
    server.json(&["package", "approve", text("id"), "--sha256", text("sha256"), "--as", "berta"])
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
    let server = server(folder.path(), &[]);
    let file = folder.path().join("gm01q.bin");
    fs::write(&file, image("GM01Q", "5.4.1.1-57857", &[7; 35_343 - 256])).unwrap();
    let package = server.json(&["package", "upload", file.to_str().unwrap(), "--name", "May"]);
    assert_eq!(package["size"], "34.5 kB (35343 B)");
    assert_eq!((&package["reported_model"], &package["version"]), (&"GM01Q".into(), &"5.4.1.1-57857".into()));
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
    let server = server(folder.path(), &["packages.max_size=100 kB"]);
    let good = image("GM01Q", "2.0", &[7; 10_000]);
    let mut flipped = good.clone();
    flipped[5_000] ^= 1;
    let mut bad_header = good.clone();
    bad_header[60] ^= 1;
    let table: [(&str, &[u8], u16, &str); 11] = [
        ("name=x&model=gm01q", &good, 422, "wrong-product"),
        ("name=x&keep=2h", &good, 400, "bad-query"),
        ("name=x", b"", 422, "empty"),
        ("name=x", &good[..9_000], 422, "damaged"),
        ("name=x", &flipped, 422, "damaged"),
        ("name=x", &bad_header, 422, "damaged"),
        ("name=x&version=3", &good, 422, "contradiction"),
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
    let server = server(folder.path(), &[]);
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
    let server = server(folder.path(), &["packages.storage_limit=20000"]);
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
    let server = server(&disk.path, &[]);
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
    let server = server(folder.path(), &[]);
    server.json(&["device", "add", "x", "--identity", "x"]);
    let (_, package) = upload(&server, "name=May", &image("A", "1", &[1; 10_000]));
    let path = server.folder.join("images").join(package["sha256"].as_str().unwrap());
    approve(&server, &package);
    let mut bytes = fs::read(&path).unwrap();
    bytes[5_000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let told = server.fails(1, &["upgrade", "start", "x", "May"]);
    assert!(told.contains("damaged") && told.contains("Upload the package again"), "{told}");
}

#[test]
fn sec_p10_s0_165_a_package_goes_from_upload_to_approval_withdrawal_and_removal() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), &[]);
    let file = folder.path().join("A03_TO_A04.bin");
    let bytes: Vec<u8> = (0..35_343u32).map(|number| (number % 251) as u8).collect();
    fs::write(&file, &bytes).unwrap();
    let file = file.to_str().unwrap();
    let package = server.json(&["package", "upload", file, "--keep", "1week", "--as", "anna"]);
    assert_eq!((&package["version"], &package["source_version"]), (&"A04".into(), &"A03".into()), "S1-13");
    assert_eq!((&package["kind"], &package["state"]), (&"delta".into(), &"uploaded".into()));
    assert_eq!((&package["uploaded_by"], &package["keep"]), (&"anna".into(), &"1week".into()));
    let id = package["id"].as_str().unwrap();
    let shown = text(&server.run(&["package", "show", id]).stdout);
    assert!(shown.contains("34.5 kB (35343 B)"), "both units (S0-165): {shown}");
    for (what, answer) in [("verified by platform", "no"), ("verified by device", "vendor check")] {
        let line = shown.lines().find(|line| line.starts_with(what)).expect(what);
        assert!(line.ends_with(answer), "p10: {line}");
    }
    let told = server.fails(1, &["package", "approve", id, "--sha256", &"0".repeat(64)]);
    assert!(told.contains("not what was approved"), "{told}");
    let told = server.fails(2, &["package", "approve", id]);
    assert!(told.contains("--sha256"), "nobody is there to be asked: {told}");
    assert_eq!(approve(&server, &package)["approved"]["by"], "berta");
    assert_eq!(server.json(&["package", "list", "--state", "approved"]).as_array().unwrap().len(), 1);
    assert_eq!(server.json(&["package", "list", "--state", "verified"]), serde_json::json!([]));

    // What was uploaded comes back byte for byte (S0-169).
    let back = folder.path().join("back.bin");
    let back = back.to_str().unwrap();
    server.json(&["package", "download", id, "--output", back]);
    assert_eq!(fs::read(back).unwrap(), bytes);
    let told = server.fails(2, &["package", "download", id, "--output", back]);
    assert!(told.contains("--force"), "{told}");

    let changed = server.json(&["package", "set", id, "--keep", "forever", "--description", "for meters"]);
    assert_eq!((&changed["keep"], &changed["expires_at"]), (&"forever".into(), &serde_json::Value::Null));
    assert_eq!(changed["description"], "for meters");
    let withdrawn = server.json(&["package", "withdraw", id, "--reason", "bricks meters"]);
    assert_eq!(
        (&withdrawn["state"], &withdrawn["withdrawn"]["reason"]),
        (&"withdrawn".into(), &"bricks meters".into())
    );
    server.json(&["package", "remove", id]);
    assert_eq!(files(&server.folder.join("images")).len(), 0);
    assert!(server.json(&["package", "show", id])["removed_at"].is_string(), "its row stays");
    let told = server.fails(1, &["package", "download", id]);
    assert!(told.contains("deleted"), "{told}");
}

#[test]
fn w06_a_download_is_an_attachment_that_no_browser_shows() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), &[]);
    let (_, package) = upload(&server, "name=x&version=1", b"<html>");
    let url = format!("{}/api/v1/packages/{}/file", server.url(), package["id"].as_str().unwrap());
    let answer = ureq::get(&url).call().unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), OCTETS.1);
    assert_eq!(header("content-disposition"), "attachment; filename*=UTF-8''f%2Ebin");
    assert_eq!(header("x-content-type-options"), "nosniff");
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
