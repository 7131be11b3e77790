//! Counts the starts of the server over one data folder, and notices an older copy of it.
//!
//! ```text
//! database   life = "7 <marker>"     <marker>: inode and change time of the file
//! folder     life    a file that every start makes anew
//! ```
//! Sessions that were saved may be taken up only in a later life, and only once: a copy of the database that
//! is put back would use record numbers a second time. Whatever was copied has another file, or another
//! note about it, so the two do not fit together; then all sessions are forgotten. What copies a whole disk
//! with its file numbers and times (a snapshot of a virtual machine) is not noticed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Store, StoreError, properties, registrations};

/// One life of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Life {
    /// Counted from one.
    pub number: i64,
}

/// Why no life could begin.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// The mark cannot be written.
    #[error("cannot write into the data folder")]
    Mark(#[source] io::Error),
    /// The count cannot be stored.
    #[error("cannot count the starts of the server")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for LifeError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

const MARK: &str = "life";

impl Life {
    /// Begins the next life. It is durable when this returns, so what was saved in earlier ones may be taken
    /// up; if something was put back from a copy, nothing of it is left.
    ///
    /// # Errors
    /// It cannot be made durable.
    pub async fn begin(store: &Store, folder: &Path) -> Result<Self, LifeError> {
        let noted = properties::life(&mut *store.read().await?).await?;
        let (last, mark) = match noted.as_deref().and_then(|noted| noted.split_once(' ')) {
            Some((last, mark)) => (last.parse().unwrap_or(0), Some(mark.to_owned())),
            None => (0, None),
        };
        let number = last + 1;
        let continues = mark.is_some() && mark == current_mark(folder);
        if last > 0 && !continues {
            tracing::warn!("the data folder was copied or put back: devices make new sessions");
        }
        let mark = make_mark(folder, number).map_err(LifeError::Mark)?;
        let write = store.write(move |connection| {
            Box::pin(async move {
                if !continues {
                    registrations::forget_sessions(connection).await?;
                }
                Ok::<_, LifeError>(properties::set_life(connection, &format!("{number} {mark}")).await?)
            })
        });
        write.await?;
        Ok(Self { number })
    }
}

/// What the file is now; `None` if there is none.
fn current_mark(folder: &Path) -> Option<String> {
    let metadata = fs::metadata(folder.join(MARK)).ok()?;
    Some(format!("{}-{}.{}", metadata.ino(), metadata.ctime(), metadata.ctime_nsec()))
}

/// Makes the file anew: the old one stays until the new one is whole.
fn make_mark(folder: &Path, number: i64) -> io::Result<String> {
    let (partial, path) = (folder.join("life.partial"), folder.join(MARK));
    let mut file = File::create(&partial)?;
    writeln!(file, "{number}")?;
    file.sync_all()?;
    fs::rename(&partial, &path)?;
    File::open(folder)?.sync_all()?;
    current_mark(folder).ok_or_else(|| io::Error::other("the file is gone"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;
    use crate::secrets::SealedKey;
    use crate::store::registrations::Registration;
    use crate::store::scratch::{Scratch, on_both_engines};
    use crate::store::{ROOT_DOMAIN, devices};

    async fn save_session(store: &Store) {
        let device = devices::Device {
            id: "1".to_owned(),
            domain: ROOT_DOMAIN.to_owned(),
            endpoint: "one".to_owned(),
            name: String::new(),
            security: "psk".to_owned(),
            created_at: Moment(1),
            state: None,
            identity: None,
            key_prefix: None,
            staged: None,
            bootstrap: None,
            product_id: None,
        };
        let registration = Registration {
            device_id: "1".to_owned(),
            shard: 0,
            snapshot: vec![1],
            session: Some(SealedKey(vec![2])),
            life: 1,
        };
        let write = store.write(|connection| {
            Box::pin(async move {
                devices::insert(connection, &device).await?;
                Ok::<_, StoreError>(registrations::write(connection, &[registration]).await?)
            })
        });
        write.await.unwrap();
    }

    async fn has_session(store: &Store) -> bool {
        let page = registrations::page(&mut store.read().await.unwrap(), "", 10).await.unwrap();
        page[0].registration.session.is_some()
    }

    on_both_engines!(every_start_is_a_life_of_its_own_and_keeps_the_sessions);
    async fn every_start_is_a_life_of_its_own_and_keeps_the_sessions(scratch: Scratch) {
        for number in 1..=3 {
            let store = scratch.open().await;
            assert_eq!(Life::begin(&store, scratch.path()).await.unwrap(), Life { number });
            if number == 1 {
                save_session(&store).await;
            }
            assert!(has_session(&store).await);
            store.close().await;
        }
    }

    /// Begins a life that has a session.
    async fn live(scratch: &Scratch) {
        let store = scratch.open().await;
        Life::begin(&store, scratch.path()).await.unwrap();
        save_session(&store).await;
        store.close().await;
    }

    #[tokio::test]
    async fn a_file_that_is_put_back_loses_its_sessions() {
        let scratch = Scratch::sqlite();
        live(&scratch).await;
        let (database, copy) = (scratch.path().join("updraft.db"), scratch.path().join("copy"));
        fs::copy(&database, &copy).unwrap();
        let store = scratch.open().await;
        Life::begin(&store, scratch.path()).await.unwrap();
        store.close().await;

        fs::rename(&copy, &database).unwrap();
        let store = scratch.open().await;
        Life::begin(&store, scratch.path()).await.unwrap();
        assert!(!has_session(&store).await);
    }

    on_both_engines!(a_database_that_is_put_back_loses_its_sessions);
    async fn a_database_that_is_put_back_loses_its_sessions(scratch: Scratch) {
        live(&scratch).await;
        let store = scratch.open().await;
        let noted = properties::life(&mut store.read().await.unwrap()).await.unwrap().unwrap();
        Life::begin(&store, scratch.path()).await.unwrap();
        assert!(has_session(&store).await);
        let put_back = store.write(move |connection| {
            Box::pin(async move { Ok::<_, StoreError>(properties::set_life(connection, &noted).await?) })
        });
        put_back.await.unwrap();
        store.close().await;

        let store = scratch.open().await;
        Life::begin(&store, scratch.path()).await.unwrap();
        assert!(!has_session(&store).await);
    }

    #[tokio::test]
    async fn a_whole_folder_that_was_copied_loses_its_sessions() {
        let scratch = Scratch::sqlite();
        live(&scratch).await;
        let copy = Scratch::sqlite();
        for name in ["updraft.db", MARK] {
            fs::copy(scratch.path().join(name), copy.path().join(name)).unwrap();
        }
        let store = copy.open().await;
        Life::begin(&store, copy.path()).await.unwrap();
        assert!(!has_session(&store).await);
    }

    on_both_engines!(a_database_with_another_data_folder_loses_its_sessions);
    async fn a_database_with_another_data_folder_loses_its_sessions(scratch: Scratch) {
        live(&scratch).await;
        let other = tempfile::tempdir().unwrap();
        let store = scratch.open().await;
        Life::begin(&store, other.path()).await.unwrap();
        assert!(!has_session(&store).await);
    }
}
