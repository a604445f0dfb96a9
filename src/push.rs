//! Pushing images to a registry that is there already: Harbor, zot, distribution, another airlock.
//!
//! First a [`Plan`]: what the registry lacks of each image, found out by HEAD requests alone. An empty plan means
//! that everything is there with equal digests. Then [`Plan::execute`], which may be ended at any instant and is
//! planned anew the next time: what has arrived is not sent again.
//!
//! | module | decides |
//! |---|---|
//! | `target` | under which name an image is kept in the registry |
//! | `tree` | what an image is made of, in the order in which a registry takes it |
//! | `plan` | what is missing, and which tags change |
//! | `execute` | what is done at the same time, and what after what |
//! | `upload` | how a blob gets there: mounted, whole, resumed, in pieces |
//! | `remote` | single requests, their repetitions, and what the answers mean |
//! | `refusal` | what a refusal means and what helps |
//!
//! Bytes come from a [`Source`], are hashed on their way, and a blob that is damaged is never sent whole.
//! Connections, tokens and retries are those of [`crate::fetch`].

mod body;
mod execute;
mod plan;
mod reduced;
mod refusal;
mod remote;
mod source;
mod target;
mod tree;
mod upload;

pub use execute::Pushed;
pub use plan::{ImagePlan, Plan, TagChange};
pub use remote::Remote;
pub use source::Source;
pub use target::Target;
pub use tree::{Document, Tree};
