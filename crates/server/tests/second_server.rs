//! Two servers never share a folder or a port.

mod process;

use process::{Server, refused, serve};

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data);
    let told = refused(1, serve(&data, &[]));
    let process = format!("process {}", server.ports["process"]);
    assert!(told.contains("used by another updraft server") && told.contains(&process), "{told}");
    server.json(&["device", "list"]);
}

#[test]
fn a_port_in_use_is_named_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("one"));
    let other = folder.path().join("two");
    let setting = format!("http.bind={}", server.ports["http"].as_str().unwrap());
    let told = refused(1, serve(&other, &[&setting]));
    assert!(told.contains("in use by another program") && told.contains("http.bind"), "{told}");
    let setting = format!("lwm2m.coaps_bind={}", server.ports["coaps"][0].as_str().unwrap());
    let told = refused(1, serve(&other, &[&setting]));
    assert!(told.contains("in use by another program"), "{told}");
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let told = refused(1, serve(std::path::Path::new("/proc/updraft"), &[]));
    assert!(told.contains("/proc/updraft") && told.contains("data_dir"), "{told}");
}

#[test]
fn sec_k01_a_folder_without_its_key_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    Server::start(&data).stop();
    let key_file = data.join("key-encryption.key");
    let kept = folder.path().join("kept");
    std::fs::rename(&key_file, &kept).unwrap();
    let told = refused(1, serve(&data, &[]));
    assert!(told.contains("key-encryption.key") && told.contains("secrets.key_file"), "{told}");
    let setting = format!("secrets.key_file={}", kept.display());
    Server::start_with(&data, &[&setting]).stop();
    // Another server's key is noticed as well.
    let other = folder.path().join("other");
    Server::start(&other).stop();
    let setting = format!("secrets.key_file={}", other.join("key-encryption.key").display());
    let told = refused(1, serve(&data, &[&setting]));
    assert!(told.contains("does not belong to this data folder"), "{told}");
}
