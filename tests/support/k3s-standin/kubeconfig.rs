//! `k3s.yaml`: how the administrator reaches the API, written by the server; and how `kubectl` reads such files.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fs_err as fs;
use serde_json::Value;

use super::Result;
use super::paths::write;
use super::settings::Settings;

/// Writes the file of a server.
pub fn write_admin(settings: &Settings) -> Result<()> {
    let encoded = |name: &str| {
        Ok::<_, std::io::Error>(STANDARD.encode(fs::read(settings.paths.server("tls").join(name))?))
    };
    let (authority, certificate, key) =
        (encoded("server-ca.crt")?, encoded("client-admin.crt")?, encoded("client-admin.key")?);
    let port = settings.port;
    let text = format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {authority}\n    \
         server: https://127.0.0.1:{port}\n  name: default\ncontexts:\n- context:\n    cluster: default\n    \
         user: default\n  name: default\ncurrent-context: default\nkind: Config\nusers:\n- name: default\n  user:\n    \
         client-certificate-data: {certificate}\n    client-key-data: {key}\n"
    );
    let file = settings.last("write-kubeconfig").map_or_else(|| settings.paths.kubeconfig(), Into::into);
    let mode =
        settings.last("write-kubeconfig-mode").map_or(Ok(0o600), |mode| u32::from_str_radix(mode, 8))?;
    write(&file, text.as_bytes(), mode)
}

/// What is in the file: `kubectl config view --raw`.
pub fn read(file: &Path) -> Result<Value> {
    let text = fs::read_to_string(file).map_err(|error| format!("error: {error}"))?;
    Ok(serde_saphyr::from_str(&text).map_err(|error| format!("error: {}: {error}", file.display()))?)
}

/// A client of the API, and its address.
pub fn client(file: &Path) -> Result<(reqwest::Client, String)> {
    let value = read(file)?;
    let (cluster, user) = (&value["clusters"][0]["cluster"], &value["users"][0]["user"]);
    let field = |value: &Value, name: &str| {
        let text = value[name].as_str().ok_or_else(|| format!("error: {}: no {name}", file.display()))?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(text.to_owned())
    };
    // Each stands in the kubeconfig itself, or in a file that it names.
    let decoded = |value: &Value, name: &str| match value[name].as_str() {
        Some(file) => Ok(fs::read(file)?),
        None => Ok::<_, Box<dyn std::error::Error + Send + Sync>>(
            STANDARD.decode(field(value, &format!("{name}-data"))?)?,
        ),
    };
    let identity = [decoded(user, "client-key")?, decoded(user, "client-certificate")?].concat();
    let authority = reqwest::Certificate::from_pem_bundle(&decoded(cluster, "certificate-authority")?)?;
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only(authority);
    let client = builder.identity(reqwest::Identity::from_pem(&identity)?).build()?;
    Ok((client, field(cluster, "server")?))
}
