//! Priorities of versions, as apt_preferences(5) describes them.

use super::{PackageId, Provenance, Universe, VersionId};

/// Priority of what is installed, and of archives that are not automatic but keep their packages up to date.
const INSTALLED: i32 = 100;
/// Priority of archives that are not automatic, and of updates that are held back.
const NOT_AUTOMATIC: i32 = 1;
/// Priority of archives nothing else is said about.
const ORDINARY: i32 = 500;
/// Priority of the release the user named as the target.
const TARGET_RELEASE: i32 = 990;
/// From this priority on a version is taken even if that is a downgrade.
pub(super) const DOWNGRADE: i32 = 1000;

/// What a pin is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinTarget {
    /// `Pin: version 1.2*`.
    Version(String),
    /// `Pin: release a=…`: only archives all of whose given fields match.
    Release {
        /// `a=`, the suite.
        suite: Option<String>,
        /// `n=`, the code name.
        codename: Option<String>,
        /// `o=`, the origin.
        origin: Option<String>,
        /// `l=`, the label.
        label: Option<String>,
        /// `c=`, the component.
        component: Option<String>,
    },
    /// `Pin: origin "host"`.
    Site(String),
}

/// One entry of a preferences file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Names of packages, with `*` and `?` as wildcards; `*` alone means the general form.
    pub packages: Vec<String>,
    /// Which versions.
    pub target: PinTarget,
    /// Their priority; below 0 they are never taken.
    pub priority: i32,
}

/// What the user prefers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// In the order they were written; the first that matches counts, special ones before general ones.
    pub pins: Vec<Pin>,
    /// Suite or code name that is preferred to all others (`APT::Default-Release`).
    pub target_release: Option<String>,
    /// Whether Ubuntu's phased updates wait until they are complete. The node is told to take all
    /// (`APT::Get::Always-Include-Phased-Updates`), so they normally do not.
    pub hold_back_phased_updates: bool,
}

impl Preferences {
    /// The priority of `version`.
    pub(super) fn priority(&self, universe: &Universe<'_>, version: VersionId) -> i32 {
        let package = universe.package_of(version);
        let pinned = self.special(universe, version);
        let available = pinned.or_else(|| self.best_provenance(universe, version));
        let installed = (universe.installed(package) == Some(version)).then_some(INSTALLED);
        let priority = available.max(installed).unwrap_or(i32::MIN);
        match self.waits(universe, package, version) {
            true => priority.min(NOT_AUTOMATIC),
            false => priority,
        }
    }

    /// The first pin that names the package and matches the version.
    fn special(&self, universe: &Universe<'_>, version: VersionId) -> Option<i32> {
        let name = universe.name(universe.package_of(version));
        let mut special = self.pins.iter().filter(|pin| !pin.is_general() && pin.names(name));
        special.find(|pin| pin.matches(universe, version)).map(|pin| pin.priority)
    }

    fn best_provenance(&self, universe: &Universe<'_>, version: VersionId) -> Option<i32> {
        let text = universe.stanza(version).version.as_str();
        universe.provenances(version).map(|provenance| self.of_provenance(provenance, text)).max()
    }

    fn of_provenance(&self, provenance: &Provenance, version: &str) -> i32 {
        let mut general = self.pins.iter().filter(|pin| pin.is_general());
        if let Some(pin) = general.find(|pin| pin.target.matches(provenance, version)) {
            return pin.priority;
        }
        let is_target = |release: &String| *release == provenance.suite || *release == provenance.codename;
        match (provenance.not_automatic, provenance.but_automatic_upgrades) {
            _ if self.target_release.as_ref().is_some_and(is_target) => TARGET_RELEASE,
            (true, true) => INSTALLED,
            (true, false) => NOT_AUTOMATIC,
            (false, _) => ORDINARY,
        }
    }

    /// Phasing delays upgrades only, and never those of the security provenance.
    fn waits(&self, universe: &Universe<'_>, package: PackageId, version: VersionId) -> bool {
        self.hold_back_phased_updates
            && universe.stanza(version).phased_update_percentage.is_some_and(|percentage| percentage < 100)
            && universe.installed(package).is_some_and(|installed| installed != version)
            && !universe.provenances(version).any(|provenance| provenance.suite.ends_with("-security"))
    }
}

impl Pin {
    fn is_general(&self) -> bool {
        self.packages.iter().any(|pattern| pattern == "*")
    }

    fn names(&self, name: &str) -> bool {
        self.packages.iter().any(|pattern| is_like(pattern.as_bytes(), name.as_bytes()))
    }

    fn matches(&self, universe: &Universe<'_>, version: VersionId) -> bool {
        let text = universe.stanza(version).version.as_str();
        universe.provenances(version).any(|provenance| self.target.matches(provenance, text))
    }
}

impl PinTarget {
    fn matches(&self, provenance: &Provenance, version: &str) -> bool {
        let like = |pattern: &Option<String>, value: &str| {
            pattern.as_ref().is_none_or(|pattern| is_like(pattern.as_bytes(), value.as_bytes()))
        };
        match self {
            PinTarget::Version(pattern) => is_like(pattern.as_bytes(), version.as_bytes()),
            PinTarget::Site(site) => *site == provenance.site,
            PinTarget::Release { suite, codename, origin, label, component } => {
                like(suite, &provenance.suite)
                    && like(codename, &provenance.codename)
                    && like(origin, &provenance.origin)
                    && like(label, &provenance.label)
                    && like(component, &provenance.component)
            }
        }
    }
}

/// Whether `text` matches `pattern`, in which `*` stands for anything and `?` for one byte.
pub(crate) fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at, from));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[from] => (at, from) = (at + 1, from + 1),
            _ => match retry {
                Some((star, taken)) => {
                    retry = Some((star, taken + 1));
                    (at, from) = (star + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}
