//! `updraft backup`, `restore` and `check` on the data of real servers.

mod process;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use process::{Server, image, refused, serve, text, updraft};
use serde_json::Value;

const KEY_FILE: &str = "key-encryption.key";

/// One of the three commands on this data folder.
fn command(name: &str, data: &Path, arguments: &[&str]) -> Command {
    let mut command = updraft();
    command.args(["--json", name, "--data-dir"]).arg(data).args(arguments);
    command
}

fn run(name: &str, data: &Path, arguments: &[&str]) -> Output {
    command(name, data, arguments).output().expect("the binary starts")
}

fn json(name: &str, data: &Path, arguments: &[&str]) -> Value {
    let output = run(name, data, arguments);
    assert!(output.status.success(), "{name} {arguments:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the answer is JSON")
}

/// What a command says that must fail.
fn fails(name: &str, data: &Path, arguments: &[&str]) -> String {
    let output = run(name, data, arguments);
    assert_eq!(output.status.code(), Some(1), "{name} {arguments:?}: {}", text(&output.stdout));
    text(&output.stderr)
}

fn add_device(server: &Server, endpoint: &str) {
    server.json(&["device", "add", endpoint, "--identity", endpoint]);
}

/// Gives the file in the store of packages.
fn upload(server: &Server, payload: &[u8]) -> PathBuf {
    server.lab_product();
    let file = server.folder.with_extension("img");
    fs::write(&file, image("GM01Q", "5.4.1.1-57857", payload)).expect("the disk has room");
    let package =
        server.json(&["package", "upload", file.to_str().expect("paths here are text"), "--name", "May"]);
    server.folder.join("images").join(package["sha256"].as_str().expect("it is text"))
}

/// A data folder with some devices and a package, its server stopped, and a backup of it.
struct Used {
    folder: tempfile::TempDir,
    data: PathBuf,
    backup: PathBuf,
    image: PathBuf,
}

impl Used {
    fn make() -> Self {
        let folder = tempfile::tempdir().expect("the disk has room");
        let (data, backup) = (folder.path().join("data"), folder.path().join("backup"));
        let server = Server::start(&data);
        for number in 0..5 {
            add_device(&server, &format!("device-{number}"));
        }
        let image = upload(&server, &[7; 300_000]);
        server.stop();
        json("backup", &data, &[backup.to_str().expect("paths here are text")]);
        Self { folder, data, backup, image }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn backup(&self) -> &str {
        self.backup.to_str().expect("paths here are text")
    }

    /// Puts the key file where an operator puts it.
    fn give_key(&self, data: &Path) {
        fs::create_dir_all(data).expect("the disk has room");
        fs::copy(self.data.join(KEY_FILE), data.join(KEY_FILE)).expect("the disk has room");
    }
}

fn endpoints(server: &Server) -> Vec<String> {
    let devices = server.json(&["device", "list"]);
    let devices = devices.as_array().expect("it is a list").iter();
    devices.map(|device| device["endpoint"].as_str().expect("it is text").to_owned()).collect()
}

#[test]
fn f49_a_backup_of_a_server_at_work_is_restored_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (data, other) = (folder.path().join("data"), folder.path().join("other"));
    let backup = folder.path().join("backup");
    let server = Server::start(&data);
    let payload = [9; 200_000];
    upload(&server, &payload);
    (0..20).for_each(|number| add_device(&server, &format!("before-{number:02}")));
    // Devices are added meanwhile.
    let done = AtomicBool::new(false);
    let made = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                add_device(&server, &format!("meanwhile-{number:03}"));
                number += 1;
            }
        });
        let made = json("backup", &data, &[backup.to_str().unwrap()]);
        done.store(true, Ordering::Relaxed);
        made
    });
    assert_eq!((&made["images"], &made["lost_images"]), (&1.into(), &serde_json::json!([])));
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!backup.with_extension("partial").exists());
    assert!(fails("backup", &data, &[backup.to_str().unwrap()]).contains("--force"));
    json("backup", &data, &[backup.to_str().unwrap(), "--force"]);
    assert!(json("check", &data, &[])["whole"].as_bool().unwrap(), "beside a server");
    server.stop();

    let restored = json("restore", &other, &[backup.to_str().unwrap()]);
    assert_eq!(restored["key_file_missing"], true);
    let told = refused(1, serve(&other, &[]));
    assert!(told.contains(KEY_FILE) && told.contains("missing"), "{told}");
    fs::copy(data.join(KEY_FILE), other.join(KEY_FILE)).unwrap();
    let report = json("check", &other, &[]);
    assert_eq!((&report["whole"], &report["images"]), (&true.into(), &1.into()), "{report}");
    let server = Server::start(&other);
    let found = endpoints(&server);
    let before = |number| format!("before-{number:02}");
    assert!((0..20).all(|number| found.contains(&before(number))), "{found:?}");
    assert_eq!(server.json(&["package", "list"])[0]["name"], "May");
}

/// A schema in the PostgreSQL server for tests.
struct Schema {
    server: String,
    name: String,
}

impl Schema {
    fn make() -> Self {
        let server = std::env::var("UPDRAFT_TEST_POSTGRES")
            .expect("`cargo xtask test` and `cargo xtask with-postgres` start a server for tests");
        let schema = Self { server, name: format!("moved_{}", std::process::id()) };
        schema.execute(format!("CREATE SCHEMA {}", schema.name));
        schema
    }

    fn setting(&self) -> String {
        format!("database.url={}?options=-csearch_path%3D{}", self.server, self.name)
    }

    fn execute(&self, text: String) {
        sqlx::any::install_default_drivers();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("threads").block_on(async {
            let mut connection = <sqlx::AnyConnection as sqlx::Connection>::connect(&self.server).await;
            let connection = connection.as_mut().expect("the server is there");
            let done = sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(connection).await;
            done.expect("the superuser may");
        });
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        self.execute(format!("DROP SCHEMA {} CASCADE", self.name));
    }
}

#[test]
fn f49_a_user_moves_to_postgresql_and_back_by_a_backup() {
    let used = Used::make();
    let schema = Schema::make();
    let setting = schema.setting();
    let (there, again) = (used.path("there"), used.path("again"));
    used.give_key(&there);
    json("restore", &there, &[used.backup(), "--set", &setting]);
    assert!(!there.join("updraft.db").exists(), "the rows are in PostgreSQL");
    let server = Server::start_with(&there, &[&setting]);
    assert_eq!(endpoints(&server).len(), 5);
    assert_eq!(server.json(&["package", "list"])[0]["name"], "May");
    add_device(&server, "added-there");
    let back = used.path("back");
    let back = back.to_str().unwrap();
    json("backup", &there, &[back, "--set", &setting]);
    let report = json("check", &there, &["--set", &setting]);
    assert_eq!((&report["whole"], &report["keys"]), (&true.into(), &6.into()), "{report}");
    server.stop();
    let told = fails("restore", &used.path("other"), &[used.backup(), "--set", &setting]);
    assert!(told.contains("not empty"), "{told}");

    used.give_key(&again);
    json("restore", &again, &[back]);
    let server = Server::start(&again);
    assert!(endpoints(&server).contains(&"added-there".to_owned()));
    assert!(json("check", &again, &[])["whole"].as_bool().unwrap());
}

#[test]
fn f49_only_a_whole_backup_goes_only_into_an_empty_place() {
    let used = Used::make();
    let told = fails("restore", &used.data, &[used.backup()]);
    assert!(told.contains("not empty"), "{told}");

    let mut bytes = fs::read(&used.backup).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let (damaged, target) = (used.path("damaged"), used.path("target"));
    fs::write(&damaged, bytes).unwrap();
    let told = fails("restore", &target, &[damaged.to_str().unwrap()]);
    assert!(told.contains("damaged"), "{told}");
    assert!(!target.join("updraft.db").exists(), "the checksum is compared before anything is written");

    fs::create_dir_all(&target).unwrap();
    fs::write(target.join(KEY_FILE), "ab".repeat(32)).unwrap();
    fs::set_permissions(target.join(KEY_FILE), Permissions::from_mode(0o600)).unwrap();
    let told = fails("restore", &target, &[used.backup()]);
    assert!(told.contains("does not belong to this backup"), "{told}");

    let server = Server::start(&used.path("running"));
    let told = fails("restore", &server.folder, &[used.backup()]);
    assert!(told.contains("used by another updraft server"), "{told}");
}

/// Moments at which a restore is killed.
const KILLS: usize = 8;

#[test]
fn f49_a_restore_that_was_killed_is_begun_anew_and_no_server_starts_before() {
    let used = Used::make();
    let library = used.path("power_cut.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/peers/power_cut.c");
    let mut compile = Command::new("cc");
    compile.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-lpthread");
    assert!(compile.status().expect("a C compiler is there; on Debian: apt-get install gcc").success());
    let restore = |data: &Path, kill: usize| {
        let mut command = command("restore", data, &[used.backup()]);
        command.env("LD_PRELOAD", &library).env("POWER_CUT_TRACE", used.path("trace"));
        command.env("UPDRAFT_DATA_DIR", data).env("POWER_CUT_KILL", kill.to_string());
        command.output().unwrap()
    };
    let whole = used.path("whole");
    used.give_key(&whole);
    assert!(restore(&whole, usize::MAX >> 1).status.success());
    let operations = operations(&fs::read(used.path("trace")).unwrap());
    assert!(operations > 50, "{operations} operations were seen");
    let (mut refusals, mut finished) = (0, 0);
    for number in 0..KILLS {
        // The last ones too, where everything is there and the mark not gone yet.
        let kill = if number % 2 == 0 { operations - number } else { operations * number / KILLS };
        let data = used.path(&format!("killed-{number}"));
        used.give_key(&data);
        assert!(!restore(&data, kill).status.success(), "killed before operation {kill} of {operations}");
        if data.join("restoring").exists() {
            let told = refused(1, serve(&data, &[]));
            assert!(told.contains("run `updraft restore` again"), "{told}");
            refusals += 1;
            let again = json("restore", &data, &[used.backup()]);
            finished += usize::from(again["rows"].is_null());
        } else if !data.join("updraft.db").exists() {
            json("restore", &data, &[used.backup()]);
        }
        let report = json("check", &data, &[]);
        let found = (&report["whole"], &report["keys"], &report["images"]);
        assert_eq!(found, (&true.into(), &5.into(), &1.into()), "killed before operation {kill}: {report}");
    }
    assert!(refusals >= KILLS / 2 && finished > 0, "{refusals} refusals, {finished} finished before");
}

/// How many operations a trace has; its first record says that a process began.
fn operations(mut trace: &[u8]) -> usize {
    let mut count = 0;
    while let Some((length, rest)) = trace.split_first_chunk::<4>() {
        trace = &rest[u32::from_le_bytes(*length) as usize..];
        count += 1;
    }
    count - 1
}

#[test]
fn f22_check_tells_what_is_wrong_and_what_to_do() {
    let used = Used::make();
    let findings = || {
        let output = run("check", &used.data, &[]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = report["findings"].as_array().unwrap();
        let found: Vec<String> =
            found.iter().map(|found| format!("{} {}", found["part"], found["what"])).collect();
        (output.status.code(), found.join("\n"))
    };
    assert_eq!(findings(), (Some(0), String::new()));
    fs::write(used.data.join("images").join("0".repeat(64)), "orphan").unwrap();
    let (code, found) = findings();
    assert!(code == Some(0) && found.contains("No package refers to"), "{found}");

    let mut bytes = fs::read(&used.image).unwrap();
    bytes[1_000] ^= 1;
    fs::set_permissions(&used.image, Permissions::from_mode(0o600)).unwrap();
    fs::write(&used.image, bytes).unwrap();
    let (code, found) = findings();
    assert!(code == Some(1) && found.contains("May is damaged"), "{found}");
    fs::remove_file(&used.image).unwrap();
    assert!(findings().1.contains("May is missing"));
    let (lost, backup) =
        (used.path("lost"), run("backup", &used.data, &[used.path("lost").to_str().unwrap()]));
    assert!(backup.status.code() == Some(1) && lost.exists(), "the rest is saved: {}", text(&backup.stderr));

    let key = used.data.join(KEY_FILE);
    fs::rename(&key, used.path("key")).unwrap();
    assert!(findings().1.contains("missing"));
    fs::write(&key, "ab".repeat(32)).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    assert!(findings().1.contains("does not belong to this database"));

    let database = used.data.join("updraft.db");
    let mut bytes = fs::read(&database).unwrap();
    let page = bytes.len() / 2 / 4_096 * 4_096;
    bytes[page..page + 4_096].fill(0x5A);
    fs::write(&database, bytes).unwrap();
    let output = run("check", &used.data, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert!(fails("check", &used.path("nowhere"), &[]).contains("there is no database"));
}
