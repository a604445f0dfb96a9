//! Plain files, and k3s releases with the URLs of the real ones (`facts`: release assets and channel server).

use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use axum::response::Response;

use super::answer;
use super::content::{Asked, Content};

const CHANNELS: &str = "/v1-release/channels/";
const TAG_PAGES: &str = "/k3s-io/k3s/releases/tag/";

/// Answers a request for `path` (percent-decoded) from the data directory.
pub async fn respond(data: &Path, path: &str, host: &str, asked: Asked) -> io::Result<Response> {
    if let Some(name) = path.strip_prefix(CHANNELS) {
        return channel(data, name, host);
    }
    if let Some(tag) = path.strip_prefix(TAG_PAGES) {
        // The real page is HTML for people; programs only use its address.
        let page = format!("k3s release {tag}\n");
        return answer::typed(axum::http::StatusCode::OK, "text/plain", page);
    }
    match below(&data.join("files"), path).filter(|file| file.is_file()) {
        Some(file) => plain(file)?.respond(asked).await,
        None => answer::not_found(path),
    }
}

// `channels/<name>` holds the tag that the channel points to.
fn channel(data: &Path, name: &str, host: &str) -> io::Result<Response> {
    match below(&data.join("channels"), name).filter(|file| file.is_file()) {
        Some(file) => {
            let tag = fs_err::read_to_string(file)?;
            answer::redirect(&format!("http://{host}{TAG_PAGES}{}", tag.trim_end()))
        }
        None => answer::not_found(name),
    }
}

fn plain(path: PathBuf) -> io::Result<Content> {
    let metadata = fs_err::metadata(&path)?;
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let entity_tag = format!("\"{:x}-{:x}\"", metadata.len(), modified.as_nanos());
    Ok(Content { path, media_type: "application/octet-stream".into(), entity_tag, headers: Vec::new() })
}

// None for anything that would leave `directory`.
fn below(directory: &Path, path: &str) -> Option<PathBuf> {
    let relative = Path::new(path.trim_start_matches('/'));
    let inside = relative.components().all(|component| matches!(component, Component::Normal(_)));
    inside.then(|| directory.join(relative))
}
