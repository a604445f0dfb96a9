//! What many steps are made of: things on the node with a state that can be compared and brought about.

mod blob_file;
mod block;
mod file;
mod link;
pub mod service;

pub use self::blob_file::BlobFile;
pub use self::block::Block;
pub use self::file::{Directory, File, Tree};
pub use self::link::Link;
pub use self::service::{Service, enable, state as unit_state, with_log};
use super::change::Change;
use super::machine::Machine;
use super::step::{Outcome, Step};
use super::work::Work;
use crate::error::Result;

/// A thing on the node, as it should be.
pub trait Resource: Send + Sync {
    /// What differs, if anything does.
    ///
    /// # Errors
    /// If the thing cannot be looked at, or cannot become what it should.
    fn check(&self, machine: &Machine) -> Result<Option<Change>>;

    /// Makes it what it should be; not called where nothing differs.
    ///
    /// # Errors
    /// Whatever keeps it from becoming so.
    fn make(&self, work: &mut Work<'_>) -> Result<()>;
}

/// A step that is nothing but resources, made in their order.
pub struct Resources {
    name: &'static str,
    title: String,
    resources: Vec<Box<dyn Resource>>,
}

impl Resources {
    /// A step without resources.
    pub fn new(name: &'static str, title: impl Into<String>) -> Resources {
        Resources { name, title: title.into(), resources: Vec::new() }
    }

    /// Adds a resource.
    pub fn with(mut self, resource: impl Resource + 'static) -> Resources {
        self.resources.push(Box::new(resource));
        self
    }
}

impl Step for Resources {
    fn name(&self) -> &'static str {
        self.name
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        self.resources.iter().filter_map(|resource| resource.check(machine).transpose()).collect()
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        for resource in &self.resources {
            if resource.check(work.machine())?.is_some() {
                resource.make(work)?;
            }
        }
        Ok(Outcome::Done)
    }
}
