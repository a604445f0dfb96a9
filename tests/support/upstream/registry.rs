//! The pull half of an OCI registry (distribution-spec 1.1, end-1 to end-3, end-8a and end-12).

use std::io;

use airlock::oci::digest::Digest;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::answer;
use super::catalogue::{Catalogue, Repository};
use super::content::{Asked, Content};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A request below `/v2/`, taken apart.
pub struct Route<'a> {
    /// The repository as it stands in the path; empty for `/v2/` itself.
    pub repository: &'a str,
    kind: &'a str,
    target: &'a str,
}

impl<'a> Route<'a> {
    /// Takes apart what follows `/v2/`: `<repository>/<kind>/<target>`.
    pub fn parse(path: &'a str) -> Option<Route<'a>> {
        if path.is_empty() {
            return Some(Route { repository: "", kind: "", target: "" });
        }
        let (rest, target) = path.rsplit_once('/')?;
        let (repository, kind) = rest.rsplit_once('/')?;
        ["manifests", "blobs", "tags", "referrers"].contains(&kind).then_some(Route {
            repository,
            kind,
            target,
        })
    }

    /// Answers from the catalogue. `host` is the value of `?ns=`, `artifact_type` the filter for referrers.
    pub async fn respond(
        &self,
        catalogue: &Catalogue,
        host: Option<&str>,
        artifact_type: Option<&str>,
        asked: Asked,
    ) -> io::Result<Response> {
        if self.repository.is_empty() {
            return answer::json(StatusCode::OK, &json!({}));
        }
        let Some(repository) = catalogue.repository(host, self.repository) else {
            return missing("NAME_UNKNOWN", self.repository);
        };
        match self.kind {
            "tags" => {
                let tags: Vec<&String> = repository.tags.keys().collect();
                answer::json(StatusCode::OK, &json!({"name": self.repository, "tags": tags}))
            }
            "referrers" => referrers(repository, self.target, artifact_type),
            _ => self.content(catalogue, repository, asked).await,
        }
    }

    async fn content(
        &self,
        catalogue: &Catalogue,
        repository: &Repository,
        asked: Asked,
    ) -> io::Result<Response> {
        let tagged = if self.kind == "manifests" { repository.tags.get(self.target).copied() } else { None };
        let found = tagged.or_else(|| self.target.parse().ok());
        let Some((digest, media_type)) = found.and_then(|digest| repository.members.get_key_value(&digest))
        else {
            let code = if self.kind == "blobs" { "BLOB_UNKNOWN" } else { "MANIFEST_UNKNOWN" };
            return missing(code, self.target);
        };
        let media_type = if self.kind == "blobs" { "application/octet-stream" } else { media_type };
        let content = Content {
            path: catalogue.blob(*digest),
            media_type: media_type.to_owned(),
            entity_tag: format!("\"{digest}\""),
            headers: vec![("docker-content-digest", digest.to_string())],
        };
        content.respond(asked).await
    }
}

fn referrers(repository: &Repository, subject: &str, artifact_type: Option<&str>) -> io::Result<Response> {
    let Ok(subject) = subject.parse::<Digest>() else {
        return answer::json(StatusCode::BAD_REQUEST, &error("DIGEST_INVALID", subject));
    };
    let all = repository.referrers.get(&subject).into_iter().flatten();
    let wanted = |entry: &&Value| artifact_type.is_none_or(|wanted| entry["artifactType"] == wanted);
    let manifests: Vec<&Value> = all.filter(wanted).collect();
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    let mut response = answer::typed(StatusCode::OK, INDEX, index.to_string())?;
    if artifact_type.is_some() {
        let applied = axum::http::HeaderValue::from_static("artifactType");
        response.headers_mut().insert("oci-filters-applied", applied);
    }
    Ok(response)
}

fn missing(code: &str, what: &str) -> io::Result<Response> {
    answer::json(StatusCode::NOT_FOUND, &error(code, what))
}

fn error(code: &str, what: &str) -> Value {
    json!({"errors": [{"code": code, "message": format!("{what} is not here"), "detail": {}}]})
}
