//! What happens to a store when its PostgreSQL server is not what it was a moment ago.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use percent_encoding::percent_decode_str;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::*;

/// Ends all connections to the database of a test but the one that says so.
const KILL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
    WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()";

async fn count(store: &Store) -> usize {
    devices::page(&mut store.read().await.unwrap(), "", "", 1_000).await.unwrap().len()
}

#[tokio::test]
async fn f20_a_change_whose_connection_is_killed_is_made_over_another() {
    let scratch = Scratch::postgresql().await;
    let store = scratch.open().await;
    let (runs, killer) = (Arc::new(AtomicUsize::new(0)), scratch.location());
    let counted = runs.clone();
    let change = store.write(move |connection| {
        Box::pin(async move {
            devices::insert(connection, &device(1)).await?;
            if counted.fetch_add(1, Ordering::Relaxed) == 0 {
                let mut killer = dialect::connect_writer(&killer).await?;
                sqlx::raw_sql(KILL).execute(&mut killer).await?;
            }
            Ok::<_, StoreError>(devices::insert(connection, &device(2)).await?)
        })
    });
    change.await.unwrap();
    assert_eq!((runs.load(Ordering::Relaxed), count(&store).await), (2, 2));
}

#[tokio::test]
async fn f20_connections_that_were_idle_when_they_were_killed_are_not_noticed() {
    let scratch = Scratch::postgresql().await;
    let store = scratch.open().await;
    add(&store, 1).await.unwrap();
    assert_eq!(count(&store).await, 1);
    sqlx::raw_sql(KILL).execute(&mut scratch.connect().await).await.unwrap();
    add(&store, 2).await.unwrap();
    assert_eq!(count(&store).await, 2);
}

#[tokio::test]
async fn a_transaction_that_another_was_in_the_way_of_is_run_again_as_a_whole() {
    let scratch = Scratch::postgresql().await;
    let store = scratch.open().await;
    // A sequence counts also what is undone: the first two runs fail, as they do on a distributed engine.
    let trigger = "CREATE SEQUENCE runs; CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS \
        $$ BEGIN IF NEW.name = 'Meter 2' AND nextval('runs') <= 2 THEN \
        RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$; \
        CREATE TRIGGER conflict BEFORE INSERT ON devices FOR EACH ROW EXECUTE FUNCTION conflict()";
    sqlx::raw_sql(trigger).execute(&mut scratch.connect().await).await.unwrap();
    let (one, two, twice) = tokio::join!(add(&store, 1), add(&store, 2), add(&store, 1));
    assert!(one.is_ok() && two.is_ok() && twice.is_err(), "{one:?} {two:?} {twice:?}");
    assert_eq!(count(&store).await, 2);
}

#[tokio::test]
async fn a_conflict_that_does_not_end_is_told() {
    let scratch = Scratch::postgresql().await;
    let store = scratch.open().await;
    let trigger = "CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS \
        $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40P01'; END $$; \
        CREATE TRIGGER conflict BEFORE INSERT ON devices FOR EACH ROW EXECUTE FUNCTION conflict()";
    sqlx::raw_sql(trigger).execute(&mut scratch.connect().await).await.unwrap();
    assert!(matches!(add(&store, 1).await, Err(StoreError::Conflict(_))));
    sqlx::raw_sql("DROP TRIGGER conflict ON devices").execute(&mut scratch.connect().await).await.unwrap();
    add(&store, 1).await.unwrap();
}

#[tokio::test]
async fn a_server_that_was_superseded_changes_nothing_any_more() {
    let scratch = Scratch::postgresql().await;
    let old = scratch.open().await;
    add(&old, 1).await.unwrap();
    let new = scratch.open().await;
    add(&new, 2).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(add(&old, 3).await, Err(StoreError::Superseded)));
    }
    old.superseded().await;
    // It must not say that the new one has stopped cleanly either.
    old.close().await;
    assert!(!properties::stopped_cleanly(&mut new.read().await.unwrap()).await.unwrap());
    add(&new, 4).await.unwrap();
    assert_eq!(count(&new).await, 3);
}

#[tokio::test]
async fn a_server_that_has_nothing_to_write_notices_that_it_was_superseded() {
    let scratch = Scratch::postgresql().await;
    let old = scratch.open().await;
    let _new = scratch.open().await;
    old.superseded().await;
}

#[tokio::test]
async fn f20_a_database_that_takes_no_changes_is_told_and_used_again() {
    let scratch = Scratch::postgresql().await;
    let store = scratch.open().await;
    let standby = "CREATE FUNCTION standby() RETURNS trigger LANGUAGE plpgsql AS \
        $$ BEGIN RAISE EXCEPTION 'read only' USING ERRCODE = '25006'; END $$; \
        CREATE TRIGGER standby BEFORE UPDATE ON writer FOR EACH ROW EXECUTE FUNCTION standby()";
    sqlx::raw_sql(standby).execute(&mut scratch.connect().await).await.unwrap();
    assert!(matches!(add(&store, 1).await, Err(StoreError::ReadOnly(_))));
    sqlx::raw_sql("DROP TRIGGER standby ON writer").execute(&mut scratch.connect().await).await.unwrap();
    until_added(&store, 1).await;
}

#[tokio::test]
async fn f20_a_server_that_stops_and_comes_back_is_used_again_without_a_restart_of_ours() {
    let parent = TempDir::new().unwrap();
    let cluster = xtask::postgres::Cluster::start(parent.path()).unwrap();
    let location = Location::Server(cluster.url().parse().unwrap());
    let store = Store::open(&location, &WallClock::system()).await.unwrap();
    add(&store, 1).await.unwrap();
    cluster.crash().unwrap();
    for _ in 0..3 {
        let error = add(&store, 2).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }
    assert!(matches!(store.read().await, Err(StoreError::Unavailable(_))));
    cluster.up().unwrap();
    until_added(&store, 2).await;
    assert_eq!(count(&store).await, 2);
}

/// Tries until the database takes it.
async fn until_added(store: &Store, number: usize) {
    while add(store, number).await.is_err() {
        tokio::task::yield_now().await;
    }
}

/// What becomes of the next COMMIT that goes through a relay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cut {
    /// It does not arrive.
    Before,
    /// It arrives, and its answer is lost.
    After,
}

/// Stands between a store and its server, and cuts once.
struct Relay {
    folder: TempDir,
    armed: Arc<AtomicBool>,
}

impl Relay {
    async fn start(cut: Cut) -> Self {
        let folder = TempDir::new().unwrap();
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let armed = Arc::new(AtomicBool::new(false));
        let relay = Self { folder, armed: armed.clone() };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, UnixStream::connect(server()).await.unwrap(), cut, armed.clone()));
            }
        });
        relay
    }

    /// The same database, by way of the relay.
    fn location(&self, scratch: &Scratch) -> Location {
        let url = scratch.location().to_string();
        let (scheme, rest) = url.split_once('@').unwrap();
        let (_, path) = rest.split_once('/').unwrap();
        let host = self.folder.path().display().to_string().replace('/', "%2F");
        Location::Server(format!("{scheme}@{host}/{path}").parse().unwrap())
    }
}

/// The socket of the server for tests.
fn server() -> PathBuf {
    let url = std::env::var(xtask::postgres::VARIABLE).unwrap();
    let host = url.split_once('@').unwrap().1.split('/').next().unwrap();
    let folder = percent_decode_str(host).decode_utf8().unwrap().into_owned();
    PathBuf::from(folder).join(".s.PGSQL.5432")
}

async fn pass(client: UnixStream, server: UnixStream, cut: Cut, armed: Arc<AtomicBool>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let is_cut = Arc::new(AtomicBool::new(false));
    let up = copy(from_client, to_server, |bytes| {
        if bytes.windows(6).any(|word| word == b"COMMIT") && armed.swap(false, Ordering::SeqCst) {
            is_cut.store(true, Ordering::SeqCst);
            return cut == Cut::After;
        }
        true
    });
    // What the server answers to a COMMIT that was cut after is read, so it has happened, and is dropped.
    let down = copy(from_server, to_client, |_| !is_cut.load(Ordering::SeqCst));
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

/// Copies for as long as `goes_on` says so.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut goes_on: impl FnMut(&[u8]) -> bool,
) {
    let mut buffer = [0; 4_096];
    while let Ok(length) = from.read(&mut buffer).await {
        if length == 0 || !goes_on(&buffer[..length]) || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn a_lost_commit_is_settled(cut: Cut) {
    let scratch = Scratch::postgresql().await;
    let relay = Relay::start(cut).await;
    let store = Store::open(&relay.location(&scratch), &WallClock::system()).await.unwrap();
    add(&store, 1).await.unwrap();
    for number in 2..5 {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = runs.clone();
        relay.armed.store(true, Ordering::SeqCst);
        let change = store.write(move |connection| {
            Box::pin(async move {
                counted.fetch_add(1, Ordering::Relaxed);
                Ok::<_, StoreError>(devices::insert(connection, &device(number)).await?)
            })
        });
        change.await.unwrap();
        assert!(!relay.armed.load(Ordering::SeqCst), "it was cut");
        let expect = if cut == Cut::Before { 2 } else { 1 };
        assert_eq!(runs.load(Ordering::Relaxed), expect, "it is run again only if it was undone");
        assert_eq!(count(&store).await, number);
    }
}

#[tokio::test]
async fn f20_a_commit_that_did_not_arrive_is_made_again() {
    a_lost_commit_is_settled(Cut::Before).await;
}

#[tokio::test]
async fn f20_a_commit_whose_answer_was_lost_is_known_to_have_happened() {
    a_lost_commit_is_settled(Cut::After).await;
}
