//! `airlock store list`: what does this node hold?

use serde::Serialize;

use super::StoreOptions;
use crate::cli::session::Session;
use crate::error::Result;
use crate::store::Content as _;
use crate::ui::human;
use crate::ui::table::{Align, Table};

/// List the bundles in the store, the latest import first, and with --images all images
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ListArgs {
    /// List all tagged images, whether a bundle brought them or somebody pushed them
    #[arg(long)]
    pub images: bool,

    /// Which store.
    #[command(flatten)]
    pub store: StoreOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock store list
  airlock store list --images --json | jq -r '.images[].name'";

#[derive(Serialize)]
struct Listed {
    bundles: Vec<BundleFound>,
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<Vec<ImageFound>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BundleFound {
    name: String,
    version: String,
    channel: String,
    serial: u64,
    manifest: String,
    /// `None` means that the import is not complete.
    imported: Option<String>,
    artifacts: usize,
    bytes: u64,
}

#[derive(Serialize)]
struct ImageFound {
    name: String,
    digest: String,
}

pub(super) fn run(arguments: ListArgs, session: &Session) -> Result<()> {
    let store = arguments.store.open()?;
    let bundles = store.bundles()?.into_iter().map(|record| BundleFound {
        artifacts: record.manifest.artifacts.len(),
        bytes: record.manifest.total_size(),
        manifest: record.digest.to_string(),
        imported: record.imported,
        name: record.manifest.name,
        version: record.manifest.version,
        channel: record.manifest.channel,
        serial: record.manifest.serial,
    });
    let bundles = bundles.collect();
    let images = arguments.images.then(|| images(&store)).transpose()?;
    session.print(&Listed { bundles, images }, Listed::human)
}

fn images(store: &crate::store::Store) -> Result<Vec<ImageFound>> {
    let mut found = Vec::new();
    for repository in store.repository_names()? {
        let tags = store.tags(&repository, None, usize::MAX)?.unwrap_or_default();
        for tag in tags.names {
            let Ok(name) = crate::store::TagName::new(&tag) else { continue };
            if let Some(digest) = store.tag(&repository, &name)? {
                found.push(ImageFound { name: format!("{repository}:{tag}"), digest: digest.to_string() });
            }
        }
    }
    Ok(found)
}

impl Listed {
    fn human(&self) -> String {
        match &self.images {
            Some(images) => {
                let mut table = Table::new([("IMAGE", Align::Left), ("DIGEST", Align::Left)]);
                images.iter().for_each(|image| table.row([&image.name, &image.digest]));
                if table.is_empty() { "no images\n".to_owned() } else { table.render() }
            }
            None => self.bundles(),
        }
    }

    fn bundles(&self) -> String {
        let mut table = Table::new([
            ("BUNDLE", Align::Left),
            ("SERIAL", Align::Right),
            ("SIZE", Align::Right),
            ("IMPORTED", Align::Left),
            ("MANIFEST", Align::Left),
        ]);
        for bundle in &self.bundles {
            table.row([
                &format!("{}-{}", bundle.name, bundle.version),
                &bundle.serial.to_string(),
                &human::size(bundle.bytes),
                bundle.imported.as_deref().unwrap_or("not complete"),
                &bundle.manifest,
            ]);
        }
        if table.is_empty() { "no bundles\n".to_owned() } else { table.render() }
    }
}
