//! `k3s crictl` and `k3s ctr`: the images of this node.

use std::path::Path;

use serde_json::{Value, json};

use super::flags::{Role, Values};
use super::images::Images;
use super::settings::Settings;
use super::{Result, Variables, configuration, say};

/// `images [-o json]`, `pull IMAGE`, `version`.
pub async fn crictl(arguments: &[String], _variables: &Variables) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let images = images()?;
    match words[..] {
        ["images" | "image" | "img", ref options @ ..] => say(&listed(&images, options.contains(&"json"))?),
        ["pull", .., image] => match images.pull(image).await {
            Ok(pulled) => say(&format!("Image is up to date for {}", pulled.digest)),
            Err(error) => {
                let code = if error.to_string().ends_with(": not found") { "NotFound" } else { "Unknown" };
                Err(format!("pulling image: rpc error: code = {code} desc = {error}").into())
            }
        },
        ["version"] => say("RuntimeName:  containerd\nRuntimeVersion:  stand-in"),
        _ => Err("the stand-in knows `images`, `pull` and `version`".into()),
    }
}

/// `images ls -q`
pub fn ctr(arguments: &[String]) -> Result<()> {
    if !arguments.iter().any(|word| word == "images" || word == "image" || word == "i") {
        return Err("the stand-in knows `images ls`".into());
    }
    let names: Vec<String> = images()?.all()?.into_keys().collect();
    say(&names.join("\n"))
}

/// The role does not matter here: what concerns images is the same for both.
fn images() -> Result<Images> {
    let values: Values = configuration::read(Role::Server, Path::new("/etc/rancher/k3s/config.yaml"))?;
    Images::of_node(&Settings::for_images(values))
}

fn listed(images: &Images, as_json: bool) -> Result<String> {
    let all = images.all()?;
    if as_json {
        let entries: Vec<Value> = all
            .iter()
            .map(|(name, image)| {
                let repository = name.rsplit_once(':').map_or(name.as_str(), |(repository, _)| repository);
                json!({"id": image.digest, "repoTags": [name], "size": image.size.to_string(),
                    "repoDigests": [format!("{repository}@{}", image.digest)]})
            })
            .collect();
        return Ok(json!({"images": entries}).to_string());
    }
    let rows =
        all.iter().map(|(name, image)| format!("{name:60} {:20} {}", &image.digest[7..20], image.size));
    Ok([format!("{:60} {:20} SIZE", "IMAGE", "IMAGE ID")]
        .into_iter()
        .chain(rows)
        .collect::<Vec<_>>()
        .join("\n"))
}
