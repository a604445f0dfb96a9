//! Accepts connections and serves them until it is told to stop; then lets transfers end.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::client::Client;
use super::deadline::Unstalled;
use super::direct::{Direct, Lane};
use super::limits::{Connections, Limits, Place};
use super::listener::{Accepted, Listener};
use super::service::Registry;
use crate::progress::Event;

/// Largest head of a request, in bytes, and most of a body that is held at once.
const BUFFER: usize = 256 * 1024;

/// After an error of the system, such as too many open files, there is a pause before the next try.
const PAUSE: Duration = Duration::from_millis(100);

/// How long the end waits for the first request of a client that has only just connected.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// Serves until `stop` ends, then until all transfers have ended or [`Deadlines::stop`] has passed.
///
/// [`Deadlines::stop`]: super::deadline::Deadlines::stop
pub async fn serve(
    registry: Registry,
    listeners: Vec<Listener>,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let (stopping, watcher) = watch::channel(false);
    let connections = Connections::new(limits);
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept(registry.clone(), listener, connections.clone(), watcher.clone()));
    }
    drop(watcher);
    stop.await;
    registry.stop_background();
    // Nobody can have stopped listening by now.
    let _ = stopping.send(true);
    let all_ended = async { while accepting.join_next().await.is_some() {} };
    if tokio::time::timeout(registry.deadlines().stop, all_ended).await.is_err() {
        registry
            .progress()
            .event(Event::Warning { text: "some transfers had not ended and were broken off" });
    }
}

/// Accepts clients of one listener until the end, then waits for those that are there.
async fn accept(
    registry: Registry,
    listener: Listener,
    connections: Connections,
    mut stopping: watch::Receiver<bool>,
) {
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => break,
            Some(_) = open.join_next() => continue,
        };
        match accepted {
            Ok(accepted) => {
                let client = match &accepted {
                    Accepted::Tcp(_, client, _) | Accepted::Unix(_, client) => client,
                };
                match connections.take(client.address()) {
                    Some(place) => {
                        drop(open.spawn(connection(registry.clone(), accepted, place, stopping.clone())))
                    }
                    None => registry.metrics().refused_connection(),
                }
            }
            Err(error) => {
                let text = format!("a connection could not be accepted: {error}");
                registry.progress().event(Event::Warning { text: &text });
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

async fn connection(registry: Registry, accepted: Accepted, _place: Place, stopping: watch::Receiver<bool>) {
    let deadlines = registry.deadlines();
    match accepted {
        Accepted::Unix(stream, client) => requests(&registry, stream, client, None, stopping).await,
        Accepted::Tcp(stream, client, None) => {
            let lane = registry.lane();
            let stream = Direct::new(stream, lane.clone());
            requests(&registry, stream, client, Some(lane), stopping).await;
        }
        Accepted::Tcp(stream, client, Some(tls)) => {
            if let (Some(certificates), Ok(address)) = (&tls.certificates, stream.local_addr()) {
                certificates.serve(address.ip().to_canonical());
            }
            let handshake = tokio::time::timeout(deadlines.handshake, tls.acceptor.accept(stream));
            // Who cannot finish a handshake cannot be told either.
            if let Ok(Ok(stream)) = handshake.await {
                requests(&registry, stream, client, None, stopping).await;
            }
        }
    }
}

/// Serves the requests of one connection, one after the other.
async fn requests<S: AsyncRead + AsyncWrite + Unpin>(
    registry: &Registry,
    stream: S,
    client: Client,
    lane: Option<Lane>,
    mut stopping: watch::Receiver<bool>,
) {
    let _open = registry.metrics().connection();
    let deadlines = registry.deadlines();
    let client = Arc::new(client);
    let asked = Notify::new();
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        asked.notify_one();
        if let Some(lane) = &lane {
            request.extensions_mut().insert(lane.clone());
        }
        let client = client.clone();
        async move { Ok::<_, Infallible>(registry.answer(client, request).await) }
    });
    let stream = TokioIo::new(Unstalled::new(stream, deadlines.stall));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(deadlines.head)
        .max_buf_size(BUFFER)
        .serve_connection(stream, service);
    let mut connection = pin!(connection);
    // What goes wrong on a connection has been told to the client, or cannot be: it is gone.
    let ended = tokio::select! {
        _ = connection.as_mut() => true,
        _ = stopping.wait_for(|stopping| *stopping) => false,
    };
    if ended {
        return;
    }
    // hyper would hang up on a client that has asked nothing yet, although its first request may be on its way.
    let ended = tokio::select! {
        _ = connection.as_mut() => true,
        () = asked.notified() => false,
        () = tokio::time::sleep(FIRST_REQUEST) => false,
    };
    if !ended {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}
