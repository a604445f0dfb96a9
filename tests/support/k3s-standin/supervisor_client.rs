//! How a node speaks with a server: whom it believes, who it says it is, and what it says when that fails.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use super::flags::Role;
use super::token::Token;
use super::{Result, go_errors};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same for servers among each other.
const PEER_PATIENCE: Duration = Duration::from_secs(2);

/// A server that was found to be the one of the token.
#[derive(Clone)]
pub struct Supervisor {
    url: String,
    token: Token,
    client: Client,
}

impl Supervisor {
    /// Asks the server for its authority and compares it with the token.
    pub async fn validate(url: &str, token: &str, role: Role) -> Result<Supervisor> {
        let token = Token::parse(token, if role == Role::Server { "server" } else { "node" })?;
        let url = url.trim_end_matches('/').to_owned();
        let authority = authority(&url).await?;
        token.check_authority(&authority)?;
        let certificates = reqwest::Certificate::from_pem_bundle(&authority)?;
        let client = Client::builder().no_proxy().timeout(PATIENCE).tls_certs_only(certificates).build()?;
        let ping = format!("{url}/ping");
        let asked = client.get(&ping).send().await;
        asked.map_err(|error| {
            format!("failed to get CA certs: {}", go_errors::describe("Get", &ping, &error))
        })?;
        Ok(Supervisor { url, token, client })
    }

    /// A server that is known to have this authority, for another server of the same cluster.
    pub fn known(url: &str, authority: &[u8], password: &str) -> Result<Supervisor> {
        let token = Token { authority: None, user: "server".to_owned(), password: password.to_owned() };
        let certificates = reqwest::Certificate::from_pem_bundle(authority)?;
        let client =
            Client::builder().no_proxy().timeout(PEER_PATIENCE).tls_certs_only(certificates).build()?;
        Ok(Supervisor { url: url.to_owned(), token, client })
    }

    /// Another server of the same cluster.
    pub fn at(&self, url: &str) -> Supervisor {
        Supervisor { url: url.to_owned(), ..self.clone() }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The authority of its certificate, which the token has confirmed.
    pub async fn authority(&self) -> Result<Vec<u8>> {
        Ok(self.client.get(format!("{}/cacerts", self.url)).send().await?.bytes().await?.to_vec())
    }

    /// Asks for something under the name and password of this node. An error is what the real agent logs.
    pub async fn given(&self, path: &str, node_name: &str, node_password: &str) -> Result<Value> {
        let url = format!("{}{path}", self.url);
        let request = self.client.get(&url).basic_auth(&self.token.user, Some(&self.token.password));
        let request = request.header("k3s-node-name", node_name).header("k3s-node-password", node_password);
        let answer = request.send().await.map_err(|error| go_errors::describe("Get", &url, &error))?;
        match answer.status() {
            status if status.is_success() => Ok(answer.json().await?),
            StatusCode::FORBIDDEN => Err(answer.text().await?.into()),
            StatusCode::UNAUTHORIZED => Err(format!("{url}: 401 Unauthorized: not authorized").into()),
            status => Err(format!("{url}: {status}").into()),
        }
    }

    /// A call of the API. `None` if there is no such object.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Option<Value>> {
        let url = format!("{}{path}", self.url);
        let mut request = self.client.request(method, &url);
        request = request.basic_auth(&self.token.user, Some(&self.token.password));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.map_err(|error| go_errors::describe("Get", &url, &error))?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(answer.json().await?)),
            status => Err(format!("{path}: {status}: {}", answer.text().await.unwrap_or_default()).into()),
        }
    }
}

/// The certificate that the server calls its own, unchecked: the token says whether it is right.
async fn authority(url: &str) -> Result<Vec<u8>> {
    let url = format!("{url}/cacerts");
    let failed = |error: &reqwest::Error| {
        format!("failed to get CA certs: {}", go_errors::describe("Get", &url, error))
    };
    let client = Client::builder().no_proxy().timeout(PATIENCE).tls_certs_only([]);
    let client = client.tls_danger_accept_invalid_certs(true).build()?;
    let answer = client.get(&url).send().await.map_err(|error| failed(&error))?;
    if !answer.status().is_success() {
        return Err(format!("failed to get CA certs: {url}: {}", answer.status()).into());
    }
    Ok(answer.bytes().await.map_err(|error| failed(&error))?.to_vec())
}
