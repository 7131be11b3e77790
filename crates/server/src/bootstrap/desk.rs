//! The task between the bootstrap thread and the use cases.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lwm2m::bootstrap::{Event, Failure, RunId};
use machine::Link;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::knocks::Knocks;
use super::station::Command;
use crate::app::App;
use crate::app::bootstrap::{BootstrapEnd, PrepareError};
use crate::clock::Moment;

/// What the thread tells.
#[derive(Debug)]
pub enum Told {
    /// Something that its server says.
    Event(Event),
    /// Somebody was not let in; `endpoint` is the device of the identity that was claimed, if there is one.
    Rejected { identity: String, endpoint: Option<String>, remote: SocketAddr },
}

/// Tells the desk without waiting, from inside the protocol thread. Should the way be full, the thread is
/// held until there is room: the desk takes what it is told without waiting for anything.
pub fn tell(told: &mpsc::Sender<Told>, event: Event) {
    let mut item = Told::Event(event);
    while let Err(TrySendError::Full(back)) = told.try_send(item) {
        item = back;
        std::thread::yield_now();
    }
}

/// Steps of one bootstrap that are kept; more than a plan has.
const MOST_STEPS: usize = 256;
/// Pages of devices that are written to between two tellings.
const MOST_WARNINGS: usize = 64;
/// How often the log tells of those who knocked.
const TICK: Duration = Duration::from_secs(1);

/// Carries what happens to the use cases, and what they decide back.
#[derive(Debug)]
pub struct Desk {
    app: App,
    commands: mpsc::Sender<Command>,
    /// Bounded by the bootstraps that may be under way.
    runs: HashMap<RunId, Run>,
    /// What waits for the store or the thread, at most one for each bootstrap, one for its
    /// end, and the warnings of a tick.
    asked: JoinSet<Option<Refused>>,
    knocks: Knocks,
    /// Devices whose identity was used with another key since the last tick, and by whom; bounded by
    /// [`MOST_WARNINGS`].
    warnings: BTreeMap<String, SocketAddr>,
}

#[derive(Debug)]
struct Run {
    started_at: Moment,
    secured: bool,
    steps: Vec<String>,
    /// Why there is nothing to write.
    refused: Option<String>,
}

/// There is nothing to write for a device.
#[derive(Debug)]
struct Refused(RunId, PrepareError);

impl Desk {
    pub fn new(app: App, commands: mpsc::Sender<Command>) -> Self {
        Self {
            app,
            commands,
            runs: HashMap::new(),
            asked: JoinSet::new(),
            knocks: Knocks::default(),
            warnings: BTreeMap::new(),
        }
    }

    /// Works until the thread has ended, then stores what is left.
    pub async fn run(mut self, mut heard: mpsc::Receiver<Told>) {
        let mut removed = self.app.left_bootstrap();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                told = heard.recv() => match told {
                    Some(told) => self.handle(told),
                    None => break,
                },
                Some(done) = self.asked.join_next() => self.done(done.ok().flatten()),
                gone = removed.recv() => match gone {
                    // Whoever may come no more is not admitted; at worst a bootstrap runs to its end.
                    Ok(endpoint) => drop(self.commands.try_send(Command::Release(endpoint))),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => break,
                },
                _ = tick.tick() => self.tell_of_knocks(),
            }
        }
        while self.asked.join_next().await.is_some() {}
    }

    fn handle(&mut self, told: Told) {
        match told {
            Told::Event(Event::Requested { run, endpoint, link }) => self.requested(run, &endpoint, link),
            Told::Event(Event::Step { run, endpoint, number, step, code }) => {
                tracing::debug!(%endpoint, number, %step, %code, "bootstrap step");
                if let Some(run) = self.runs.get_mut(&run).filter(|run| run.steps.len() < MOST_STEPS) {
                    run.steps.push(format!("{step} {code}"));
                }
            }
            Told::Event(Event::Ended { run, endpoint, result }) => self.ended(run, &endpoint, result),
            Told::Event(Event::Refused { identity, endpoint, refusal }) => {
                let endpoint = endpoint.unwrap_or_default();
                match identity.and_then(|identity| self.app.directory().by_bootstrap_identity(&identity)) {
                    // It has the key, so it is one of ours with a wrong name.
                    Some(device) => {
                        tracing::info!(endpoint = device.endpoint, claimed = endpoint, %refusal, "a bootstrap was refused");
                    }
                    None => self.knocks.refused(&endpoint, &refusal.to_string()),
                }
            }
            Told::Rejected { endpoint: Some(endpoint), remote, .. } => {
                self.knocks.wrong_key(&endpoint, remote);
                // One line for what comes between two tellings.
                if self.warnings.len() < MOST_WARNINGS {
                    self.warnings.insert(endpoint, remote);
                }
            }
            Told::Rejected { identity, remote, .. } => self.knocks.unknown_identity(&identity, remote),
        }
    }

    /// What the device is given is made durable before anything of it leaves.
    fn requested(&mut self, run: RunId, endpoint: &Arc<str>, link: Link) {
        tracing::info!(%endpoint, "a device wants to be bootstrapped");
        let (started_at, secured) = (self.app.now(), link.is_secured());
        self.runs.insert(run, Run { started_at, secured, steps: Vec::new(), refused: None });
        let (app, commands, endpoint) = (self.app.clone(), self.commands.clone(), endpoint.clone());
        self.asked.spawn(async move {
            match app.prepare_bootstrap(&endpoint).await {
                Ok(plan) => {
                    send(&commands, Command::Start(run, Box::new(plan))).await;
                    None
                }
                Err(error) => Some(Refused(run, error)),
            }
        });
    }

    fn done(&mut self, refused: Option<Refused>) {
        let Some(Refused(run, error)) = refused else { return };
        if let Some(run) = self.runs.get_mut(&run) {
            run.refused = Some(error.to_string());
        }
        // Never waited for here: the thread may be waiting for the desk.
        let commands = self.commands.clone();
        self.asked.spawn(async move {
            send(&commands, Command::Refuse(run)).await;
            None
        });
    }

    fn ended(&mut self, run: RunId, endpoint: &Arc<str>, result: Result<(), Failure>) {
        let Some(run) = self.runs.remove(&run) else { return };
        // The one that takes its place tells how it goes.
        if result == Err(Failure::Superseded) {
            return;
        }
        let failure = result.err().map(|failure| run.refused.unwrap_or_else(|| failure.to_string()));
        match &failure {
            None => tracing::info!(%endpoint, steps = run.steps.len(), "bootstrapped"),
            Some(failure) => tracing::warn!(%endpoint, failure, "a bootstrap came to nothing"),
        }
        let warning = if run.secured { "" } else { IN_CLEAR };
        let end = BootstrapEnd {
            failure,
            steps: run.steps.join("\n"),
            warning: warning.to_owned(),
            started_at: run.started_at,
        };
        let (app, endpoint) = (self.app.clone(), endpoint.clone());
        self.asked.spawn(async move {
            if let Err(error) = app.record_bootstrap(&endpoint, end).await {
                let error = &error as &dyn std::error::Error;
                tracing::error!(%endpoint, error, "how a bootstrap ended could not be stored");
            }
            None
        });
    }

    fn tell_of_knocks(&mut self) {
        if let Some((knocks, last)) = self.knocks.take() {
            tracing::info!(knocks, "{last}");
        }
        for (endpoint, remote) in std::mem::take(&mut self.warnings) {
            let app = self.app.clone();
            let warning = format!("somebody at {remote} used its bootstrap identity with another key");
            self.asked.spawn(async move {
                // The log has told it too.
                let _ = app.warn_bootstrap(&endpoint, warning).await;
                None
            });
        }
    }
}

/// What a device without encryption is given can be read by others.
const IN_CLEAR: &str =
    "it was bootstrapped without encryption: whoever listened has read the keys that it was given";

async fn send(commands: &mpsc::Sender<Command>, command: Command) {
    // Fails if the thread has ended, and all bootstraps with it.
    let _ = commands.send(command).await;
}
