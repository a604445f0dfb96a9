//! The files of a request: they are there as long as its command runs.

use std::io;
use std::path::Path;

use super::Request;
use super::directory::PrivateDirectory;
use super::serve::not_a_request;
use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// The files of a request, while its command runs.
pub(super) struct Files {
    directory: Option<PrivateDirectory>,
    names: Vec<String>,
}

impl Files {
    pub(super) fn of(request: &Request, runtime: &Path) -> Result<Files> {
        let names: Vec<String> = request.files.keys().cloned().collect();
        if let Some(name) = names.iter().find(|name| !is_plain(name)) {
            return Err(not_a_request(format!("a file cannot be called `{}`", quote(name))));
        }
        let write = || -> io::Result<Option<PrivateDirectory>> {
            let Some(_) = names.first() else { return Ok(None) };
            let directory = PrivateDirectory::create(runtime, "airlock-agent")?;
            for (name, text) in &request.files {
                directory.write(name, text.as_bytes())?;
            }
            Ok(Some(directory))
        };
        let directory = write().map_err(|error| {
            let message = format!("files for a command cannot be written below `{}`", runtime.display());
            Error::new(codes::NODE_FILE, message)
                .with_help("see what keeps it: `df -h /run` and `mount`; then run the same command again")
                .with_source(error)
        })?;
        Ok(Files { directory, names })
    }

    /// `{NAME}` becomes the path of the file of this name; everything else stays.
    pub(super) fn resolve(&self, word: String) -> String {
        let name = word.strip_prefix('{').and_then(|word| word.strip_suffix('}'));
        let name = name.filter(|name| self.names.iter().any(|known| known == name));
        match (name, &self.directory) {
            (Some(name), Some(directory)) => directory.path().join(name).to_string_lossy().into_owned(),
            _ => word,
        }
    }
}

fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(is_plain)
}
