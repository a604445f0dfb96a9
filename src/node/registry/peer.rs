//! A registry as a node asks it: the way containerd does, at one address, and never anywhere else.

mod content;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, HeaderValue};
use tokio::runtime::Handle;

use super::endpoint::Endpoint;
use crate::error::{Error, Result, codes};
use crate::fetch::{
    Access, Client, CredentialSource, Existence, Limits, Location, NoCredentials, Place, Request,
    RetryPolicy, Settings, Timeouts, Tour, Url,
};
use crate::oci::digest::Digest;
use crate::oci::document;
use crate::oci::reference::Reference;
use crate::progress::{Progress, Silent};
use crate::push::Target;
use crate::quote::quote;

/// What all connections of a run share.
#[derive(Clone)]
pub struct Network {
    /// Does the work. Steps wait for it, so they never run on one of its tasks.
    pub runtime: Handle,
    /// User names and passwords, for a registry of the site.
    pub credentials: Arc<dyn CredentialSource>,
    /// Hears of retries.
    pub progress: Arc<dyn Progress>,
}

impl Network {
    /// Without credentials, and silent.
    pub fn quiet(runtime: Handle) -> Network {
        Network { runtime, credentials: Arc::new(NoCredentials), progress: Arc::new(Silent) }
    }
}

/// A registry at an address.
#[derive(Clone)]
pub struct Peer {
    client: Client,
    runtime: Handle,
    base: Url,
    /// The registry of a site, whose names differ.
    site: Option<Target>,
}

impl Peer {
    /// The registry at `https://HOST:PORT`, trusted by the authorities in `authorities` (PEM), or those of the
    /// machine. With `patience` a server that does not answer is asked again.
    ///
    /// # Errors
    /// [`codes::FETCH_URL`] if that is no address.
    pub fn new(
        endpoint: &str,
        authorities: Option<&[u8]>,
        network: &Network,
        patience: bool,
    ) -> Result<Peer> {
        let base = Url::parse(endpoint).ok().filter(|url| url.scheme() == "https" && url.has_host());
        let base = base.ok_or_else(|| {
            Error::new(codes::FETCH_URL, format!("`{}` is not the address of a registry", quote(endpoint)))
                .with_help("write `https://HOST:PORT`")
        })?;
        Ok(Peer::at(base, None, authorities, network, patience))
    }

    /// The registry that a node pulls from, asked as containerd asks it: with a login only where containerd has one.
    ///
    /// # Errors
    /// [`codes::FETCH_URL`] if that is no address.
    pub fn of(endpoint: &Endpoint, authorities: Option<&[u8]>, network: &Network) -> Result<Peer> {
        match endpoint {
            Endpoint::Node(url) => Peer::new(url, authorities, network, false),
            Endpoint::Site { target, login: Some(_) } => Peer::site(target, authorities, network, false),
            Endpoint::Site { target, login: None } => {
                let nobody = Network { credentials: Arc::new(NoCredentials), ..network.clone() };
                Peer::site(target, authorities, &nobody, false)
            }
        }
    }

    /// The registry of a site.
    ///
    /// # Errors
    /// [`codes::FETCH_URL`] if that is no address.
    pub fn site(
        target: &Target,
        authorities: Option<&[u8]>,
        network: &Network,
        patience: bool,
    ) -> Result<Peer> {
        let base = Url::parse(target.address()).map_err(|error| {
            Error::new(codes::FETCH_URL, format!("`{}` is not an address", quote(target.address())))
                .with_source(error)
        })?;
        Ok(Peer::at(base, Some(target.clone()), authorities, network, patience))
    }

    fn at(
        base: Url,
        site: Option<Target>,
        authorities: Option<&[u8]>,
        network: &Network,
        patience: bool,
    ) -> Peer {
        let authorities = authorities.map(|pem| BTreeMap::from([(authority(&base), pem.to_vec())]));
        let usual = Settings::default();
        let attempts = if patience { usual.retry.attempts } else { 1 };
        let connect = if patience { usual.timeouts.connect } else { Duration::from_secs(3) };
        let client = Client::new(Settings {
            authorities: authorities.unwrap_or_default(),
            credentials: network.credentials.clone(),
            progress: network.progress.clone(),
            retry: RetryPolicy { attempts, ..usual.retry },
            timeouts: Timeouts { connect, ..usual.timeouts },
            ..usual
        });
        Peer { client, runtime: network.runtime.clone(), base, site }
    }

    /// Whether it is the registry of a site.
    pub fn is_of_site(&self) -> bool {
        self.site.is_some()
    }

    /// Its address, without a slash at the end.
    pub fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// What asks it, for downloads.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Where work is waited for.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// A small file at a path of the server, such as `/healthz`.
    ///
    /// # Errors
    /// Those of [`Client::document`].
    pub fn document(&self, path: &str, max_size: u64) -> Result<Vec<u8>> {
        let url = format!("{}{path}", self.address());
        let fetched = self.runtime.block_on(self.client.document(&url, Limits { max_size }));
        Ok(fetched?.bytes)
    }

    /// Where a file at a path of the server is fetched from.
    ///
    /// # Errors
    /// [`codes::FETCH_URL`].
    pub fn location(&self, path: &str) -> Result<Location> {
        Location::url(&format!("{}{path}", self.address()))
    }

    /// The digest of the manifest that an image has there; nothing if it has none.
    ///
    /// # Errors
    /// If the registry cannot be asked.
    pub fn resolve(&self, image: &Reference) -> Result<Option<Digest>> {
        let digest = image.digest().map(|digest| digest.to_string());
        let version = digest.as_deref().or(image.tag()).unwrap_or("latest");
        let place = self.place(image, &format!("manifests/{version}"))?;
        let found = self.ask(
            || asking_for_documents(Request::head(&place)),
            &place,
            async |answer| Ok(answer.header("docker-content-digest").and_then(|text| text.parse().ok())),
        );
        Ok(found?.flatten())
    }

    /// The manifest with this digest; nothing if there is none, or if other bytes come.
    ///
    /// # Errors
    /// If the registry cannot be asked.
    pub fn manifest(&self, image: &Reference, digest: Digest) -> Result<Option<Vec<u8>>> {
        let place = self.place(image, &format!("manifests/{digest}"))?;
        let found = self.ask(
            || asking_for_documents(Request::get(&place)),
            &place,
            async |answer| answer.bytes(document::MAX_SIZE).await,
        );
        Ok(found?.flatten().filter(|bytes| Digest::of(bytes) == digest))
    }

    /// Whether it has a blob of this size for an image.
    ///
    /// # Errors
    /// If the registry cannot be asked.
    pub fn has_blob(&self, image: &Reference, digest: Digest, size: u64) -> Result<bool> {
        let place = self.place(image, &format!("blobs/{digest}"))?;
        let found = self.ask(
            || Request::head(&place),
            &place,
            async |answer| Ok(answer.content_length() == Some(size)),
        );
        Ok(found?.unwrap_or(false))
    }

    /// Asks as often as makes sense; nothing if the answer is that there is nothing.
    fn ask<T>(
        &self,
        request: impl Fn() -> Request,
        place: &Place,
        read: impl AsyncFn(crate::fetch::Answer) -> std::result::Result<T, crate::fetch::Failure>,
    ) -> Result<Option<T>> {
        let name = place.url.path().to_owned();
        let places = std::slice::from_ref(place);
        self.runtime.block_on(async {
            let mut tour = Tour::new(&self.client, &name, places, Existence::Expected)?;
            loop {
                let outcome = match self.client.exchange(&request()).await {
                    Ok(answer) if answer.status() == StatusCode::NOT_FOUND => return Ok(None),
                    Ok(answer) => match answer.successful().await {
                        Ok(answer) => read(answer).await,
                        Err(failure) => Err(failure),
                    },
                    Err(failure) => Err(failure),
                };
                match outcome {
                    Ok(found) => return Ok(Some(found)),
                    Err(failure) => tour.failed(failure).await?,
                }
            }
        })
    }

    /// Where something of the repository of an image lies: the path is that of the image, or what a site makes of it,
    /// and `ns` names the registry that it comes from (distribution-spec, "Registry Proxying").
    fn place(&self, image: &Reference, what: &str) -> Result<Place> {
        let repository = match &self.site {
            Some(target) => target.repository(image),
            None => image.repository().to_owned(),
        };
        let text = format!("{}/v2/{repository}/{what}", self.address());
        let mut url = Url::parse(&text).map_err(|error| {
            Error::new(codes::FETCH_URL, format!("`{}` is not an address", quote(&text))).with_source(error)
        })?;
        url.query_pairs_mut().append_pair("ns", image.host());
        let access = Access::pull(&authority(&self.base), &repository);
        Ok(Place { url, access: Some(access) })
    }
}

fn asking_for_documents(request: Request) -> Request {
    match HeaderValue::from_str(&document::ACCEPTED.join(", ")) {
        Ok(accepted) => request.with(ACCEPT, accepted),
        Err(_) => request,
    }
}

/// `HOST` or `HOST:PORT`.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
