//! From the fields of a stanza to a [`Package`].

use super::{Archive, MultiArch, Package, Priority, Relationship, Status};
use crate::debian::control::Stanza;
use crate::debian::relation::is_package_name;
use crate::debian::version::Version;
use crate::error::{Error, Result, codes};

/// No field we need has a longer name.
const LONGEST_NAME: usize = 24;

/// The values of the fields we need, as they stand in the stanza; empty where absent.
pub(super) struct Fields<'a> {
    stanza: Stanza<'a>,
    package: &'a [u8],
    version: &'a [u8],
    architecture: &'a [u8],
    multi_arch: &'a [u8],
    essential: &'a [u8],
    important: &'a [u8],
    protected: &'a [u8],
    priority: &'a [u8],
    section: &'a [u8],
    source: &'a [u8],
    installed_size: &'a [u8],
    phased_update_percentage: &'a [u8],
    filename: &'a [u8],
    size: &'a [u8],
    sha256: &'a [u8],
    sha512: &'a [u8],
    status: &'a [u8],
    relations: [&'a [u8]; Relationship::COUNT],
}

impl<'a> Fields<'a> {
    /// Collects the fields of `stanza`. If one occurs twice, the last counts, as in apt.
    pub(super) fn of(stanza: Stanza<'a>) -> Result<Self> {
        let mut fields = Self::none(stanza);
        for field in stanza.fields() {
            let field = field?;
            if let Some(slot) = fields.slot(field.name) {
                *slot = field.value;
            }
        }
        Ok(fields)
    }

    fn none(stanza: Stanza<'a>) -> Self {
        Fields {
            stanza,
            package: b"",
            version: b"",
            architecture: b"",
            multi_arch: b"",
            essential: b"",
            important: b"",
            protected: b"",
            priority: b"",
            section: b"",
            source: b"",
            installed_size: b"",
            phased_update_percentage: b"",
            filename: b"",
            size: b"",
            sha256: b"",
            sha512: b"",
            status: b"",
            relations: [b""; Relationship::COUNT],
        }
    }

    fn slot(&mut self, name: &[u8]) -> Option<&mut &'a [u8]> {
        let mut buffer = [0; LONGEST_NAME];
        let lower = buffer.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        let relationship = match &*lower {
            b"package" => return Some(&mut self.package),
            b"version" => return Some(&mut self.version),
            b"architecture" => return Some(&mut self.architecture),
            b"multi-arch" => return Some(&mut self.multi_arch),
            b"essential" => return Some(&mut self.essential),
            b"important" => return Some(&mut self.important),
            b"protected" => return Some(&mut self.protected),
            b"priority" => return Some(&mut self.priority),
            b"section" => return Some(&mut self.section),
            b"source" => return Some(&mut self.source),
            b"installed-size" => return Some(&mut self.installed_size),
            b"phased-update-percentage" => return Some(&mut self.phased_update_percentage),
            b"filename" => return Some(&mut self.filename),
            b"size" => return Some(&mut self.size),
            b"sha256" => return Some(&mut self.sha256),
            b"sha512" => return Some(&mut self.sha512),
            b"status" => return Some(&mut self.status),
            b"pre-depends" => Relationship::PreDepends,
            b"depends" => Relationship::Depends,
            b"conflicts" => Relationship::Conflicts,
            b"breaks" => Relationship::Breaks,
            b"recommends" => Relationship::Recommends,
            b"suggests" => Relationship::Suggests,
            b"replaces" => Relationship::Replaces,
            b"enhances" => Relationship::Enhances,
            b"provides" => Relationship::Provides,
            _ => return None,
        };
        Some(&mut self.relations[relationship as usize])
    }

    /// A package of an index.
    pub(super) fn available(&self) -> Result<Package<'a>> {
        let mut package = self.package()?;
        let [filename, size] =
            [("Filename", self.filename), ("Size", self.size)].map(|field| self.text(field));
        let [sha256, sha512] =
            [("SHA256", self.sha256), ("SHA512", self.sha512)].map(|field| self.text(field));
        let archive = Archive::parse(filename?, size?, sha256?, sha512?);
        package.archive = Some(archive.map_err(|reason| self.error(reason))?);
        Ok(package)
    }

    /// A package of dpkg's status; `None` if it is not installed, not even partly.
    pub(super) fn installed(&self) -> Result<Option<Package<'a>>> {
        let text = self.text(("Status", self.status))?;
        let status = Status::parse(text).ok_or_else(|| self.error("has no known Status"))?;
        if !status.state.is_on_disk() {
            return Ok(None);
        }
        let mut package = self.package()?;
        package.status = Some(status);
        Ok(Some(package))
    }

    fn package(&self) -> Result<Package<'a>> {
        let name = self.text(("Package", self.package))?;
        if !is_package_name(name) {
            return Err(self.error("has no Package name"));
        }
        let version = self.version(self.text(("Version", self.version))?)?;
        let (source, source_version) = self.source(name, version)?;
        let mut relations = [""; Relationship::COUNT];
        for (text, value) in relations.iter_mut().zip(self.relations) {
            *text = self.text(("relationships", value))?;
        }
        Ok(Package {
            name,
            version,
            architecture: self.architecture()?,
            multi_arch: self.multi_arch()?,
            essential: yes(self.essential),
            important: yes(self.important),
            protected: yes(self.protected),
            priority: priority(self.priority),
            section: self.text(("Section", self.section))?,
            source,
            source_version,
            installed_size: std::str::from_utf8(self.installed_size).ok().and_then(|text| text.parse().ok()),
            phased_update_percentage: self.phased_update_percentage()?,
            archive: None,
            status: None,
            stanza: self.stanza,
            relations,
        })
    }

    fn architecture(&self) -> Result<&'a str> {
        match self.text(("Architecture", self.architecture))? {
            "" => Err(self.error("has no Architecture")),
            name if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') => Ok(name),
            _ => Err(self.error("has a malformed Architecture")),
        }
    }

    fn multi_arch(&self) -> Result<MultiArch> {
        match self.multi_arch {
            b"" | b"no" => Ok(MultiArch::No),
            b"same" => Ok(MultiArch::Same),
            b"foreign" => Ok(MultiArch::Foreign),
            b"allowed" => Ok(MultiArch::Allowed),
            _ => Err(self.error("has an unknown Multi-Arch")),
        }
    }

    /// `Source` is `name` or `name (version)`, absent if both are those of the package (Policy 5.6.1).
    fn source(&self, name: &'a str, version: Version<'a>) -> Result<(&'a str, Version<'a>)> {
        let text = self.text(("Source", self.source))?;
        match text.split_once('(') {
            None if text.is_empty() => Ok((name, version)),
            None => Ok((text, version)),
            Some((source, rest)) => match rest.strip_suffix(')') {
                Some(inner) => Ok((source.trim_ascii(), self.version(inner.trim_ascii())?)),
                None => Err(self.error("has a malformed Source")),
            },
        }
    }

    fn phased_update_percentage(&self) -> Result<Option<u8>> {
        let text = self.text(("Phased-Update-Percentage", self.phased_update_percentage))?;
        match text.parse() {
            _ if text.is_empty() => Ok(None),
            Ok(percentage) if percentage <= 100 => Ok(Some(percentage)),
            _ => Err(self.error("has a malformed Phased-Update-Percentage")),
        }
    }

    fn version(&self, text: &'a str) -> Result<Version<'a>> {
        Version::parse(text).map_err(|cause| self.error("has a malformed version").with_source(cause))
    }

    fn text(&self, (name, value): (&str, &'a [u8])) -> Result<&'a str> {
        std::str::from_utf8(value).map_err(|_| self.error(&format!("has a field {name} that is not UTF-8")))
    }

    fn error(&self, reason: &str) -> Error {
        let name = match self.package {
            b"" => "without a name".to_owned(),
            name => format!("`{}`", name[..name.len().min(80)].escape_ascii()),
        };
        let message = format!("the package {name} at byte {} {reason}", self.stanza.offset());
        Error::new(codes::DEBIAN_PACKAGE, message)
            .with_help("the package is broken in its repository; take another version of it")
    }
}

fn yes(value: &[u8]) -> bool {
    value == b"yes"
}

fn priority(value: &[u8]) -> Option<Priority> {
    match value {
        b"required" => Some(Priority::Required),
        b"important" => Some(Priority::Important),
        b"standard" => Some(Priority::Standard),
        b"optional" => Some(Priority::Optional),
        b"extra" => Some(Priority::Extra),
        _ => None,
    }
}
