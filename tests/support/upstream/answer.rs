//! Short answers made on the spot.

use std::io;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::Response;
use serde_json::Value;

/// An answer with a JSON body.
pub fn json(status: StatusCode, value: &Value) -> io::Result<Response> {
    typed(status, "application/json", value.to_string())
}

/// An answer with a body of any type.
pub fn typed(status: StatusCode, media_type: &str, body: String) -> io::Result<Response> {
    let answer = Response::builder().status(status).header(header::CONTENT_TYPE, media_type);
    answer.body(Body::from(body)).map_err(io::Error::other)
}

/// A redirect (302) to `location`.
pub fn redirect(location: &str) -> io::Result<Response> {
    let answer = Response::builder().status(StatusCode::FOUND).header(header::LOCATION, location);
    answer.body(Body::empty()).map_err(io::Error::other)
}

/// 404 for anything but the registry, which has its own form of it.
pub fn not_found(path: &str) -> io::Result<Response> {
    typed(StatusCode::NOT_FOUND, "text/plain", format!("{path} is not here\n"))
}
