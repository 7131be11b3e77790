//! Puts the parts of the server together, and takes them apart in order.

use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;
use tokio::sync::watch;

use crate::app::{App, Listening, PullBases, StartError, open_vault};
use crate::bootstrap::{Bootstrap, BootstrapError};
use crate::clock::WallClock;
use crate::config::Config;
use crate::files::{Files, FilesError, Names, Offers};
use crate::http::{self, ListenError};
use crate::secrets::KeyFileError;
use crate::southbound::{Southbound, SouthboundError};
use crate::store::{
    DataFolder, FolderError, ImageError, Images, Life, LifeError, Limits, Location, OpenError, PasswordError,
    Store,
};

/// Why the server did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum ServeError {
    Folder(#[from] FolderError),
    KeyFile(#[from] KeyFileError),
    Password(#[from] PasswordError),
    Database(#[from] OpenError),
    Life(#[from] LifeError),
    Images(#[from] ImageError),
    Listen(#[from] ListenError),
    Southbound(#[from] SouthboundError),
    Bootstrap(#[from] BootstrapError),
    Files(#[from] FilesError),
    Start(#[from] StartError),
    #[error("cannot write the ports file")]
    PortsFile(#[source] std::io::Error),
    #[error("another updraft server has taken over the database; this one has stopped")]
    Superseded,
    #[error("the REST API stopped")]
    Api(#[source] std::io::Error),
}

/// The ports that were bound.
#[derive(Serialize, Debug)]
struct Ports {
    process: u32,
    http: SocketAddr,
    coaps: Vec<SocketAddr>,
    coap: Vec<SocketAddr>,
    bootstrap_coaps: Vec<SocketAddr>,
    bootstrap_coap: Vec<SocketAddr>,
    files_https: Vec<SocketAddr>,
    files_http: Vec<SocketAddr>,
}

/// Runs the server until `stop` is done.
///
/// # Errors
/// A part could not start, or the API stopped by itself.
pub async fn serve(
    config: &Config,
    ports_file: Option<&Path>,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    keep_memory_out_of_core_dumps();
    // What the server writes is nobody else's business.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let clock = WallClock::system();
    let folder = DataFolder::open(&config.data_dir)?;
    let location = Location::of(&config.database, folder.path())?;
    let vault = open_vault(Store::is_new(&location).await?, &config.key_file)?;
    let limits = Limits {
        max_size: config.packages.max_size,
        storage: config.packages.storage_limit,
        reserve: config.packages.reserve,
    };
    let images = Images::open(folder.path(), &config.packages.store, limits).await?;
    // Ports before the database: a server that cannot work leaves it as it is.
    let listener = http::listen(config.http.bind).await?;
    let southbound = Southbound::bind(&config.lwm2m)?;
    let bootstrap = Bootstrap::bind(&config.bootstrap)?;
    let names = Names::new(config.lwm2m.public_host.as_ref(), &config.files.https_bind);
    let files = Files::bind(&config.files, names, &folder, &vault, &clock).await?;
    let (files_https, files_http) = (files.https(), files.http());
    let store = Store::open(&location, &clock).await?;
    let life = Life::begin(&store, folder.path()).await?;
    let listening = Listening {
        coaps: southbound.coaps(),
        coap: southbound.coap(),
        https: &files_https,
        http: &files_http,
    };
    let bases = PullBases::new(config.lwm2m.public_host.as_ref(), listening, files.trust());
    let (app, orders) = App::start(store.clone(), images, vault, clock, config, bases).await?;
    let ports = Ports {
        process: std::process::id(),
        http: listener.local_addr().map_err(ServeError::Api)?,
        coaps: southbound.coaps().to_vec(),
        coap: southbound.coap().to_vec(),
        bootstrap_coaps: bootstrap.coaps().to_vec(),
        bootstrap_coap: bootstrap.coap().to_vec(),
        files_https,
        files_http,
    };
    let (offers, served) = Offers::new();
    let running = southbound.start(app.clone(), orders, config, (offers.clone(), served), life).await?;
    let bootstrapping = bootstrap.start(app.clone()).await?;
    announce(&ports, ports_file)?;

    let (stopping, stopped) = watch::channel(false);
    let files = tokio::spawn(files.serve(offers, stopped.clone()));
    // It ends by itself, and nothing depends on its end.
    tokio::spawn(app.clone().watch_images(stopped.clone()));
    let house = tokio::spawn(app.clone().keep_house(stopped.clone()));
    let api = tokio::spawn(http::serve(listener, app, stopped));
    tokio::pin!(api);
    let mut superseded = false;
    let ended = tokio::select! {
        ended = &mut api => ended,
        () = store.superseded() => {
            tracing::error!("another updraft server has taken over the database; stopping");
            superseded = true;
            stopping.send_replace(true);
            api.await
        }
        () = stop => {
            tracing::info!("stopping");
            stopping.send_replace(true);
            api.await
        }
    };
    stopping.send_replace(true);
    if files.await.is_err() {
        tracing::error!("the downloads did not stop in order");
    }
    if house.await.is_err() {
        tracing::error!("the deletion of old packages did not stop in order");
    }
    bootstrapping.stop().await;
    running.stop().await;
    store.close().await;
    tracing::info!("stopped");
    if superseded {
        return Err(ServeError::Superseded);
    }
    // A panic in the API is a fault of ours and was told by the panic itself.
    ended.unwrap_or(Ok(())).map_err(ServeError::Api)
}

fn announce(ports: &Ports, file: Option<&Path>) -> Result<(), ServeError> {
    let list = |addresses: &[SocketAddr]| match addresses {
        [] => "off".to_owned(),
        addresses => addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    if let Some(file) = file {
        let text =
            serde_json::to_string(ports).map_err(std::io::Error::from).map_err(ServeError::PortsFile)?;
        // Whoever waits for the file finds it whole.
        let partial = file.with_extension("partial");
        std::fs::write(&partial, text)
            .and_then(|()| std::fs::rename(&partial, file))
            .map_err(ServeError::PortsFile)?;
    }
    tracing::info!(
        http = %ports.http, coaps = list(&ports.coaps), coap = list(&ports.coap),
        bootstrap_coaps = list(&ports.bootstrap_coaps), bootstrap_coap = list(&ports.bootstrap_coap),
        "ready: API and its description at http://{}/docs", ports.http
    );
    Ok(())
}

/// Device keys are in memory (SECURITY rule k08).
fn keep_memory_out_of_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        tracing::warn!(%error, "core dumps could not be switched off");
    }
}
