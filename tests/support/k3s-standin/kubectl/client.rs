//! Calls of the API with the certificate of a kubeconfig; errors are those of `kubectl`.

use std::path::Path;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::kubernetes::Place;
use crate::{Result, go_errors, kubeconfig};

/// How long the API may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Speaks with one cluster.
pub struct Client {
    client: reqwest::Client,
    server: String,
}

impl Client {
    /// The cluster of a kubeconfig.
    pub fn new(kubeconfig: &Path) -> Result<Client> {
        let (client, server) = kubeconfig::client(kubeconfig)?;
        Ok(Client { client, server })
    }

    /// The server as a name of a file: `127.0.0.1_6443`.
    pub fn name(&self) -> String {
        self.server.trim_start_matches("https://").replace(':', "_")
    }

    /// The text at a path.
    pub async fn raw(&self, path: &str) -> Result<String> {
        self.send(Method::GET, path, None).await
    }

    /// A call with an object, or without; gives the object that comes back.
    pub async fn call(&self, method: Method, path: &str, object: Option<&Value>) -> Result<Value> {
        Ok(serde_json::from_str(&self.send(method, path, object).await?)?)
    }

    /// The objects of a collection.
    pub async fn list(&self, collection: &Place) -> Result<Vec<Value>> {
        let mut list = self.call(Method::GET, &collection.path(), None).await?;
        Ok(list["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    async fn send(&self, method: Method, path: &str, object: Option<&Value>) -> Result<String> {
        let url = format!("{}{path}", self.server);
        let mut request = self.client.request(method, &url).timeout(PATIENCE);
        if let Some(object) = object {
            request = request.header("content-type", "application/merge-patch+json").body(object.to_string());
        }
        let answer = request.send().await.map_err(|error| self.unreachable(&url, &error))?;
        let status = answer.status();
        let text = answer.text().await?;
        if status.is_success() { Ok(text) } else { Err(refusal(status, &text).into()) }
    }

    fn unreachable(&self, url: &str, error: &reqwest::Error) -> String {
        let described = go_errors::describe("Get", url, error);
        if described.ends_with("connection refused") {
            let server = self.server.trim_start_matches("https://");
            return format!(
                "The connection to the server {server} was refused - did you specify the right host or port?"
            );
        }
        format!("Unable to connect to the server: {}", described.split("\": ").nth(1).unwrap_or(&described))
    }
}

fn refusal(status: StatusCode, text: &str) -> String {
    let answer: Value = serde_json::from_str(text).unwrap_or_default();
    match (answer["reason"].as_str(), answer["message"].as_str()) {
        (Some("Unauthorized"), _) => "error: You must be logged in to the server (Unauthorized)".to_owned(),
        (Some(reason), Some(message)) => format!("Error from server ({reason}): {message}"),
        _ => format!(
            "Error from server ({status}): an error on the server ({:?}) has prevented the request from succeeding",
            text.trim_end()
        ),
    }
}
