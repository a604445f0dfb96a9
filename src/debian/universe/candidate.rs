//! The one version of each package that apt would install (apt_preferences(5), "How APT Interprets
//! Priorities").

use super::pins::{DOWNGRADE, Preferences};
use super::{PackageId, Universe, VersionId};

impl Universe<'_> {
    /// The version of `package` to install: the highest priority, then the latest version, but no downgrade
    /// below priority 1000, and nothing with a negative one. The installed version if that is the best.
    pub fn candidate(&self, package: PackageId, preferences: &Preferences) -> Option<VersionId> {
        let installed = self.installed(package);
        let mut best: Option<(i32, VersionId)> = None;
        let mut would_downgrade = false;
        for &version in self.versions(package) {
            let priority = preferences.priority(self, version);
            let allowed = priority > 0 && (!would_downgrade || priority >= DOWNGRADE);
            if allowed && best.is_none_or(|(highest, _)| priority > highest) {
                best = Some((priority, version));
            }
            would_downgrade |= installed == Some(version);
        }
        best.map(|(_, version)| version).or(installed)
    }
}
