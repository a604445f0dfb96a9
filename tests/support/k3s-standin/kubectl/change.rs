//! `kubectl apply` and `kubectl delete`.

use std::io::Read as _;

use reqwest::Method;
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::client::Client;
use super::shown;
use crate::kubernetes::Place;
use crate::manifests::documents;
use crate::{Result, say};

/// `apply -f FILE`; `-` is stdin.
pub async fn apply(client: &Client, arguments: &Arguments) -> Result<()> {
    for (place, document) in manifests(arguments)? {
        let exists = client.call(Method::GET, &place.path(), None).await.is_ok();
        let (method, word) = if exists { (Method::PATCH, "configured") } else { (Method::PUT, "created") };
        client.call(method, &place.path(), Some(&document)).await?;
        say(&format!("{} {word}", shown(&place)))?;
    }
    Ok(())
}

/// `delete -f FILE` or `delete KIND NAME…`
pub async fn delete(client: &Client, arguments: &Arguments, what: &[&str]) -> Result<()> {
    let places: Vec<Place> = match what {
        [] => manifests(arguments)?.into_iter().map(|(place, _)| place).collect(),
        [kind, names @ ..] => match kind.split_once('/') {
            Some((kind, name)) => vec![arguments.place(kind).named(name)],
            None => names.iter().map(|name| arguments.place(kind).named(name)).collect(),
        },
    };
    for place in places {
        match client.call(Method::DELETE, &place.path(), None).await {
            Ok(_) => say(&format!("{} deleted", shown(&place)))?,
            Err(error) if arguments.has("ignore-not-found") && error.to_string().contains("(NotFound)") => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn manifests(arguments: &Arguments) -> Result<Vec<(Place, Value)>> {
    let text = match arguments.option("filename") {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        }
        Some(file) => fs_err::read_to_string(file).map_err(|error| format!("error: {error}"))?,
        None => return Err("error: must specify one of -f and -k".into()),
    };
    let mut found = Vec::new();
    for mut document in documents(&text)? {
        if let (Some(namespace), Value::Null) =
            (arguments.option("namespace"), &document["metadata"]["namespace"])
        {
            document["metadata"]["namespace"] = json!(namespace);
        }
        let place = Place::of_manifest(&document).ok_or("error: a document has no kind, version or name")?;
        found.push((place, document));
    }
    Ok(found)
}
