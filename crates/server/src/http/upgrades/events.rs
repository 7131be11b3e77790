//! `GET /api/v1/upgrades/{id}/events`

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::show::find;
use crate::api;
use crate::app::News;
use crate::http::Context;
use crate::http::problem::Problem;
use crate::store::upgrades::UpgradeKey;

/// Streams what happens to an upgrade, from its beginning to its end.
///
/// Server-sent events: those named as the kinds of `UpgradeEvent` carry one and have its number as their
/// id; `progress` carries a `Transfer`, has no id and is not repeated. After a lost connection the header
/// `Last-Event-ID` goes on behind that event. The stream ends with `finished`.
#[utoipa::path(
    get, path = "/api/v1/upgrades/{id}/events", tag = "upgrades", operation_id = "watchUpgrade",
    params(
        ("id" = String, Path, description = "The history id"),
        ("Last-Event-ID" = Option<i64>, Header, description = "The id of the last event that was received")
    ),
    responses(
        (status = 200, content_type = "text/event-stream", body = api::UpgradeEvent),
        (status = 404, body = api::Problem)
    )
)]
pub async fn events(
    State(context): State<Context>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let after = match headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default().parse()) {
        None => 0,
        Some(Ok(number)) => number,
        Some(Err(_)) => return Err(Problem::bad_value("Last-Event-ID is not the number of an event")),
    };
    // Subscribed before the store is read, so that nothing can happen in between unseen.
    let news = context.app.feed().subscribe();
    let upgrade = find(&context, &id).await?;
    let watch = Watch {
        key: upgrade.key,
        news,
        after,
        ready: context.app.feed().transfer(upgrade.key).map(progress).into_iter().collect(),
        stale: true,
        ended: false,
        context,
    };
    Ok(Sse::new(unfold(watch, next)).keep_alive(KeepAlive::default()))
}

struct Watch {
    context: Context,
    key: UpgradeKey,
    news: Receiver<News>,
    /// The number of the last event sent.
    after: i64,
    ready: VecDeque<Event>,
    /// Whether the store may have more.
    stale: bool,
    ended: bool,
}

/// Events read from the store at once.
const PIECE: i64 = 100;

async fn next(mut watch: Watch) -> Option<(Result<Event, Infallible>, Watch)> {
    loop {
        if let Some(event) = watch.ready.pop_front() {
            return Some((Ok(event), watch));
        }
        if watch.ended {
            return None;
        }
        if watch.stale {
            watch.read().await;
            continue;
        }
        let mut stopping = watch.context.stopping.clone();
        let news = tokio::select! {
            news = watch.news.recv() => news,
            _ = stopping.wait_for(|stopping| *stopping) => return None,
        };
        match news {
            Ok(News { upgrade, transfer }) if upgrade == watch.key => match transfer {
                Some(transfer) => watch.ready.push_back(progress(transfer)),
                None => watch.stale = true,
            },
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => watch.stale = true,
            Err(RecvError::Closed) => return None,
        }
    }
}

impl Watch {
    async fn read(&mut self) {
        let events = match self.context.app.upgrade_events(self.key, self.after, PIECE).await {
            Ok(events) => events,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "events could not be read");
                // The client comes back and goes on where it was.
                self.ended = true;
                return;
            }
        };
        self.stale = events.len() as i64 == PIECE;
        for event in events.into_iter().map(api::UpgradeEvent::from) {
            self.after = event.number;
            self.ended |= event.kind == api::EventKind::Finished;
            self.ready.push_back(recorded(&event));
        }
    }
}

fn recorded(event: &api::UpgradeEvent) -> Event {
    let kind = serde_json::to_value(event.kind).ok();
    let name = kind.as_ref().and_then(|kind| kind.as_str()).unwrap_or("other").to_owned();
    Event::default().id(event.number.to_string()).event(name).data(json(event))
}

fn progress(transfer: crate::app::Transfer) -> Event {
    Event::default().event("progress").data(json(&api::Transfer::from(transfer)))
}

fn json(value: &impl serde::Serialize) -> String {
    // Types of ours with text keys only, so this cannot fail.
    serde_json::to_string(value).unwrap_or_default()
}
