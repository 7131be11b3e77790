use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use super::*;
use crate::clock::WallClock;
use crate::store::catalog::Table;
use crate::store::filled::{Content, content, fill, tables};
use crate::store::scratch::Scratch;
use crate::store::{Location, Store};

/// A database remembers only its last step, so one that fills a gap would never be applied.
#[test]
fn the_steps_are_numbered_without_a_gap() {
    assert!(STEPS.iter().map(|(step, _)| *step).eq(1..=STEPS.len() as i64));
}

/// A database of an earlier release with rows in every table.
struct Earlier {
    schema: i64,
    tables: Vec<Table>,
    content: Content,
}

impl Earlier {
    async fn make(scratch: &Scratch, schema: i64) -> Self {
        let mut connection = scratch.connect().await;
        raise(&mut connection, schema, Moment(1)).await.unwrap();
        fill(&mut connection).await;
        let tables = tables(&mut connection).await;
        let content = content(&mut connection, &tables).await;
        sqlx::Connection::close(connection).await.unwrap();
        Self { schema, tables, content }
    }

    /// Every step was made or was not, and no row is lost; the next start makes the rest.
    async fn assert_whole(&self, location: &Location, when: &str) {
        let mut connection = crate::store::dialect::connect_writer(location).await.unwrap();
        let schema = version(&mut connection).await.unwrap();
        assert!((self.schema..=known()).contains(&schema), "{when}: schema {schema}");
        assert_eq!(content(&mut connection, &self.tables).await, self.content, "{when}");
        sqlx::Connection::close(connection).await.unwrap();
        let store = Store::open(location, &WallClock::from_fn(|| Moment(2))).await;
        let store = store.unwrap_or_else(|error| panic!("{when}: {error:?}"));
        let mut reader = store.read().await.unwrap();
        assert_eq!(version(&mut reader).await.unwrap(), known(), "{when}");
        assert_eq!(content(&mut reader, &self.tables).await, self.content, "{when}");
        drop(reader);
        store.close().await;
    }
}

/// The file in which a child process opens the store; without it the test below does nothing.
const CHILD: &str = "MIGRATION_OF";

/// The process that is killed.
#[tokio::test]
async fn child_that_opens_the_store() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let location = Location::File(PathBuf::from(path));
    Store::open(&location, &WallClock::from_fn(|| Moment(2))).await.unwrap().close().await;
}

/// Moments of each step at which it is killed.
const KILLS: usize = 6;

#[tokio::test]
async fn f48_a_process_killed_in_the_middle_of_any_step_leaves_a_whole_database() {
    let library = tempfile::tempdir().unwrap();
    let library = build_library(library.path());
    for schema in 0..known() {
        let template = Scratch::sqlite();
        let earlier = Earlier::make(&template, schema).await;
        let copy = || {
            let scratch = Scratch::sqlite();
            std::fs::copy(template.path().join("updraft.db"), scratch.path().join("updraft.db")).unwrap();
            scratch
        };
        let whole = copy();
        assert!(run_child(&library, &whole, None).success());
        let operations = operations(&whole);
        assert!(operations > 20, "{operations} operations of schema {schema} were seen");
        for number in 0..KILLS {
            // Spread over all of them, at other places for each schema.
            let at = 1 + (operations * number + usize::try_from(schema).unwrap()) / KILLS;
            let scratch = copy();
            let ended = run_child(&library, &scratch, Some(at.min(operations)));
            assert!(!ended.success(), "it was to be killed before operation {at} of {operations}");
            let when = format!("from schema {schema}, killed before operation {at} of {operations}");
            earlier.assert_whole(&scratch.location(), &when).await;
        }
    }
}

/// Builds what kills a process before one of its operations on the disk.
fn build_library(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/peers/power_cut.c");
    let library = folder.join("power_cut.so");
    let mut compile = Command::new("cc");
    compile.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-lpthread");
    assert!(compile.status().expect("a C compiler is there; on Debian: apt-get install gcc").success());
    library
}

fn run_child(library: &Path, scratch: &Scratch, kill: Option<usize>) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--quiet", "store::migrate::tests::child_that_opens_the_store"]);
    command.env(CHILD, scratch.path().join("updraft.db")).env("LD_PRELOAD", library);
    command.env("UPDRAFT_DATA_DIR", scratch.path()).env("POWER_CUT_TRACE", trace(scratch));
    if let Some(kill) = kill {
        command.env("POWER_CUT_KILL", kill.to_string());
    }
    command.output().unwrap().status
}

fn trace(scratch: &Scratch) -> PathBuf {
    scratch.path().with_extension("trace")
}

/// How many operations a child has done.
fn operations(scratch: &Scratch) -> usize {
    let bytes = std::fs::read(trace(scratch)).unwrap();
    std::fs::remove_file(trace(scratch)).unwrap();
    let mut bytes = bytes.as_slice();
    let mut count = 0;
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        bytes = &rest[u32::from_le_bytes(*length) as usize..];
        count += 1;
    }
    // The first says that the process began.
    count - 1
}

/// Ends with the connection before any of its messages, as a server that is killed does.
#[tokio::test]
async fn f48_a_connection_cut_before_any_statement_leaves_a_whole_database_on_postgresql() {
    // At once, since each waits most of the time.
    futures_util::future::join_all((0..known()).map(cut_from)).await;
}

async fn cut_from(schema: i64) {
    let mut before = 0;
    loop {
        let scratch = Scratch::postgresql().await;
        let earlier = Earlier::make(&scratch, schema).await;
        let Location::Server(server) = scratch.location() else { panic!("it is PostgreSQL") };
        let (relayed, relay) = relay::start(&server.to_string(), before);
        let opened = Store::open(&relayed, &WallClock::from_fn(|| Moment(2))).await;
        let is_open = opened.is_ok();
        if let Ok(store) = opened {
            store.close().await;
        }
        let was_cut = relay.end();
        let when = format!("from schema {schema}, cut before message {before}");
        earlier.assert_whole(&scratch.location(), &when).await;
        if is_open && !was_cut {
            return;
        }
        // Every message of the step itself, then some of the later steps.
        before += if before < MESSAGES { 1 } else { before };
    }
}

/// More than the preparations and one step take.
const MESSAGES: usize = 9;

/// Hands what a client says to PostgreSQL, message by message, until it has said enough.
mod relay {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread::JoinHandle;

    use crate::store::Location;

    pub struct Relay {
        stopped: Arc<AtomicBool>,
        was_cut: Arc<AtomicBool>,
        address: std::net::SocketAddr,
        thread: JoinHandle<()>,
    }

    /// The same database by way of a relay that cuts all connections before the message of this number.
    pub fn start(url: &str, cut_before: usize) -> (Location, Relay) {
        let authority = url.split("://").nth(1).unwrap().split('/').next().unwrap();
        let server = authority.rsplit('@').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let relayed = url.replacen(&server, &address.to_string(), 1);
        let (stopped, was_cut) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (stop, cut, left) = (stopped.clone(), was_cut.clone(), Arc::new(AtomicUsize::new(cut_before)));
        let thread = std::thread::spawn(move || {
            for client in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (client, server) = (client.unwrap(), Server::connect(&server));
                let (cut, left) = (cut.clone(), left.clone());
                std::thread::spawn(move || relay(client, server, &left, &cut));
            }
        });
        (Location::Server(relayed.parse().unwrap()), Relay { stopped, was_cut, address, thread })
    }

    impl Relay {
        /// Whether a connection was cut.
        pub fn end(self) -> bool {
            self.stopped.store(true, Ordering::SeqCst);
            // Wakes the thread.
            drop(TcpStream::connect(self.address));
            self.thread.join().unwrap();
            self.was_cut.load(Ordering::SeqCst)
        }
    }

    fn relay(mut client: TcpStream, mut server: Server, left: &AtomicUsize, was_cut: &AtomicBool) {
        let (mut asker, answers) = (client.try_clone().unwrap(), server.answers);
        std::thread::spawn(move || {
            let mut answers = answers;
            // Ends with either side; then the other ends too.
            let _ = std::io::copy(&mut answers, &mut asker);
            asker.shutdown(Shutdown::Both)
        });
        // The first messages have no kind: a request for TLS, which is declined, and the start.
        let mut has_kind = false;
        while let Some(said) = message(&mut client, has_kind) {
            let is_statement = has_kind && matches!(said[0], b'Q' | b'P');
            let take = |left: usize| left.checked_sub(1);
            if is_statement && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_err() {
                was_cut.store(true, Ordering::SeqCst);
                break;
            }
            has_kind |= said.len() > 8;
            if server.questions.write_all(&said).is_err() {
                break;
            }
        }
        // Fails if it is closed already.
        let _ = client.shutdown(Shutdown::Both);
        (server.close)();
    }

    /// The real server, by a port or by a socket in the file system.
    struct Server {
        answers: Box<dyn Read + Send>,
        questions: Box<dyn Write + Send>,
        close: Box<dyn Fn() + Send>,
    }

    impl Server {
        fn connect(host: &str) -> Self {
            let host = percent_encoding::percent_decode_str(host).decode_utf8().unwrap();
            if host.starts_with('/') {
                let stream = UnixStream::connect(format!("{host}/.s.PGSQL.5432")).unwrap();
                let (answers, closed) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
                let close = move || drop(closed.shutdown(Shutdown::Both));
                return Self {
                    answers: Box::new(answers),
                    questions: Box::new(stream),
                    close: Box::new(close),
                };
            }
            let stream = TcpStream::connect(&*host).unwrap();
            let (answers, closed) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
            let close = move || drop(closed.shutdown(Shutdown::Both));
            Self { answers: Box::new(answers), questions: Box::new(stream), close: Box::new(close) }
        }
    }

    /// A message of PostgreSQL's protocol, version 3: a kind, unless it is the first, and a length.
    fn message(client: &mut TcpStream, has_kind: bool) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 4 + usize::from(has_kind)];
        client.read_exact(&mut bytes).ok()?;
        let length = u32::from_be_bytes(*bytes.last_chunk()?) as usize;
        let head = bytes.len();
        bytes.resize(head + length - 4, 0);
        client.read_exact(&mut bytes[head..]).ok()?;
        Some(bytes)
    }
}
