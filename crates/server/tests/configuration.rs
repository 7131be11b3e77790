//! What is wrong with a configuration is told before anything starts.

mod process;

use std::fs;

use process::{Server, refused, serve, text, updraft};

#[test]
fn a_bad_value_is_named_with_its_place_and_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("updraft.toml");
    fs::write(&file, "[http]\nbind = \"everywhere\"\n\n[lwm2m]\nshard = 4\n").unwrap();
    let mut command = serve(&folder.path().join("data"), &[]);
    command.args(["--set", "upgrade.timeout=10", "--config"]).arg(&file);
    command.env("UPDRAFT_LOG__FORMAT", "xml");
    let told = refused(2, command);
    for part in [
        "upgrade.timeout = \"10\" (command line): allowed is a duration",
        "log.format = \"xml\" (environment variable UPDRAFT_LOG__FORMAT): allowed is \"text\" or \"json\"",
        "line 5): there is no such key; did you mean lwm2m.shards?",
    ] {
        assert!(told.contains(part), "{told:?} does not contain {part:?}");
    }
    assert!(!folder.path().join("data").exists(), "nothing is made before the configuration is right");
}

#[test]
fn sec_n11_the_api_is_not_opened_to_others_by_accident() {
    let folder = tempfile::tempdir().unwrap();
    let told = refused(2, serve(folder.path(), &["http.bind=0.0.0.0:0"]));
    assert!(told.contains("http.allow_remote_without_sign_in = true"), "{told}");
    Server::start_with(
        &folder.path().join("data"),
        &["http.bind=0.0.0.0:0", "http.allow_remote_without_sign_in=true"],
    );
}

#[test]
fn a_missing_file_is_told() {
    let told = refused(2, {
        let mut command = updraft();
        command.args(["serve", "--config", "/nowhere/updraft.toml"]);
        command
    });
    assert!(told.contains("/nowhere/updraft.toml"), "{told}");
}

#[test]
fn the_printed_template_can_be_used_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let printed = updraft().args(["config", "print"]).output().unwrap();
    let file = folder.path().join("updraft.toml");
    fs::write(&file, &printed.stdout).unwrap();
    let checked = updraft().args(["config", "print", "--effective", "--config"]).arg(&file).output().unwrap();
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    assert!(text(&checked.stdout).contains("bind = \"127.0.0.1:8080\" # default"));
}

#[test]
fn what_the_server_writes_is_for_its_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    Server::start(&data).stop();
    for file in process::files(&data) {
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} can be read by others", file.display());
    }
}

#[test]
fn json_log_lines_are_json() {
    let folder = tempfile::tempdir().unwrap();
    let (status, log) = Server::start_with(&folder.path().join("data"), &["log.format=json"]).stop();
    assert!(status.success());
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}
