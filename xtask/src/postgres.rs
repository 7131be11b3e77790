//! A PostgreSQL server of our own, for tests: made anew, reached by nobody else, gone with its value.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::failure::Failure;

/// The variable by which tests find the server.
pub const VARIABLE: &str = "UPDRAFT_TEST_POSTGRES";

/// The user that Debian's package makes: PostgreSQL does not run as root.
const USER: &str = "postgres";
/// The longest path of a folder whose socket can be reached.
const LONGEST: usize = 80;
/// No test cuts the power, so nothing waits for the disk.
const SETTINGS: &str = "-c fsync=off -c full_page_writes=off -c max_connections=300 -c shared_buffers=64MB";

/// A server. It stops and its files are removed when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    settings: String,
}

impl Cluster {
    /// Makes a server with files below `parent`, or in the folder for temporary files if its own user cannot
    /// reach that, and starts it. Its superuser is `postgres`, and only this machine's socket leads to it.
    ///
    /// # Errors
    /// PostgreSQL is not installed or does not start.
    pub fn start(parent: &Path) -> Result<Self, Failure> {
        Self::start_with(parent, SETTINGS)
    }

    /// The same with other settings, as `postgres` takes them.
    ///
    /// # Errors
    /// As there.
    pub fn start_with(parent: &Path, settings: &str) -> Result<Self, Failure> {
        let folder = folder(parent)?;
        let settings =
            format!("-c listen_addresses= -c unix_socket_directories={} {settings}", folder.display());
        let cluster = Self { folder, programs: programs()?, settings };
        let data = cluster.data();
        // Texts are ordered as people do, unless we say otherwise: a test would notice that we did not.
        let locale = ["--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"];
        let rights = ["--auth=trust", "--username=postgres", "--no-sync", "--pgdata"];
        cluster.run(
            "initdb",
            rights.iter().map(OsString::from).chain([data.into()]).chain(locale.iter().map(OsString::from)),
        )?;
        cluster.up()?;
        Ok(cluster)
    }

    /// The address of its database `postgres`.
    pub fn url(&self) -> String {
        let host = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{host}/postgres")
    }

    /// Starts it again.
    ///
    /// # Errors
    /// It does not start.
    pub fn up(&self) -> Result<(), Failure> {
        let log = self.folder.join("log").display().to_string();
        self.run(
            "pg_ctl",
            self.control(&["start", "--wait", "--silent", "--options", &self.settings, "--log", &log]),
        )
    }

    /// Stops it in the middle of everything: connections are cut, and it recovers at its next start.
    ///
    /// # Errors
    /// It does not stop.
    pub fn crash(&self) -> Result<(), Failure> {
        self.run("pg_ctl", self.control(&["stop", "--wait", "--silent", "--mode", "immediate"]))
    }

    /// Runs a statement as its superuser; gives what psql prints.
    ///
    /// # Errors
    /// It is refused.
    pub fn query(&self, text: &str) -> Result<String, Failure> {
        let step = format!("run {text:?}");
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["--no-psqlrc", "--tuples-only", "--no-align", "--command", text, &self.url()]);
        let output = command.output().map_err(|error| Failure::new(&step, error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Failure::new(step, String::from_utf8_lossy(&output.stderr)))
    }

    fn control<'a>(&self, arguments: &'a [&str]) -> impl Iterator<Item = OsString> + use<'a> {
        let data = ["--pgdata".into(), self.data().into()];
        arguments.iter().map(OsString::from).chain(data)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn run(&self, program: &str, arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
        let path = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["--user", USER, "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        let step = format!("run {program} of PostgreSQL");
        // The server keeps what it was given open; a file does not keep anybody waiting as a pipe would.
        let told = self.folder.join("told");
        let out = fs::File::create(&told).map_err(|error| Failure::new(&step, error))?;
        let errors = out.try_clone().map_err(|error| Failure::new(&step, error))?;
        command.args(arguments).current_dir(&self.folder).stdout(out).stderr(errors);
        let status = command.status().map_err(|error| Failure::new(&step, error))?;
        if status.success() {
            return Ok(());
        }
        let told = fs::read_to_string(&told).unwrap_or_default();
        Err(Failure::new(step, format!("it ended with {status}: {told}")))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It may have been stopped, and what is left of it cannot be told to anybody.
        let _ = self.crash();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A new folder that belongs to the user of the server.
fn folder(parent: &Path) -> Result<PathBuf, Failure> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let step = "make a folder for PostgreSQL";
    let failed = |error| Failure::new(step, error);
    let name = format!("postgres-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    fs::create_dir_all(parent).map_err(failed)?;
    let parent = fs::canonicalize(parent).map_err(failed)?;
    let below = parent.join(&name);
    let suits = below.as_os_str().len() <= LONGEST && is_reached(&parent);
    let folder = if suits { below } else { std::env::temp_dir().join(format!("updraft-{name}")) };
    fs::create_dir_all(&folder).map_err(failed)?;
    if is_root() {
        let ids = user_ids().ok_or_else(|| Failure::new(step, format!("there is no user {USER}")))?;
        chown(&folder, Some(ids.0), Some(ids.1)).map_err(failed)?;
    }
    Ok(folder)
}

/// Whether the user of the server can go into this folder.
fn is_reached(folder: &Path) -> bool {
    if !is_root() {
        return true;
    }
    let mut test = Command::new("runuser");
    test.args(["--user", USER, "--", "test", "-x"]).arg(folder);
    test.status().is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// The numbers of the server's user and its group.
fn user_ids() -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|line| line.split(':').next() == Some(USER))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// The folder with the programs of the newest version that is installed: Debian has them on no path.
pub fn programs() -> Result<PathBuf, Failure> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse::<u32>().ok()?, version.path())))
        .max()
        .map(|(_, path)| path.join("bin"))
        .filter(|folder| folder.join("initdb").is_file());
    let on_path = || {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&folders).find(|folder| folder.join("initdb").is_file())
    };
    newest.or_else(on_path).ok_or_else(|| {
        Failure::new("find PostgreSQL", "there is no initdb; on Debian: apt-get install postgresql")
    })
}
