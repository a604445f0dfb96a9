//! The frame of a volume: everything in it that is not the content of a blob.

use super::Check;
use crate::bundle::arrangement::{Content, Member};
use crate::bundle::layout;
use crate::bundle::reader::wrong_length;
use crate::bundle::source::{self, Source};
use crate::bundle::ustar::{self, BLOCK, TRAILER};
use crate::bundle::volume::VolumeHeader;

impl Check<'_> {
    /// Checks length, headers, padding, trailer and the head files of one volume.
    pub(super) fn check_frame(&self, index: usize) {
        let volume = &self.bundle.arrangement().volumes()[index];
        let found = self.bundle.volumes[index].length();
        if let Some(what) = wrong_length(found, volume.length) {
            self.report(index, found.min(volume.length), what, Vec::new(), false);
        }
        for member in &volume.members {
            // Behind the end there is nothing to say but that it is missing.
            if member.offset <= found {
                self.check_member(index, member);
            }
        }
        let trailer = volume.length - TRAILER;
        if found >= volume.length {
            self.expect(index, trailer, &[0; TRAILER as usize], "the trailer", Vec::new);
        }
    }

    fn check_member(&self, index: usize, member: &Member) {
        let name = member.name();
        let header = ustar::header(&name, member.length);
        let artifacts = || self.users_of(member);
        self.expect(index, member.offset - BLOCK, &header, &format!("the tar header of {name}"), artifacts);
        if let Some(content) = self.known_content(index, member) {
            self.expect(index, member.offset, &content, &name, Vec::new);
        }
        let padding = ustar::padded(member.length) - member.length;
        let zeros = &[0; BLOCK as usize][..padding as usize];
        if member.offset + member.length < self.bundle.volumes[index].length() {
            self.expect(
                index,
                member.offset + member.length,
                zeros,
                &format!("the padding after {name}"),
                artifacts,
            );
        }
    }

    /// What the member has to hold, where that follows from the manifest. The signature was verified when the
    /// bundle was opened.
    fn known_content(&self, index: usize, member: &Member) -> Option<Vec<u8>> {
        let header = || VolumeHeader { volume: index as u32 + 1, ..self.bundle.header };
        let head_files = || layout::layout_files(&self.bundle.manifest().artifacts);
        match member.content {
            Content::Header => Some(header().to_bytes().to_vec()),
            Content::Manifest => Some(self.bundle.manifest_bytes().to_vec()),
            Content::OciLayout => Some(head_files().0),
            Content::Index => Some(head_files().1),
            Content::Signature | Content::Piece { .. } => None,
        }
    }

    fn expect(
        &self,
        index: usize,
        offset: u64,
        expected: &[u8],
        what: &str,
        artifacts: impl FnOnce() -> Vec<String>,
    ) {
        let source: &dyn Source = self.bundle.volumes[index].as_ref();
        let mut found = vec![0; expected.len()];
        match source::read_exact(source, &mut found, offset) {
            Err(failure) => self.report_failure(index, failure, what, artifacts()),
            Ok(()) => {
                let differs = found.iter().zip(expected).position(|(found, expected)| found != expected);
                if let Some(at) = differs {
                    let text = format!("{what} is not what it should be");
                    self.report(index, offset + at as u64, text, artifacts(), false);
                }
            }
        }
    }

    fn users_of(&self, member: &Member) -> Vec<String> {
        match member.content {
            Content::Piece { blob, .. } => self.artifacts(blob),
            _ => Vec::new(),
        }
    }
}
