//! Errors of writing to a medium or directory.

use std::io;

use crate::error::{Error, codes};

/// The error for a failed write to `name`, a path or file name as it may be shown.
pub(super) fn write_error(name: &str, cause: io::Error) -> Error {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::new(codes::NO_SPACE, format!("there is no space left for {name}"))
                .with_source(cause)
                .with_help("free some space there, or choose another target")
        }
        _ => Error::new(codes::TARGET_WRITE, format!("{name} cannot be written"))
            .with_source(cause)
            .with_help("check that the target is mounted for writing, and `dmesg` for I/O errors"),
    }
}
