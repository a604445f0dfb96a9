//! Values of options, parsed and checked before a command starts.

use std::ffi::OsStr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::build::target;
use crate::bundle::ustar::BLOCK;
use crate::bundle::volume;
use crate::oci::platform::Platform;
use crate::ui::text::escape;

/// A parser of whole numbers within `range`, whose error tells the range.
pub(super) fn whole_number<T>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: TryFrom<u64> + Send + Sync + Clone + 'static,
{
    move |text| {
        let number = text.parse::<u64>().ok().filter(|number| range.contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("it must be a whole number from {} to {}", range.start(), range.end()))
    }
}

/// A number of bytes such as `4GiB`, `700MB` or `1073741824`.
///
/// `KiB MiB GiB TiB` and, as in coreutils, `K M G T` are powers of 1024; `KB MB GB TB` are powers of 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let factor = match unit.trim_start() {
            "" | "B" => Some(1),
            "K" | "KiB" => Some(1 << 10),
            "M" | "MiB" => Some(1 << 20),
            "G" | "GiB" => Some(1 << 30),
            "T" | "TiB" => Some(1 << 40),
            "kB" | "KB" => Some(1_000),
            "MB" => Some(1_000_000),
            "GB" => Some(1_000_000_000),
            "TB" => Some(1_000_000_000_000),
            _ => None,
        };
        let bytes =
            number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
        bytes.map(Size).ok_or_else(|| "write a size as `4GiB`, `700MB` or a number of bytes".to_owned())
    }
}

/// How large one volume may become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VolumeSize {
    /// As the target file system allows.
    #[default]
    Automatic,
    /// No limit: a single volume.
    Unlimited,
    /// At most so many bytes, a size that the format allows ([`volume::is_size`]).
    Bytes(u64),
}

impl From<VolumeSize> for target::VolumeSize {
    fn from(size: VolumeSize) -> Self {
        match size {
            VolumeSize::Automatic => target::VolumeSize::Automatic,
            VolumeSize::Unlimited => target::VolumeSize::Unlimited,
            VolumeSize::Bytes(bytes) => target::VolumeSize::Limit(bytes),
        }
    }
}

impl FromStr for VolumeSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(VolumeSize::Automatic),
            "none" => Ok(VolumeSize::Unlimited),
            _ => match text.parse::<Size>() {
                // Volumes are made of blocks; a size given in powers of ten rarely is.
                Ok(Size(bytes)) if volume::is_size(bytes - bytes % BLOCK) => {
                    Ok(VolumeSize::Bytes(bytes - bytes % BLOCK))
                }
                Ok(_) => Err(format!("a volume needs at least {}KiB", volume::MIN_SIZE >> 10)),
                Err(error) => Err(format!("{error}; `none` for a single volume, `auto` to fit the target")),
            },
        }
    }
}

/// An installer binary to put beside the volumes: `[PLATFORM=]FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallerFile {
    /// What it runs on; `None` means that the file itself tells.
    pub platform: Option<Platform>,
    /// The binary.
    pub path: PathBuf,
}

impl InstallerFile {
    /// The parser for clap. Takes paths of any bytes.
    pub(super) fn parser() -> impl TypedValueParser<Value = InstallerFile> {
        OsStringValueParser::new().try_map(|text| Self::parse(&text))
    }

    fn parse(text: &OsStr) -> Result<Self, String> {
        // Only text that begins like a platform is one: file names may contain `=` themselves.
        let prefixed =
            text.to_str().filter(|text| text.starts_with("linux/")).and_then(|text| text.split_once('='));
        let Some((platform, path)) = prefixed else {
            return Ok(InstallerFile { platform: None, path: text.into() });
        };
        let platform: Platform = platform.parse().map_err(|error: crate::error::Error| {
            let help = error.help().map(|help| format!("; {help}")).unwrap_or_default();
            format!("{}{help}", escape(error.message()))
        })?;
        if path.is_empty() {
            return Err(format!("a file must follow: `{platform}=FILE`"));
        }
        Ok(InstallerFile { platform: Some(platform), path: path.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_outside_their_range_are_told_the_range() {
        let parse = whole_number::<usize>(1..=64);
        assert_eq!((parse("1"), parse("64")), (Ok(1), Ok(64)));
        for text in ["0", "65", "-1", "1e9", "", "99999999999999999999", "8 "] {
            assert_eq!(parse(text), Err("it must be a whole number from 1 to 64".to_owned()), "{text}");
        }
    }

    #[test]
    fn sizes_know_both_families_of_units() {
        for (text, bytes) in
            [("0", 0), ("4GiB", 4 << 30), ("4G", 4 << 30), ("700MB", 700_000_000), ("1 TiB", 1 << 40)]
        {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "GiB", "-1", "1.5GiB", "4gib", "4 GiBs", "99999999999T"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn volumes_have_a_least_size() {
        assert_eq!("auto".parse(), Ok(VolumeSize::Automatic));
        assert_eq!("none".parse(), Ok(VolumeSize::Unlimited));
        assert_eq!("128KiB".parse(), Ok(VolumeSize::Bytes(128 << 10)));
        assert_eq!("1MB".parse(), Ok(VolumeSize::Bytes(1_000_000 - 1_000_000 % 512)));
        assert!("127KiB".parse::<VolumeSize>().is_err());
    }

    #[test]
    fn installers_may_name_their_platform() {
        let parse = |text: &str| InstallerFile::parse(OsStr::new(text));
        let plain = InstallerFile { platform: None, path: "a=b".into() };
        assert_eq!(parse("a=b"), Ok(plain));
        let arm = InstallerFile { platform: Some(Platform::LinuxArm64), path: "target/airlock".into() };
        assert_eq!(parse("linux/arm64=target/airlock"), Ok(arm));
        assert!(parse("linux/riscv64=x").is_err());
        assert!(parse("linux/arm64=").is_err());
    }

    proptest! {
        #[test]
        fn no_size_panics(text in "\\PC*") {
            let _ = text.parse::<VolumeSize>();
            let _ = InstallerFile::parse(OsStr::new(&text));
        }
    }
}
