//! Fetching and writing at the same time: the volumes grow as the blobs come in.

use std::path::Path;
use std::sync::Arc;

use super::Head;
use crate::build::board::Board;
use crate::build::plan::Plan;
use crate::build::volumes::{self, Written};
use crate::bundle::writer::VolumeWriter;
use crate::error::{Error, Result, codes};
use crate::progress::{Event, Progress, Stage};
use crate::source::gather::{Cost, Gatherer};

/// Wakes the writing thread when the build is given up at whatever point.
struct Abandon(Arc<Board>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Fetches what the cache lacks while the volumes are written; a failure of one side stops the other.
pub(super) async fn fetch_and_write(
    plan: &Arc<Plan>,
    head: &Arc<Head>,
    gatherer: &Gatherer,
    directory: &Path,
    progress: &Arc<dyn Progress>,
) -> Result<(Cost, Vec<Written>)> {
    let board = Arc::new(Board::default());
    let guard = Abandon(board.clone());
    let wanted = plan.wanted();
    let bytes = wanted.iter().map(|blob| blob.size).sum();
    progress.event(Event::Started { stage: Stage::Fetch, bytes: Some(bytes) });
    progress.event(Event::Started { stage: Stage::Write, bytes: Some(plan.size()) });
    let writing = {
        let (plan, head, cache) = (plan.clone(), head.clone(), gatherer.cache().clone());
        let (directory, board, progress) = (directory.to_owned(), board.clone(), progress.clone());
        tokio::task::spawn_blocking(move || {
            let writer =
                VolumeWriter::new(&plan.manifest, &head.manifest, head.signature.as_deref(), head.limit)?;
            volumes::write(&writer, &directory, &plan, &cache, &board, progress.as_ref())
        })
    };
    let fetching = async {
        let outcome = gatherer.all(wanted, move |digest| board.ready(digest)).await;
        match &outcome {
            Ok(_) => progress.event(Event::Finished { stage: Stage::Fetch }),
            Err(_) => guard.0.abandon(),
        }
        outcome
    };
    let writing = async {
        let outcome = writing
            .await
            .map_err(|error| {
                Error::new(codes::INTERNAL, "the writing thread ended unexpectedly").with_source(error)
            })
            .and_then(|outcome| outcome);
        match &outcome {
            Ok(_) => progress.event(Event::Finished { stage: Stage::Write }),
            Err(_) => gatherer.stop(),
        }
        outcome
    };
    match tokio::join!(fetching, writing) {
        (Ok(cost), Ok(volumes)) => Ok((cost, volumes)),
        // The side that was merely told to stop is not the one that failed.
        (Err(error), Err(other)) if error.code() == codes::INTERRUPTED => Err(other),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}
