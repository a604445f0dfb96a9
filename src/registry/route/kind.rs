//! Kinds of requests: what they count as, and what permission they need.

use super::Request;

/// A kind of request, by which they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "named like the requests")]
pub enum Kind {
    Ping,
    Blob,
    Manifest,
    Upload,
    Push,
    Tags,
    Referrers,
    Delete,
    Catalogue,
    Token,
    Bundle,
    Apt,
    Health,
    Metrics,
    Unknown,
}

/// What somebody needs permission for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Everybody may.
    Open,
    /// Read.
    Pull,
    /// Write.
    Push,
    /// Remove.
    Delete,
}

impl Request {
    /// What it needs permission for.
    pub fn action(&self) -> Action {
        match self {
            Request::Token | Request::Health | Request::Metrics | Request::Ping => Action::Open,
            Request::Blob(..)
            | Request::Manifest(..)
            | Request::Tags(..)
            | Request::Referrers(..)
            | Request::Catalogue(..)
            | Request::BundleManifest(..)
            | Request::BundleSignatures(..)
            | Request::AnyBlob(..)
            | Request::Apt(..) => Action::Pull,
            Request::StartUpload(..)
            | Request::AppendUpload(..)
            | Request::FinishUpload(..)
            | Request::UploadStatus(..)
            | Request::CancelUpload(..)
            | Request::PutManifest(..) => Action::Push,
            Request::DeleteManifest(..) | Request::DeleteBlob(..) => Action::Delete,
        }
    }

    /// What it counts as.
    pub fn kind(&self) -> Kind {
        match self {
            Request::Ping => Kind::Ping,
            Request::Blob(..) | Request::AnyBlob(..) => Kind::Blob,
            Request::Manifest(..) => Kind::Manifest,
            Request::StartUpload(..)
            | Request::AppendUpload(..)
            | Request::FinishUpload(..)
            | Request::UploadStatus(..)
            | Request::CancelUpload(..) => Kind::Upload,
            Request::PutManifest(..) => Kind::Push,
            Request::Tags(..) => Kind::Tags,
            Request::Referrers(..) => Kind::Referrers,
            Request::DeleteManifest(..) | Request::DeleteBlob(..) => Kind::Delete,
            Request::Catalogue(..) => Kind::Catalogue,
            Request::Token => Kind::Token,
            Request::BundleManifest(..) | Request::BundleSignatures(..) => Kind::Bundle,
            Request::Apt(..) => Kind::Apt,
            Request::Health => Kind::Health,
            Request::Metrics => Kind::Metrics,
        }
    }
}

impl Kind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Kind; 15] = [
        Kind::Ping,
        Kind::Blob,
        Kind::Manifest,
        Kind::Upload,
        Kind::Push,
        Kind::Tags,
        Kind::Referrers,
        Kind::Delete,
        Kind::Catalogue,
        Kind::Token,
        Kind::Bundle,
        Kind::Apt,
        Kind::Health,
        Kind::Metrics,
        Kind::Unknown,
    ];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Ping => "ping",
            Kind::Blob => "blob",
            Kind::Manifest => "manifest",
            Kind::Upload => "upload",
            Kind::Push => "push",
            Kind::Tags => "tags",
            Kind::Referrers => "referrers",
            Kind::Delete => "delete",
            Kind::Catalogue => "catalogue",
            Kind::Token => "token",
            Kind::Bundle => "bundle",
            Kind::Apt => "apt",
            Kind::Health => "health",
            Kind::Metrics => "metrics",
            Kind::Unknown => "unknown",
        }
    }
}
