//! What a registry means by refusing, and what helps.

use super::target::Target;
use crate::error::{Error, codes};
use crate::fetch::{Failure, Refused, StatusCode, printable};

/// Words of registries for a project that is full. Harbor answers 403 then.
const FULL: [&str; 3] = ["upper limit", "quota", "insufficient storage"];

/// The failure behind a refusal of something in `repository`.
pub(super) fn failure(refused: Refused, target: &Target, repository: &str) -> Failure {
    let status = refused.status;
    let reason = refused.reason.as_deref().map(str::to_lowercase).unwrap_or_default();
    let is_full = status == StatusCode::INSUFFICIENT_STORAGE || FULL.iter().any(|word| reason.contains(word));
    let error = match status {
        _ if status.is_client_error() && reason.contains("immutable") => immutable(target, repository),
        _ if is_full && (status.is_client_error() || status == StatusCode::INSUFFICIENT_STORAGE) => {
            full(target)
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => not_allowed(target, repository),
        StatusCode::NOT_FOUND => no_project(target, repository),
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => immutable(target, repository),
        StatusCode::PAYLOAD_TOO_LARGE => too_large(target),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => return passing(refused),
        _ if status.is_server_error() => return passing(refused),
        _ => Error::new(codes::REGISTRY_PUSH, format!("{} refuses what is pushed to it", target.host()))
            .with_help(format!("look into the log of {}, and run the same command again", target.host())),
    };
    let what = format!("{} answers {status}", printable(refused.url.path()));
    let error = error.with_detail(what);
    let reason = refused.reason.or(refused.code);
    Failure::elsewhere(match reason {
        Some(reason) => error.with_detail(format!("the server says: {}", printable(&reason))),
        None => error,
    })
}

fn passing(refused: Refused) -> Failure {
    Failure::of_status(refused.status, &refused.url, refused.reason.as_deref(), refused.wait)
}

/// The same error in the words of a push, where it is one of a login.
pub(super) fn explain(error: Error, target: &Target, repository: &str) -> Error {
    match error.code() {
        codes::FETCH_UNAUTHORIZED => not_allowed(target, repository).with_source(error),
        _ => error,
    }
}

fn not_allowed(target: &Target, repository: &str) -> Error {
    let host = target.host();
    let message = format!("{host} does not let us push to {}", printable(repository));
    Error::new(codes::REGISTRY_LOGIN, message).with_help(format!(
        "log in as somebody who may push there, `docker --config DIR login {host}`, and give the file: \
         `install --registry-auth DIR/config.json`, or lay it on the node as /etc/airlock/registry-auth.json, mode 0600; \
         in Harbor a robot account of the project needs the permissions to push and \
         pull repositories"
    ))
}

fn no_project(target: &Target, repository: &str) -> Error {
    let (host, project) = (target.host(), project(repository));
    let message = format!("{host} knows no project `{project}`");
    Error::new(codes::REGISTRY_PUSH, message).with_help(format!(
        "make the project `{project}` there (Harbor: Projects, New Project), or name another one: \
         `--registry {}/PROJECT`; without a login a private project is hidden like this as well",
        target.address()
    ))
}

/// Where a registry has projects, the first part of a name is one.
fn project(repository: &str) -> String {
    printable(repository.split('/').next().unwrap_or_default())
}

fn immutable(target: &Target, repository: &str) -> Error {
    let message = format!("{} keeps a tag of {} as it is", target.host(), printable(repository));
    Error::new(codes::REGISTRY_TAG, message).with_help(
        "the tag stands for another image there, and a rule makes it immutable (Harbor: project, Policy, Tag \
         Immutability): leave these repositories out of the rule, or push to another project",
    )
}

fn too_large(target: &Target) -> Error {
    let message = format!("a proxy before {} takes no requests of this size", target.host());
    Error::new(codes::REGISTRY_PUSH, message).with_help(
        "take away its limit: `client_max_body_size 0;` in nginx, or the annotation \
         `nginx.ingress.kubernetes.io/proxy-body-size: \"0\"` of the ingress",
    )
}

fn full(target: &Target) -> Error {
    Error::new(codes::REGISTRY_PUSH, format!("{target} has no space left")).with_help(
        "raise the quota of the project (Harbor: Administration, Project Quotas) or make room, then run the same \
         command again: what has arrived is not sent again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::{Url, Verdict};

    fn refused(status: u16, reason: &str) -> Failure {
        let target = Target::parse("https://harbor.lab/platform").unwrap();
        let refused = Refused {
            status: StatusCode::from_u16(status).unwrap(),
            url: Url::parse("https://harbor.lab/v2/platform/x/blobs/uploads/").unwrap(),
            code: None,
            reason: Some(reason.to_owned()).filter(|reason| !reason.is_empty()),
            wait: None,
        };
        failure(refused, &target, "platform/docker.io/library/x")
    }

    #[test]
    fn refusals_of_harbor_and_its_proxies_say_what_helps() {
        for (status, reason, code, part) in [
            (401, "", codes::REGISTRY_LOGIN, "--registry-auth"),
            (403, "denied", codes::REGISTRY_LOGIN, "robot account"),
            (403, "will exceed the configured upper limit of 10.0 GiB", codes::REGISTRY_PUSH, "quota"),
            (404, "project platform not found", codes::REGISTRY_PUSH, "make the project `platform`"),
            (409, "", codes::REGISTRY_TAG, "Immutability"),
            (412, "configured as immutable", codes::REGISTRY_TAG, "Immutability"),
            (403, "tag is immutable", codes::REGISTRY_TAG, "Immutability"),
            (413, "", codes::REGISTRY_PUSH, "client_max_body_size"),
            (507, "", codes::REGISTRY_PUSH, "quota"),
            (418, "a\u{1b}[2J", codes::REGISTRY_PUSH, "log"),
        ] {
            let failure = refused(status, reason);
            assert_eq!((failure.error.code(), failure.verdict), (code, Verdict::Elsewhere), "{status}");
            assert!(failure.error.help().unwrap().contains(part), "{status}: {:?}", failure.error);
            assert!(!format!("{:?}", failure.error.details()).contains('\u{1b}'));
        }
        for status in [408, 429, 500, 503] {
            assert!(matches!(refused(status, "").verdict, Verdict::Again(_)), "{status}");
        }
    }
}
